"""However an export spells a table, its counts and texts come out the same."""

import csv
import gzip
import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adscore.prepare.prepare import PrepareOptions, prepare

HEADER = {
    "id": "Ad ID",
    "campaign": "Campaign",
    "headline": "Headline",
    "state": "Ad state",
    "impressions": "Impr.",
    "clicks": "Clicks",
    "cost": "Cost",
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
WORDS = ["Zelte für kühle Nächte", "20 % off, today", 'The 5" phone', "50/50; no more", "Größe 36"]


@dataclass(frozen=True)
class Ad:
    id: str
    campaign: str
    headline: str
    impressions: int
    clicks: int
    cost: float

    def cells(self, write_number) -> dict[str, str]:
        return {
            "id": self.id,
            "campaign": self.campaign,
            "headline": self.headline,
            "state": "Enabled",
            "impressions": write_number(self.impressions),
            "clicks": write_number(self.clicks),
            "cost": write_number(self.cost),
        }


@st.composite
def ads(draw: st.DrawFn) -> list[Ad]:
    found = []
    for number in range(draw(st.integers(3, 8))):
        impressions = draw(st.integers(1, 2_000_000))
        found.append(
            Ad(
                id=str(70_100_100_000 + 37 * number),
                campaign=draw(st.sampled_from(["Garden", "Küche", "Total comfort"])),
                headline=f"{draw(st.sampled_from(WORDS))} {number}",
                impressions=impressions,
                clicks=draw(st.integers(0, impressions)),
                cost=draw(st.integers(1, 10_000)) + 0.25,  # shows the decimal mark
            )
        )
    return found


@st.composite
def spellings(draw: st.DrawFn) -> dict:
    return {
        "encoding": draw(st.sampled_from(ENCODINGS)),
        "separator": draw(st.sampled_from([",", ";", "\t"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "newline": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "decimal": draw(st.sampled_from([".", ","])),
        "group": draw(st.sampled_from(["", "other", " ", "\u00a0"])),
        "order": draw(st.permutations(list(HEADER))),
        "titles": draw(st.integers(0, 3)),
        "totals": draw(st.integers(0, 2)),
        "total_without_label": draw(st.booleans()),
        "blank_lines": draw(st.booleans()),
        "footer": draw(st.booleans()),
        "blank_column": draw(st.booleans()),
        "subtotals": draw(st.booleans()),
        "packed": draw(st.sampled_from(["", "gz", "zip"])),
        "days": draw(st.integers(1, 2)),
    }


def number_writer(spelling: dict):
    group = spelling["group"]
    if group == "other":
        group = "," if spelling["decimal"] == "." else "."

    def write(value: float) -> str:
        whole, _, rest = f"{value:,}".partition(".")
        text = whole.replace(",", group)
        return f"{text}{spelling['decimal']}{rest}" if rest else text

    return write


def write_export(found: list[Ad], spelling: dict) -> bytes:
    write = number_writer(spelling)
    order, blank = spelling["order"], [""] if spelling["blank_column"] else []
    rows = [[HEADER[name] for name in order] + blank]
    for day in range(spelling["days"]):
        if day and spelling["subtotals"] and len(found) >= 3:  # of the first day, without a label
            halves = {
                "impressions": write(sum(ad.impressions // 2 for ad in found)),
                "clicks": write(sum(ad.clicks // 2 for ad in found)),
            }
            rows.append([halves.get(name, "") for name in order] + blank)
        for ad in found:
            share = ad
            if spelling["days"] == 2:  # two rows that sum up to the ad
                half = ad.impressions // 2, ad.clicks // 2
                counts = half if day == 0 else (ad.impressions - half[0], ad.clicks - half[1])
                share = Ad(ad.id, ad.campaign, ad.headline, *counts, ad.cost)
            cells = share.cells(write)
            rows.append([cells[name] for name in order] + blank)
    sums = {
        "impressions": write(sum(ad.impressions for ad in found)),
        "clicks": write(sum(ad.clicks for ad in found)),
    }
    for number in range(spelling["totals"]):
        label = "" if spelling["total_without_label"] else f"Total: {number}"
        cells = (
            dict.fromkeys(HEADER, " --") | sums | {"id": "", order[0]: sums.get(order[0], label)}
        )
        if order[0] in sums and label:
            cells["campaign"] = label
        rows.append([cells[name] for name in order] + blank)
    if spelling["blank_lines"]:
        rows.append([""] * len(rows[0]))
    text = io.StringIO(newline="")
    for number in range(spelling["titles"]):
        text.write(f"Ad report part {number}{spelling['newline']}")
    writer = csv.writer(
        text,
        delimiter=spelling["separator"],
        quoting=spelling["quoting"],
        lineterminator=spelling["newline"],
    )
    writer.writerows(rows)
    if spelling["footer"]:
        text.write(f'{spelling["newline"]}"(c) Invented Ltd"{spelling["newline"]}')
    return text.getvalue().encode(spelling["encoding"])


def packed(data: bytes, way: str) -> bytes:
    if way == "gz":
        return gzip.compress(data)
    if way == "zip":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("report.csv", data)
        return archive.getvalue()
    return data


@settings(max_examples=150)
@given(ads(), spellings())
def test_no_spelling_of_an_export_changes_a_count_or_a_text(
    found: list[Ad], spelling: dict
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.csv"
        path.write_bytes(packed(write_export(found, spelling), spelling["packed"]))
        table = prepare([str(path)], PrepareOptions()).table
    rows = {row["creative_id"]: row for row in table.to_pylist()}
    expected = {
        ad.id: {
            "creative_id": ad.id,
            "campaign_id": ad.campaign,
            "headline": ad.headline,
            "clicks": ad.clicks,
            "impressions": ad.impressions,
        }
        for ad in found
    }
    assert rows == expected
