"""Exports as platforms write them, invented here: what each gives, and what is asked."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from openpyxl import Workbook

from adscore.prepare.platform import platforms
from adscore.table import Columns, Target, read_table

GOOGLE_DE = """Anzeigenbericht
1. Juni 2026 - 30. Juni 2026
Anzeigenstatus;Kampagne;Anzeigen-ID;Anzeigentitel 1;Anzeigentitel 2;Währungscode;Klicks;Impr.;Kosten
Aktiviert;Bücher;801;Lesen im Garten;Heute neu;EUR;38;4.606;15,90
Aktiviert;Bücher;802;Ein Buch pro Woche;Heute neu;EUR;1.040;36.563;399,43
Aktiviert;Tee;803;Tee aus Japan; --;EUR;7;812;2,10
Gesamt: Anzeigen;--;--;--;--;EUR;1.085;41.981;417,43
"""
META = """Reporting starts,Reporting ends,Campaign name,Ad set name,Ad ID,Headline (ad settings),Image name,Impressions,Amount spent (EUR),Clicks (all),Link clicks
2026-06-01,2026-06-30,,,,,,300,3.00,9,6
2026-06-01,2026-06-30,Sale,Set 1,901,Socks for two,one.png,100,1.00,4,3
2026-06-01,2026-06-30,Sale,Set 1,902,Warm feet,TWO.PNG,150,1.50,5,3
2026-06-01,2026-06-30,Sale,Set 2,903,One left,pictures\\three,50,0.50,,
"""  # noqa: E501 - as it is exported
LINKEDIN = """Ad Performance Report (in UTC)
Report Start: 6/1/2026, 12:00 AM

Start Date (in UTC)\tCampaign Group Name\tCampaign Name\tAd ID\tAd Headline\tImpressions\tClicks\tTotal Spent
6/1/2026\tGroup\tHiring\t31\tMeet us in Oslo\t1000\t10\t38.07
6/13/2026\tGroup\tHiring\t31\tMeet us in Oslo\t2000\t30\t38.07
6/1/2026\tGroup\tHiring\t32\tYour next role\t500\t5\t8.07
"""  # noqa: E501
EDITOR = """Campaign\tAd Group\tAd Group Type\tMax CPC\tID\tHeadline 1\tHeadline 1 position\tHeadline 2\tAd type\tKeyword\tImpressions\tClicks
Lamps\t\t\t\t\t\t\t\t\t\t\t
Lamps\tSet 1\tDefault\t0.40\t\t\t\t\t\t\t\t
Lamps\tSet 1\t\t\t\t\t\t\t\tlamps\t1200\t11
Lamps\tSet 1\t\t\t71\tWarm light\t1\tFree returns\tResponsive search ad\t\t5000\t60
Lamps\tSet 1\t\t\t72\tCold price\t -\t\tResponsive search ad\t\t3000\t20
"""  # noqa: E501


@pytest.fixture
def prepared(tmp_path: Path, succeed: Callable) -> Callable[..., tuple[list[dict], str]]:
    """Writes an export, prepares it, and gives its rows and what was said."""

    def run(content: str | bytes, *options: object, name: str = "export.csv"):
        export, out = tmp_path / name, tmp_path / "out.parquet"
        export.write_bytes(content if isinstance(content, bytes) else content.encode())
        said = succeed("prepare", export, "--out", out, "--force", *options).output
        return pyarrow.parquet.read_table(out).to_pylist(), said

    return run


def counts(rows: list[dict]) -> dict[str, tuple[int, int]]:
    return {row["creative_id"]: (row["impressions"], row["clicks"]) for row in rows}


def test_a_german_download_is_read_with_its_decimal_commas_and_without_its_total(prepared) -> None:
    rows, said = prepared(GOOGLE_DE, "--headlines", "join")
    assert counts(rows) == {"801": (4606, 38), "802": (36563, 1040), "803": (812, 7)}
    assert [row["headline"] for row in rows] == [
        "Lesen im Garten Heute neu",
        "Ein Buch pro Woche Heute neu",
        "Tee aus Japan",
    ]
    assert "Google Ads" in said
    assert "decimal comma, as '15,90' shows" in said
    assert "left out 1 row, totals (--keep-row N keeps one): row 4 (Gesamt: Anzeigen)" in said
    assert "adscore train" in said


def test_several_headlines_are_asked_for(refuse, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text(GOOGLE_DE, "utf-8")
    message = refuse("prepare", export, "--dry-run")
    assert "'Anzeigentitel 1', 'Anzeigentitel 2'" in message
    for choice in ("first", "join", "each"):
        assert f"--headlines {choice}" in message


def test_each_headline_gets_a_row_with_the_counts_of_its_ad(prepared) -> None:
    rows, _ = prepared(GOOGLE_DE, "--headlines", "each")
    assert counts(rows)["801#1"] == counts(rows)["801#2"] == (4606, 38)
    assert len(rows) == 5


def test_of_several_kinds_of_clicks_one_must_be_named(refuse, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text(META)
    message = refuse("prepare", export, "--dry-run")
    assert '--target "ctr=Link clicks/Impressions"' in message
    assert '--target "ctr=Clicks (all)/Impressions"' in message


def test_a_summary_row_without_a_label_is_no_ad_and_a_blank_count_is_zero(
    prepared, tmp_path: Path
) -> None:
    images = tmp_path / "pictures"
    images.mkdir()
    for name in ("one.png", "two.png", "three.jpg"):
        (images / name).write_bytes(b"")
    rows, said = prepared(META, "--target", "ctr=Link clicks/Impressions", "--image-root", images)
    assert counts(rows) == {"901": (100, 3), "902": (150, 3), "903": (50, 0)}
    assert [row["image"] for row in rows] == ["one.png", "two.png", "three.jpg"]
    assert "row 1 (the sum of all ads)" in said
    assert "images: 3 found" in said


def test_days_are_summed_or_kept_apart(prepared) -> None:
    encoded = LINKEDIN.encode("utf-16")
    rows, said = prepared(encoded)
    assert counts(rows) == {"31": (3000, 40), "32": (500, 5)}
    assert "UTF-16, tabs, header in line 4" in said
    rows, said = prepared(encoded, "--date-column", "start date (in utc)")
    assert [(row["creative_id"], row["date"], row["clicks"]) for row in rows] == [
        ("31", "2026-06-01", 10),
        ("31", "2026-06-13", 30),
        ("32", "2026-06-01", 5),
    ]
    assert "--id-column none" in said  # an id stands in several rows


def test_rows_of_keywords_and_groups_are_no_ads(prepared) -> None:
    rows, said = prepared(EDITOR.encode("utf-16"), "--headlines", "first")
    assert counts(rows) == {"71": (5000, 60), "72": (3000, 20)}
    assert "left out 3 rows, without id and content" in said


def test_a_workbook_is_read_and_ids_stay_whole(prepared, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(
        ["Campaign name", "Ad group name", "Ad ID", "Text", "Impressions", "Clicks (destination)"]
    )
    sheet.append(["Skates", "Set 1", "1800000000800000", "Wheels that hum", 15757, 235])
    sheet.append(["Skates", "Set 1", "1800000000800037", "First board", 25500, 230])
    sheet.append(["Total of 2 results", "-", "-", "-", 41257, 465])
    book.save(tmp_path / "book.xlsx")
    rows, said = prepared((tmp_path / "book.xlsx").read_bytes(), name="export.xlsx")
    assert counts(rows) == {"1800000000800000": (15757, 235), "1800000000800037": (25500, 230)}
    assert "TikTok" in said
    assert "Total of 2 results" in said


def test_ids_that_a_spreadsheet_rounded_are_refused(refuse, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text("creative_id,headline,impressions,clicks\n1.2E+17,a,10,1\n1.2E+17,b,10,1\n")
    assert "1.2E+17" in refuse("prepare", export, "--dry-run")


def test_a_join_brings_the_texts_and_tells_what_it_does_not_list(prepared, tmp_path: Path) -> None:
    ads = tmp_path / "ads.csv"
    ads.write_bytes(
        "Campaign Name\tAd Set Name\tAd ID\tTitle\tImage File Name\tImage Hash\n"
        "Tea\tSet\ta:51\tPicked by hand\tpic01.png\tx\n"
        "Tea\tSet\ta:52\tDark, not bitter\tpic02.png\ty\n".encode("utf-16")
    )
    rows, said = prepared(
        "Ad ID,Day,Impressions,Link clicks,Amount spent (EUR)\n"
        "51,2026-06-01,100,3,1.5\n51,2026-06-02,50,2,1.0\n52,2026-06-01,10,,0.2\n99,2026-06-01,7,1,0.1\n",
        "--join", ads, "--on", "Ad ID",
    )  # fmt: skip
    assert counts(rows) == {"51": (150, 5), "52": (10, 0)}
    assert rows[1]["headline"] == "Dark, not bitter"
    assert rows[0]["campaign_id"] == "Tea"
    assert "left out 1 ad (1 row) that the joined table does not list: 99" in said
    assert "summed 1 row" in said


def test_a_total_may_be_kept_by_its_row(prepared) -> None:
    rows, _ = prepared(
        "creative_id,headline,impressions,clicks\nTotal: all,The total look,10,1\nb,c,20,2\n",
        "--keep-row", 1,
    )  # fmt: skip
    assert counts(rows) == {"Total: all": (10, 1), "b": (20, 2)}


def test_a_context_keeps_a_row_for_each_of_its_values(prepared) -> None:
    rows, said = prepared(
        "creative_id,headline,placement,impressions,clicks\n"
        "a,x,top,10,1\na,x,side,20,2\na,x,top,30,3\n",
        "--context-column", "placement",
    )  # fmt: skip
    assert [(row["placement"], row["impressions"]) for row in rows] == [("top", 40), ("side", 20)]
    assert "--context-column placement" in said


CONVERSIONS = """Campaign,Ad ID,Headline,Clicks,Impr.,Conversions,Avg. CPC
A,1,Mowers,12,1298,1.50,0.5
A,2,Spades,30,2500,2.25,0.5
B,3,Sheets,7,800,0.00,0.5
"""


@pytest.mark.parametrize(
    ("export", "options", "targets"),
    [
        (CONVERSIONS, (), "ctr=clicks/impressions --target cvr=conversions/clicks:fractional"),
        (
            CONVERSIONS.replace("1.50", "1.00").replace("2.25", "2.00"),
            (),
            "ctr=clicks/impressions --target cvr=conversions/clicks",
        ),
        (
            CONVERSIONS,
            ("--target", "cvr=conversions/impr.:fractional"),
            "cvr=Conversions/Impr.:fractional",
        ),
        (CONVERSIONS.replace("0.00", "8"), (), ""),
    ],
)
def test_conversions_become_a_target_of_training(
    prepared, succeed, tmp_path: Path, export: str, options: tuple[str, ...], targets: str
) -> None:
    _, said = prepared(export, *options)
    command = shlex.split(said.splitlines()[-1])
    given = [one for at, one in enumerate(command) if command[at - 1] == "--target"]
    assert given == [one for one in targets.split(" --target ") if one]
    columns = Columns("creative_id", "headline", None, "campaign_id")
    table = read_table(tmp_path / "out.parquet", columns, [Target.parse(one) for one in given])
    assert len(table) == 3
    assert ("1 ad with more conversions than clicks" in said) == (not targets)


def test_counts_alone_are_nothing_to_train_on(prepared) -> None:
    rows, said = prepared("ad_id,campaign,impressions,clicks\n1,A,10,1\n2,A,20,2\n")
    assert counts(rows) == {"1": (10, 1), "2": (20, 2)}
    assert "nothing to train on yet" in said
    assert "adscore train" not in said


def test_the_command_that_follows_survives_a_shell(prepared) -> None:
    _, said = prepared(CONVERSIONS, name="Ad report (1) & more.csv")
    assert shlex.split(said.splitlines()[-1])[3] == "models/Ad-report-1-more"


def test_an_export_without_conversions_costs_them_and_that_is_said(prepared, tmp_path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(CONVERSIONS.replace(",Conversions", ",Sales"))
    rows, said = prepared(CONVERSIONS, other)
    assert counts(rows)["1"] == (2596, 24)
    assert "left out conversions, which not every export has" in said


def test_a_list_of_ads_is_read_as_its_report_is(prepared, tmp_path: Path) -> None:
    ads = tmp_path / "ads.csv"
    ads.write_text("Ad ID,Title\na:901,Socks for two\na:902,Warm feet\n")
    rows, said = prepared(
        META.replace(",Headline (ad settings)", ",Note"), "--join", ads,
        "--target", "ctr=Link clicks/Impressions",
    )  # fmt: skip
    assert [row["headline"] for row in rows] == ["Socks for two", "Warm feet"]
    assert "does not list: 903" in said


REFUSED = {
    "one reading of a number": ("id,headline,impressions,clicks\na,x,1.298,3\n", "--decimal"),
    "a rate alone": ("id,headline,impressions,ctr\na,x,1000,2%\n", "rate alone"),
    "no counts": ("id,headline\na,x\n", "--join"),
    "a blank count": ("id,headline,impressions,clicks\na,x,1000,\n", "--blank-is-zero"),
    "text for a number": ("id,headline,impressions,clicks\na,x,many,2\n", "expected numbers"),
    "parts of a click": ("id,headline,impressions,clicks\na,x,1000,2.5\n", "whole numbers"),
    "more clicks than impressions": ("id,headline,impressions,clicks\na,x,10,20\n", "--target"),
    "a separator in a cell": ("id,headline,impressions,clicks\na,x,y,10,2\n", "4 cells"),
    "a column twice": (
        "id,headline,clicks,clicks,impressions\na,x,1,2,3\n",
        "which clicks count, 'clicks [3]' or 'clicks [4]'",
    ),
    "nothing": ("", "empty file"),
    "no header": ("1,2,3\n4,5,6\n", "--header-line"),
}


@pytest.mark.parametrize(("content", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_open_or_wrong_is_said_with_what_to_do(
    content: str, told: str, refuse, tmp_path: Path
) -> None:
    export = tmp_path / "export.csv"
    export.write_text(content)
    assert told in refuse("prepare", export, "--dry-run")


OPTIONS = {
    "an unknown platform": (["--platform", "orkut"], "google"),
    "an unknown choice": (["--headlines", "all"], "first, join or each"),
    "a near name": (["--id-column", "Add ID"], "did you mean"),
    "no such folder of images": (["--image-root", "nowhere"], "expected a folder"),
    "an ending that cannot be written": (["--out", "x.xls"], ".parquet or .csv"),
    "an option without its other": (["--on", "Ad ID"], "--join"),
    "a row that is not there": (
        ["--keep-row", "9", "--target", "ctr=Link clicks/Impressions"],
        "--keep-row: expected a row up to 4. Received: 9",
    ),
}


@pytest.mark.parametrize(("options", "told"), OPTIONS.values(), ids=OPTIONS)
def test_a_wrong_option_is_refused(options: list[str], told: str, refuse, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text(META)
    dry = [] if "--out" in options else ["--dry-run"]
    assert told in refuse("prepare", export, *options, *dry)


def test_an_existing_file_is_not_replaced_unasked(prepared, refuse, tmp_path: Path) -> None:
    rows, _ = prepared("id,headline,impressions,clicks\na,x,10,1\n")
    assert "--force" in refuse(
        "prepare", tmp_path / "export.csv", "--out", tmp_path / "out.parquet"
    )
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist() == rows


def test_a_dry_run_writes_nothing(succeed, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text("id,headline,impressions,clicks\na,x,10,1\n")
    succeed("prepare", export, "--dry-run", "--out", tmp_path / "out.csv")
    assert [one.name for one in tmp_path.iterdir()] == ["export.csv"]


def test_every_platform_says_what_is_unconfirmed_of_what_it_has() -> None:
    for platform in platforms().values():
        names = {
            *platform.signature,
            *(one for list_ in platform.columns.values() for one in list_),
        }
        names |= {*platform.rows_have, *platform.totals, "totals", "id_prefixes", "blank_is_zero"}
        assert set(platform.unconfirmed) <= names, platform.key


EXPORTS = Path(os.environ.get("ADSCORE_EXPORTS", Path(__file__).parents[4] / "shared" / "exports"))
CHOICES: dict[str, list[str]] = {
    "google_editor_utf16.csv": ["--headlines", "join"],
    "google_ui_de.csv": ["--headlines", "first"],
    "linkedin_utf16.csv": ["--target", "ctr=Clicks/Impressions"],
    "meta_en_summary_first.csv": ["--target", "ctr=Link clicks/Impressions"],
    "meta_pt_by_day.csv": ["--target", "ctr=Cliques no link/Impressões"],
    "microsoft_summary.csv": ["--headlines", "first"],
    "two_files_performance.csv": ["--join", EXPORTS / "two_files_ads.csv", "--on", "Ad ID"],
}


@pytest.mark.realdata
@pytest.mark.skipif(not EXPORTS.is_dir(), reason="ADSCORE_EXPORTS names no folder of exports")
@pytest.mark.parametrize(
    "expected", sorted(EXPORTS.glob("*.expect.json")), ids=lambda path: path.name.split(".")[0]
)
def test_counts_of_real_layouts_are_exact(expected: Path, succeed, tmp_path: Path) -> None:
    facts = json.loads(expected.read_text())
    if facts["sum_impressions"] is None:
        pytest.skip("a list of ads, which another export is joined with")
    export = expected.with_name(expected.name.removesuffix(".expect.json"))
    out = tmp_path / "out.parquet"
    succeed("prepare", export, "--out", out, *CHOICES.get(export.name, []))
    rows = pyarrow.parquet.read_table(out).to_pylist()
    assert len(rows) == facts["distinct_creatives"]
    assert sum(row["impressions"] for row in rows) == facts["sum_impressions"]
    assert sum(row["clicks"] for row in rows) == facts["sum_clicks"]
