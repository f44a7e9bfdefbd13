"""What is open in an export is asked."""

import gzip
from pathlib import Path

import pytest

from adscore.errors import TableError

from .exports import (
    META_FR,
    PINTEREST,
    PLAIN,
    RESPONSIVE,
    TIKTOK,
    TIKTOK_ROWS,
    Case,
    archive,
    workbook,
)

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
