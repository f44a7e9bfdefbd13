"""Exports of other languages, platforms, encodings and habits: what is open is asked."""

import gzip
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from adscore.creative import Target
from adscore.errors import TableError
from adscore.prepare.export import ReadOptions
from adscore.prepare.layout import Choices
from adscore.prepare.prepare import Prepared, PrepareOptions, prepare
from adscore.table.sheet import SheetOptions

ADS = {"1": (1298, 12), "2": (2500, 30), "3": (800, 7)}
ROWS = {"row 1": (1298, 12), "row 2": (2500, 30), "row 3": (800, 7)}

GOOGLE_FR = """Rapport sur les annonces
1 septembre 2026 - 30 septembre 2026
État de l'annonce;Campagne;ID de l'annonce;Titre 1;Code de la devise;Clics;Impr.;CTR;Coût
Activée;Jardin;1;Tondeuses discrètes;EUR;12;1\u202f298;0,92 %;12,34
Activée;Jardin;2;Pelles;EUR;30;2\u202f500;1,20 %;22,10
Activée;Maison;3;Draps;EUR;7;800;0,88 %;3,00
Total : annonces;--;--;--;EUR;49;4\u202f598;1,07 %;37,44
"""
GOOGLE_ES = """Informe de anuncios
Estado del anuncio,Campaña,Grupo de anuncios,ID del anuncio,Título 1,Clics,Impr.,CTR,Coste
Habilitado,Jardín,G1,1,Cortacéspedes,12,"1.298","0,92 %","12,34"
Habilitado,Jardín,G1,2,Palas,30,"2.500","1,20 %","22,10"
Habilitado,Casa,G2,3,Sábanas,7,800,"0,88 %","3,00"
Total: anuncios, --, --, --, --,49,"4.598","1,07 %","37,44"
"""
GOOGLE_JA = """広告レポート
2026年9月1日 - 2026年9月30日
広告のステータス,キャンペーン,広告グループ,広告 ID,広告見出し 1,クリック数,表示回数,クリック率,費用
有効,庭,G1,1,静かな芝刈り機,12,"1,298",0.92%,"1,234"
有効,庭,G1,2,シャベル,30,"2,500",1.20%,"2,210"
有効,家,G2,3,シーツ,7,800,0.88%,300
合計: 広告, --, --, --, --,49,"4,598",1.07%,"3,744"
"""
META_FR = """Début des rapports,Nom de la campagne,Identifiant de la publicité,Impressions,Montant dépensé (EUR),Clics (tous),Clics sur un lien
2026-09-01,,,4598,"37,44",80,49
2026-09-01,Jardin,1,1298,"12,34",20,12
2026-09-01,Jardin,2,2500,"22,10",50,30
2026-09-01,Maison,3,800,"3,00",10,7
"""  # noqa: E501 - as it is exported
META_DE = """Berichtsbeginn;Kampagnenname;Anzeigenname;Überschrift;Impressionen;Ausgegebener Betrag (EUR);Link-Klicks
2026-09-01;Garten;P1;Mäher;1.298;12,34;12
2026-09-01;Garten;P2;Spaten;2.500;22,10;30
2026-09-01;Haus;P3;Laken;800;3,00;7
"""  # noqa: E501
PINTEREST = """Campaign name,Ad group name,Ad ID,Pin title,Image URL,Impressions,Pin clicks,Spend
Garden,G1,1,Mowers,https://x.example/a.png,"1,298",12,12.34
Garden,G1,2,Spades,https://x.example/b.png,"2,500",30,22.10
Home,G2,3,Sheets,https://x.example/c.png,800,7,3.00
"""
SNAP = """Start Time,Campaign Name,Ad Squad Name,Ad ID,Headline,Paid Impressions,Swipe Ups,Spend
2026-09-01,Garden,S1,1,Mowers,1298,12,12.34
2026-09-01,Garden,S1,2,Spades,2500,30,22.10
2026-09-01,Home,S2,3,Sheets,800,7,3.00
"""
MICROSOFT_API = """TimePeriod,CampaignName,AdId,TitlePart1,Impressions,Clicks
2026-09-01,Garden,1,Mowers,1000,10
2026-09-02,Garden,1,Mowers,298,2
2026-09-01,Garden,2,Spades,2500,30
2026-09-01,Home,3,Sheets,800,7
"""
PLAIN = """campaign,headline,impressions,clicks
A,Mowers,1298,12
A,Spades,2500,30
B,Sheets,800,7
"""
RESPONSIVE = """Campaign,Ad ID,Ad type,Headline 1,Headline 2,Headline 3,Clicks,Impr.,Avg. CPC
A,1,RSA,Mowers,Now,,12,1298,0.5
A,2,RSA,Spades, --,Fine,30,2500,0.5
B,3,RSA,Sheets,,,7,800,0.5
"""
TIKTOK = ["Campaign name", "Ad group name", "Ad ID", "Text", "Impressions", "Clicks (destination)"]
TIKTOK_ROWS: list[list[object]] = [
    ["Garden", "G1", "1", "Mowers", 1298, 12],
    ["Garden", "G1", "2", "Spades", 2500, 30],
    ["Home", "G2", "3", "Sheets", 800, 7],
]


DV360 = """Creative,Creative ID,Campaign,Impressions,Clicks
Mowers,1,Garden,1298,12
Spades,2,Garden,2500,30
Sheets,3,Home,800,7
,,,4598,49
Report Time:,2026/10/01 08:00 GMT
Date Range:,2026/09/01 to 2026/10/01
Reporting numbers are final
"""
API_ROWS = [
    {"campaign": {"name": name}, "adGroupAd": {"ad": {"id": ad}},
     "metrics": {"impressions": str(impressions), "clicks": str(clicks)}}
    for name, (ad, (impressions, clicks)) in zip("AAB", ADS.items(), strict=True)
]  # fmt: skip


def workbook(**sheets: list[list[object]]) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive(files: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file.getvalue()


def with_column(name: str, *cells: object) -> list[list[object]]:
    rows = zip(TIKTOK_ROWS, cells, strict=True)
    return [[*TIKTOK, name], *([*row, cell] for row, cell in rows)]


@dataclass(frozen=True)
class Case:
    """An export and the counts that it gives, impressions and clicks by id."""

    content: str | bytes
    expected: dict[str, tuple[int, int]]
    choices: dict[str, Any] = field(default_factory=dict)
    sheet: dict[str, Any] = field(default_factory=dict)

    def prepared(self, folder: Path) -> Prepared:
        path = folder / "export"
        data = self.content if isinstance(self.content, bytes) else self.content.encode()
        path.write_bytes(data)
        targets = tuple(map(Target.parse, self.choices.get("targets", ())))
        choices = Choices(**{**self.choices, "targets": targets})
        read = ReadOptions(SheetOptions(**self.sheet), choices)
        return prepare([str(path)], PrepareOptions(read))


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


NO_ADS: dict[str, tuple[int, int]] = {}
ASKED: dict[str, tuple[Case, str]] = {
    "which clicks Meta means": (Case(META_FR, NO_ADS), "which clicks count"),
    "which of Pinterest's clicks": (
        Case(PINTEREST.replace("Spend", "Outbound clicks"), NO_ADS),
        "'Pin clicks' or 'Outbound clicks'",
    ),
    "which clicks of any table": (
        Case("ad_id,headline,impressions,clicks,link clicks\n1,a,10,2,1\n2,b,20,3,1\n", NO_ADS),
        "which clicks count",
    ),
    "a web page where one logs in": (
        Case("<!DOCTYPE html>\n<html><body>Log in</body></html>", NO_ADS),
        "Received: a web page",
    ),
    "bytes that are no UTF-8": (
        Case("campaign,headline\nGrün,".encode() + b"It\x92s\n", NO_ADS),
        "expected text in UTF-8",
    ),
    "ids that a German workbook has rounded": (
        Case("Anzeigen-ID;headline;impressions;clicks\n1,2E+17;a;10;1\n1,2E+17;b;10;1\n", NO_ADS),
        "a spreadsheet has rounded",
    ),
    "numbers that nothing reads": (
        Case(PLAIN.replace("1298,12", "1.3K,x").replace("2500,30", "2.5K,y"), NO_ADS),
        "column 'impressions': expected numbers (2 rows: 1 '1.3K', 2 '2.5K')",
    ),
    "counts that are all in per cent": (
        Case("headline,impressions,clicks\na,1%,2%\nb,3%,4%\n", NO_ADS),
        "expected numbers (2 rows: 1 '2%', 2 '4%')",
    ),
    "which file of an archive": (
        Case(archive({"a.csv": PLAIN, "b.csv": PLAIN}), NO_ADS),
        "name the one to read with --sheet",
    ),
    "which sheet is meant": (
        Case(workbook(A=[TIKTOK, *TIKTOK_ROWS], B=[TIKTOK, *TIKTOK_ROWS]), NO_ADS),
        "--sheet",
    ),
    "ids that a workbook has rounded": (
        Case(workbook(A=[TIKTOK, ["A", "G", 1.8e17, "x", 10, 1]]), NO_ADS),
        "a spreadsheet has rounded",
    ),
    "a rate where counts should be": (
        Case(PLAIN.replace("12\n", "12%\n"), NO_ADS),
        "column 'clicks': expected numbers (1 row: 1 '12%')",
    ),
    "another table below": (
        Case(PLAIN + "device,type,impressions,clicks\nmobile,x,10,1\n", NO_ADS),
        "column 'clicks': expected numbers (1 row: 4 'clicks')",
    ),
    "a context that is a name of the result": (
        Case(PLAIN.replace("campaign", "date"), NO_ADS, {"context": ("date",)}),
        "--context-column: 'date' is a name that the result needs",
    ),
    "more rows without numbers than notes are": (
        Case(PLAIN + "A,Rakes,1.3K,1.1K\n" * 21, NO_ADS),
        "column 'clicks': expected numbers (21 rows: 4 '1.1K'",
    ),
    "a workbook that broke off": (
        Case(workbook(A=[TIKTOK, *TIKTOK_ROWS])[:-400], NO_ADS),
        "export: ",
    ),
    "half a character of UTF-16": (
        Case(PLAIN.encode("utf-16-be")[:-1], NO_ADS),
        "to its end. Received: truncated data",
    ),
    "a packed file that broke off": (
        Case(gzip.compress(PLAIN.encode() * 99)[:-20], NO_ADS),
        "it may be damaged",
    ),
    "an open notation": (Case(PLAIN.replace("1298", "1.298"), NO_ADS), "--decimal"),
    "a missing day": (
        Case(
            "date,headline,impressions,clicks\n,a,1,1\n2026-09-01,b,2,1\n", NO_ADS, {"date": "date"}
        ),
        "column 'date': expected days (1 row: 1)",
    ),
    "what tells ads apart": (
        Case("campaign,impressions,clicks\nA,10,1\nB,20,2\n", NO_ADS),
        "--id-column",
    ),
    "which of two names is meant": (
        Case(PLAIN.replace("campaign", "clicks"), NO_ADS),
        "'clicks [1]' or 'clicks [4]'",
    ),
    "what becomes of several headlines": (Case(RESPONSIVE, NO_ADS), "--headlines each"),
    "which of two ids is meant": (
        Case("ad_id,ad_id,headline,impressions,clicks\n1,2,a,10,1\n", NO_ADS),
        '--id-column "ad_id [2]"',
    ),
}


@pytest.mark.parametrize(("case", "told"), ASKED.values(), ids=ASKED)
def test_what_is_open_is_asked(case: Case, told: str, tmp_path: Path) -> None:
    with pytest.raises(TableError) as error:
        case.prepared(tmp_path)
    assert told in str(error.value)


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
