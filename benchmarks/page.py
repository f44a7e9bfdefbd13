"""How long people wait for the page: `make bench ONLY=page ARGS="--model DIR --sample DIR"`.

First paint, and the time from a drop of 20 banners beside 10 headlines to the whole ranking, in
Chromium; then grids of 5 x 8 from 20 browsers at once, as their requests go, and the page's memory.
The server is one `adscore serve` on the same machine.
"""

import argparse
import csv
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

BROWSERS, GRIDS, AT_ONCE = 20, 3, 4
COMMAND = "import typer; from adscore_web.commands import page; typer.run(page)"


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("build/demo/model"))
    parser.add_argument("--sample", type=Path, default=Path("build/demo/new"))
    options = parser.parse_args()
    with (options.sample / "creatives.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    headlines = list(dict.fromkeys(row["headline"] for row in rows))
    banners = [options.sample / row["image"] for row in rows]
    command = [sys.executable, "-c", COMMAND, "--model", str(options.model)]
    command += ["--address", "127.0.0.1:0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        [url] = re.findall(r"http://\S+", line)
        in_browser(url, headlines[:10], banners[:20])
        many_browsers(url, headlines, banners)
        print(f"memory of the page's process: {resident_megabytes(process.pid):.0f} MB")
    finally:
        process.terminate()
        process.wait()


def in_browser(url: str, headlines: list[str], banners: list[Path]) -> None:
    """First paint and the time to a ranking, medians of five each."""
    program = os.environ.get("ADSCORE_CHROMIUM") or shutil.which("chromium")
    paints, rankings = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(5):
            page = browser.new_page()
            page.goto(url)
            page.locator("#model").wait_for()
            paints.append(page.evaluate(_FIRST_PAINT))
            field = page.get_by_label("New headline")
            field.fill("\n".join(headlines))
            field.press("Enter")
            started = time.perf_counter()
            page.set_input_files("#files", banners)
            page.wait_for_function(_WHOLE, arg=len(headlines) * len(banners))
            rankings.append(time.perf_counter() - started)
            page.close()
        browser.close()
    print(f"first paint: {statistics.median(paints):.0f} ms")
    size = f"{len(headlines)} x {len(banners)}"
    print(f"{size}, from drop to ranking: {statistics.median(rankings):.2f} s, {rankings}")


_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_WHOLE = "n => document.querySelectorAll('.cell').length === n"


def many_browsers(url: str, headlines: list[str], banners: list[Path]) -> None:
    """Grids of 5 x 8 from 20 at once: each sends its banners as the page's script does."""
    place = url.split("/")[2]
    files = [path.read_bytes() for path in banners]

    def grid(number: int) -> float:
        own = [headlines[(5 * number + one) % len(headlines)] for one in range(5)]
        body = json.dumps({"headlines": own}).encode()
        head = len(body).to_bytes(4) + body
        mine = [files[(8 * number + one) % len(files)] for one in range(8)]
        started = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as senders:
            list(senders.map(lambda image: post(place, head + image), mine))
        return time.perf_counter() - started

    with ThreadPoolExecutor(BROWSERS) as people:
        seconds = sorted(people.map(grid, range(BROWSERS * GRIDS)))
    p95 = seconds[int(0.95 * (len(seconds) - 1))]
    print(f"{BROWSERS} browsers, 5 x 8: p50 {statistics.median(seconds):.2f} s, p95 {p95:.2f} s")


def post(place: str, body: bytes) -> Any:
    """Makes one request of the page's script."""
    connection = http.client.HTTPConnection(place, timeout=60)
    headers = {"origin": f"http://{place}", "content-type": "application/octet-stream"}
    connection.request("POST", "/api/scores", body, headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    if "scores" not in answer:
        raise RuntimeError(f"expected scores. Received: {answer}")
    return answer


def resident_megabytes(process: int) -> float:
    """Memory that a process holds at most, by Linux."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+)", status)
    return int(kilobytes) / 1000


if __name__ == "__main__":
    main()
