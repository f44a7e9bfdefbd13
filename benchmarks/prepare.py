"""Preparing an export: seconds and memory for a million rows, of .csv and of .xlsx.

    python benchmarks/prepare.py            1,000,000 rows of each, which take minutes to write
    python benchmarks/prepare.py --quick    a tenth of each

An export has 30 rows for each ad, one a day, which are summed. Its memory is the largest that the
system saw of the process.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
from openpyxl import Workbook

from shared.table import format_table

DAYS = 30
HEADER = (
    "Ad state", "Day", "Campaign", "Ad ID", "Headline", "Image", "Currency code", "Clicks", "Impr.",
    "CTR", "Avg. CPC", "Cost",
)  # fmt: skip


def main() -> None:
    """Prints the table of figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    rows = 100_000 if parser.parse_args().quick else 1_000_000
    lines = [("export", "rows", "file, MB", "seconds", "CPU seconds", "memory, MB")]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("report.csv", "report.xlsx"):
            export = Path(folder) / name
            write_csv(export, rows) if export.suffix == ".csv" else write_workbook(export, rows)
            size = export.stat().st_size / 1e6
            lines.append((export.suffix, f"{rows:,}", f"{size:.0f}", *measure(export, rows)))
    print(format_table(lines))


def export_rows(rows: int) -> Iterator[tuple[str, ...]]:
    """Rows of ads by day, numbers as people write them; every ad has `DAYS` of them."""
    for number in range(rows):
        ad, day = divmod(number, DAYS)
        impressions = 1_000 + (number * 7_919) % 90_000
        clicks = impressions * (1 + ad % 9) // 300
        yield (
            "Enabled", f"2026-09-{day + 1:02}", f"Campaign {ad // 20}", str(70_100_000_000 + ad),
            f"Headline number {ad % 5_000} for autumn", f"banner{ad % 2_000:04}.png", "EUR",
            f"{clicks:,}", f"{impressions:,}", f"{clicks / impressions:.2%}", "0.39",
            f"{clicks * 0.39:,.2f}",
        )  # fmt: skip


def write_csv(path: Path, rows: int) -> None:
    """Writes an export with title lines, as Google Ads does."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write("Ad report\nSeptember 2026\n")
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(export_rows(rows))


def write_workbook(path: Path, rows: int) -> None:
    """Writes the same as a workbook."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Ads")
    sheet.append(HEADER)
    for row in export_rows(rows):
        sheet.append(row)
    book.save(path)


def measure(export: Path, rows: int) -> tuple[str, str, str]:
    """Seconds, seconds of CPU time and megabytes that `adscore prepare` takes.

    Raises:
        RuntimeError: It failed, or a count is lost.
    """
    out = export.with_name(f"{export.suffix[1:]}.parquet")
    command = [sys.executable, "-m", "adscore", "prepare", str(export), "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise RuntimeError(f"adscore prepare failed on {export}")
    table = pyarrow.parquet.read_table(out)
    clicks = sum(int(row[7].replace(",", "")) for row in export_rows(rows))
    if table.num_rows != -(-rows // DAYS) or sum(table["clicks"].to_pylist()) != clicks:
        raise RuntimeError(f"{export}: expected {clicks} clicks in all. Received other counts")
    work = usage.ru_utime + usage.ru_stime
    return f"{seconds:.1f}", f"{work:.1f}", f"{usage.ru_maxrss / 1024:.0f}"


if __name__ == "__main__":
    main()
