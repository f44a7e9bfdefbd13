"""Writes a made-up export of an ad platform: what an analyst has before there is a table.

python examples/ad_export.py campaign

makes campaign/report.csv, as a German Google Ads account downloads it (title lines, decimal commas,
rows of totals, a row for each ad and day), and campaign/banners with the pictures. Everything in it
is simulated by `adscore sample`.
"""

import csv
import sys
import tempfile
from pathlib import Path

from adscore.sample import write_sample

HEADER = [
    "Anzeigenstatus", "Tag", "Kampagne", "Anzeigen-ID", "Anzeigentitel", "Bild", "Währungscode",
    "Klicks", "Impr.", "CTR", "Kosten",
]  # fmt: skip
DAYS = ("2026-06-01", "2026-06-02")


def main() -> None:
    """Simulates a campaign log and writes it as an export."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        write_sample(Path(place) / "log", creatives=300, campaigns=30, seed=3)
        with (Path(place) / "log" / "creatives.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        folder.mkdir(parents=True)
        (Path(place) / "log" / "images").rename(folder / "banners")
    with (folder / "report.csv").open("w", newline="", encoding="utf-8-sig") as file:
        file.write("Anzeigenbericht\n1. Juni 2026 - 2. Juni 2026\n")
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        writer.writerows(export_rows(rows))
        writer.writerow(total_row(rows))


def export_rows(rows: list[dict[str, str]]) -> list[list[str]]:
    """A row for each ad and day; the second day has half of the counts, rounded down."""
    written = []
    for number, row in enumerate(rows):
        impressions, clicks = int(row["impressions"]), int(row["clicks"])
        parts = [(impressions - impressions // 2, clicks - clicks // 2)]
        parts.append((impressions // 2, clicks // 2))
        for day, counts in zip(DAYS, parts, strict=True):
            ad = [row["campaign_id"], str(70_200_000_000 + number), row["headline"]]
            written.append(["Aktiviert", day, *ad, Path(row["image"]).name, "EUR", *costs(*counts)])
    return written


def total_row(rows: list[dict[str, str]]) -> list[str]:
    """The row of totals, which is no ad."""
    counts = (sum(int(row[name]) for row in rows) for name in ("impressions", "clicks"))
    return ["Gesamt: Konto", *[" --"] * 5, "EUR", *costs(*counts)]


def costs(impressions: int, clicks: int) -> list[str]:
    """Counts, a rate and a cost, written as in German."""
    rate = f"{clicks / max(impressions, 1):.2%}".replace("%", " %")
    numbers = [f"{clicks:,}", f"{impressions:,}", rate, f"{clicks * 0.4 + 0.05:,.2f}"]
    return [one.translate(str.maketrans(",.", ".,")) for one in numbers]


if __name__ == "__main__":
    main()
