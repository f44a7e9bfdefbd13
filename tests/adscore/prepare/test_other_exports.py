"""What is read of exports of other languages, platforms, encodings and habits."""

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from adscore.errors import TableError
from adscore.prepare.export import ReadOptions
from adscore.prepare.layout import Choices
from adscore.prepare.prepare import PrepareOptions, prepare

from .exports import (
    ADS,
    API_ROWS,
    DV360,
    GOOGLE_ES,
    GOOGLE_FR,
    GOOGLE_JA,
    META_DE,
    META_FR,
    MICROSOFT_API,
    PINTEREST,
    PLAIN,
    RESPONSIVE,
    ROWS,
    SNAP,
    TIKTOK,
    TIKTOK_ROWS,
    Case,
    archive,
    with_column,
    workbook,
)

SUBTOTALS = [
    *TIKTOK_ROWS[:2],
    ["", "", "", "", 3798, 42],
    TIKTOK_ROWS[2],
    ["", "", "", "", 800, 7],
    ["", "", "", "", 4598, 49],
]
READ: dict[str, Case] = {
    "Microsoft by one of its columns": Case(
        PLAIN.replace("campaign,headline", "Campaign name,Title part 1"), ROWS
    ),
    "Google in French": Case(GOOGLE_FR, ADS),
    "the same in cp1252": Case(GOOGLE_FR.replace("\u202f", "\xa0").encode("cp1252"), ADS),
    "the same in UTF-16, big end first": Case(b"\xfe\xff" + GOOGLE_FR.encode("utf-16-be"), ADS),
    "the same without its mark": Case(GOOGLE_FR.encode("utf-16-be"), ADS),
    "the same in UTF-32": Case(GOOGLE_FR.encode("utf-32"), ADS),
    "the same with the line ends of old Macs": Case(GOOGLE_FR.replace("\n", "\r"), ADS),
    "the same with curly apostrophes": Case(GOOGLE_FR.replace("'", "\u2019"), ADS),
    "Google in Spanish": Case(GOOGLE_ES, ADS),
    "Google in Japanese": Case(GOOGLE_JA, ADS),
    "the same in Shift JIS": Case(GOOGLE_JA.encode("cp932"), ADS),
    "Google's API": Case(
        "campaign.name,ad_group_ad.ad.id,metrics.impressions,metrics.clicks\n"
        "A,1,1298,12\nA,2,2500,30\nB,3,800,7\n",
        ADS,
    ),
    "Meta in French": Case(META_FR, ADS, {"targets": ("ctr=Clics sur un lien/Impressions",)}),
    "Meta in German, without ids": Case(META_DE, ROWS),
    "the same by the ads' names": Case(
        META_DE, dict(zip(("P1", "P2", "P3"), ADS.values(), strict=True)), {"id": "Anzeigenname"}
    ),
    "Pinterest": Case(PINTEREST, ADS),
    "Snap": Case(SNAP, ADS),
    "Display & Video 360, with lines of its settings below": Case(DV360, ADS),
    "the same as a spreadsheet saves it": Case(
        DV360.replace("GMT\n", "GMT,,,\n").replace("01\n", "01,,,\n"), ADS
    ),
    "lines below the rows that have cells of counts": Case(
        PLAIN + "Exported by,Jane,on,2026-10-01\n", ROWS
    ),
    "a total behind the last column": Case(PLAIN + ",,4598,49,Grand total\n", ROWS),
    "subtotals that name their campaign in the column of headlines": Case(
        PLAIN.replace("B,", "A,Total A,3798,42\nB,") + "B,B Total,800,7\n",
        {"row 1": (1298, 12), "row 2": (2500, 30), "row 4": (800, 7)},
    ),
    "ids that a spreadsheet keeps as text": Case(
        "ad_id,headline,impressions,clicks\n'1,a,1298,12\n'2,b,2500,30\n'3,c,800,7\n", ADS
    ),
    "a row of units": Case(
        PLAIN.replace("clicks\n", "clicks\n,,number,number\n"),
        {
            "row 2": (1298, 12),
            "row 3": (2500, 30),
            "row 4": (800, 7),
        },
    ),
    "an ad that nothing is known of": Case(PLAIN + "B,Towels,,\n", ROWS),
    "an archive with a table and a note": Case(archive({"a.csv": PLAIN, "README.txt": "x"}), ROWS),
    "the named file of an archive": Case(
        archive({"a.csv": "x,y\n1,2\n", "b.csv": PLAIN}), ROWS, {}, {"sheet": "b.csv"}
    ),
    "pages of a service's answer": Case(
        json.dumps([{"results": API_ROWS[:2]}, {"results": API_ROWS[2:], "fieldMask": "x"}]), ADS
    ),
    "an answer with its list inside": Case(
        json.dumps({"code": 0, "data": {"page": {"number": 1}, "list": API_ROWS}}), ADS
    ),
    "Microsoft's API": Case(MICROSOFT_API, ADS),
    "a workbook with titles": Case(
        workbook(Data=[["Report"], ["2026"], [], TIKTOK, *TIKTOK_ROWS]), ADS
    ),
    "a workbook with subtotals": Case(workbook(Data=[TIKTOK, *SUBTOTALS]), ADS),
    "a workbook with a summary and notes": Case(
        workbook(
            Summary=[["Impressions", "Clicks"], [4598, 49]],
            Ads=[TIKTOK, *TIKTOK_ROWS],
            Notes=[["hello"], ["x"]],
        ),
        ADS,
    ),
    "a sheet of several": Case(
        workbook(A=[TIKTOK, *TIKTOK_ROWS], B=[TIKTOK, *TIKTOK_ROWS[:2]]), ADS, {}, {"sheet": "A"}
    ),
    "a workbook with three digits behind the point": Case(
        workbook(A=with_column("Conversions", 1.298, 2.5, 3)), ADS
    ),
    "totals in the column of headlines": Case(PLAIN + ",Total,4598,49\n", ROWS),
    "totals in the first column": Case(PLAIN + "Gesamt,,4598,49\n", ROWS),
    "totals without a label": Case(PLAIN + ",,4598,49\n", ROWS),
    "totals of other rows": Case(PLAIN + "Summe,,9999,99\n", ROWS),
    "a campaign called as a total": Case(PLAIN.replace("A,", "Total,"), ROWS),
    "a headline that begins as a total": Case(PLAIN.replace("Mowers", "Total comfort"), ROWS),
    "a name twice that nobody reads": Case(
        PLAIN.replace("clicks\n", "clicks,cost,cost\n").replace("2\n", "2,1,2\n"), ROWS
    ),
    "the named one of two columns of one name": Case(
        PLAIN.replace("clicks\n", "clicks,clicks\n")
        .replace("12\n", "12,1\n")
        .replace("30\n", "30,1\n")
        .replace("7\n", "7,1\n"),
        ROWS,
        {"targets": ("ctr=clicks [4]/impressions",)},
    ),
    "European numbers in quotes": Case(
        'campaign,headline,impressions,clicks,cost\nA,Mowers,"1.298",12,"1,50"\n'
        'A,Spades,"2.500",30,"2,00"\nB,Sheets,800,7,"3,25"\n',
        ROWS,
    ),
    "a decimal mark that only the first column shows": Case(
        'cost,headline,impressions,clicks\n1.25,Mowers,"1,298",12\n1.25,Spades,"2,500",30\n'
        "1.25,Sheets,800,7\n",
        ROWS,
    ),
    "Indian groups": Case(PLAIN.replace("1298", '"12,34,567"'), ROWS | {"row 1": (1_234_567, 12)}),
    "short rows keep their place": Case(
        PLAIN.replace("clicks\n", "clicks,note\n").replace("30\n", "30,x\n"), ROWS
    ),
    "two byte order marks": Case(b"\xef\xbb\xbf\xef\xbb\xbf" + PLAIN.encode(), ROWS),
    "a mark before a quote": Case(
        b"\xef\xbb\xbf" + PLAIN.replace("campaign", '"campaign"').encode(), ROWS
    ),
    "ids that are kept as text": Case(
        'id,headline,impressions,clicks\n="001",Mowers,1298,12\n="002",Spades,2500,30\n',
        {"001": (1298, 12), "002": (2500, 30)},
    ),
    "days on lines of their own": Case(
        "date,headline,impressions,clicks\n2026-09-01,,,\n,Mowers,1298,12\n2026-09-02,,,\n"
        ",Spades,2500,30\n",
        {"row 2": (1298, 12), "row 4": (2500, 30)},
    ),
    "comments and bars": Case("# by a tool\n# 2026\n" + PLAIN.replace(",", "|"), ROWS),
    "a Cyrillic table": Case(
        "Кампания;Заголовок;Показы;Клики\nСад;Косилки;1298;12\nСад;Лопаты;2500;30\n"  # noqa: RUF001
        "Дом;Простыни;800;7\nИтого;;4598;49\n".encode("cp1251"),  # noqa: RUF001
        ROWS,
        {"targets": ("ctr=Клики/Показы",), "headline": "Заголовок", "campaign": "Кампания"},
    ),
    "the same with few words in Cyrillic": Case(
        PLAIN.replace("Mowers", "Косилки").replace("A,", "Сад,").encode("cp1251"),
        ROWS,
    ),
    "two exports that were put into one file": Case(
        PLAIN + PLAIN.replace("Mowers", "Rakes").replace("A,S", "A,Oak S"),
        {**ROWS, "row 3": (1600, 14), "row 5": (1298, 12), "row 6": (2500, 30)},
    ),
    "several headlines, joined": Case(RESPONSIVE, ADS, {"headlines": "join"}),
    "each headline of ads without ids": Case(
        RESPONSIVE.replace("Ad ID", "Number"),
        {
            "row 1": (1298, 12),
            "row 1#2": (1298, 12),
            "row 2": (2500, 30),
            "row 2#2": (2500, 30),
            "row 3": (800, 7),
        },
        {"headlines": "each"},
    ),
}


@pytest.mark.parametrize("case", READ.values(), ids=READ)
def test_an_export_gives_its_ads_and_their_counts(case: Case, tmp_path: Path) -> None:
    rows = case.prepared(tmp_path).table.to_pylist()
    assert {
        row["creative_id"]: (row["impressions"], row["clicks"]) for row in rows
    } == case.expected


DAYS = {
    "1 Sep 2026": "2 Sep 2026", "1-Sep-26": "2-Sep-26", "Tue, Sep 1, 2026": "Wed, Sep 2, 2026",
    "1. Sept. 2026": "2. Sept. 2026", "1 septembre 2026": "2 septembre 2026",
    "mar. 1 sept. 2026": "mer. 2 sept. 2026", "1 de set. de 2026": "2 de set. de 2026",
    "1 wrz 2026": "2 wrz 2026", "2026. 9. 1.": "2026. 9. 2.", "2026年9月1日": "2026年9月2日",
    "2026-09-01T00:00:00Z": "2026-09-02T00:00:00Z", "46266": "46267",
    "2026-09-01 00:00:00+00:00": "2026-09-02 00:00:00+00:00", "20260901": "20260902",
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), DAYS.items())
def test_days_of_many_spellings_are_days(first: str, second: str, tmp_path: Path) -> None:
    rows = f'1,"{first}",a,10,1\n1,"{second}",a,20,2\n1,"{first}",a,30,3\n'
    case = Case(f"ad_id,day,headline,impressions,clicks\n{rows}", {}, {"date": "day"})
    table = case.prepared(tmp_path).table
    assert table["date"].to_pylist() == ["2026-09-01", "2026-09-02"]
    assert table["impressions"].to_pylist() == [40, 20]


@pytest.mark.parametrize("day", ["9/1/2026", "9/1/2026 12:00 AM"])
def test_the_format_that_an_error_names_reads_the_days(day: str, tmp_path: Path) -> None:
    content = f"ad_id,day,headline,impressions,clicks\n1,{day},a,10,1\n"
    with pytest.raises(TableError, match="--date-format %m/%d/%Y"):
        Case(content, {}, {"date": "day"}).prepared(tmp_path)
    read = ReadOptions(choices=Choices(date="day"), date_format="%m/%d/%Y")
    table = prepare([str(tmp_path / "export")], PrepareOptions(read)).table
    assert table["date"].to_pylist() == ["2026-09-01"]


def test_merged_cells_of_a_workbook_are_all_filled(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    for row in (TIKTOK, *TIKTOK_ROWS):
        sheet.append(row)
    sheet["A3"] = None
    sheet.merge_cells("A2:A3")
    book.save(tmp_path / "export.xlsx")
    table = prepare([str(tmp_path / "export.xlsx")], PrepareOptions()).table
    assert table["campaign_id"].to_pylist() == ["Garden", "Garden", "Home"]
