"""How long people wait for the page: `make bench ONLY=page ARGS="--model DIR --sample DIR"`.

First paint, and the time from a drop of 20 banners beside 10 headlines to the whole ranking; then
grids of 5 x 8 in 20 windows of one Chromium at once, and the memory of the page's processes. No
banner is seen twice, so that no cache helps. Page, server and browser share the machine.
"""

import argparse
import csv
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

REPEATS, PEOPLE, ROUNDS = 5, 20, 3
COMMAND = "import typer; from adscore_web.commands import page; typer.run(page)"

# Notes in a window when banners arrive, and when the grid is whole.
WATCH = """
const begin = ({ target }) => target.id === "files" && (window.began = performance.now());
addEventListener("change", begin, true);
setInterval(() => {
  const whole = window.began && document.querySelectorAll(".cell").length === window.wanted;
  if (whole && !window.ended) window.ended = performance.now();
}, 10);
"""


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("build/demo/model"))
    parser.add_argument("--sample", type=Path, default=Path("build/demo/new"))
    options = parser.parse_args()
    with (options.sample / "creatives.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    headlines = cycle(dict.fromkeys(row["headline"] for row in rows))
    banners = fresh_banners([options.sample / row["image"] for row in rows])
    command = [sys.executable, "-c", COMMAND, "--model", str(options.model)]
    command += ["--address", "127.0.0.1:0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        [url] = re.findall(r"http://\S+", line)
        program = os.environ.get("ADSCORE_CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
            one_person(browser, url, headlines, banners)
            many_people(browser, url, headlines, banners)
            browser.close()
        print(f"memory at most: page {peak_megabytes(process.pid):.0f} MB, "
              f"its server {peak_megabytes(child_of(process.pid)):.0f} MB")  # fmt: skip
    finally:
        process.terminate()
        process.wait()


def fresh_banners(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Banners without end, none with the bytes of another; a decoder ignores what ends a file."""
    for number, path in zip(count(), cycle(paths)):
        body = path.read_bytes() + number.to_bytes(4)
        yield {"name": f"{number}{path.suffix}", "mimeType": "image/jpeg", "buffer": body}


def opened(browser: Any, url: str, headlines: list[str], banners: int) -> Any:
    """A window of its own with headlines typed, which waits for so many banners."""
    page = browser.new_context().new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    page.goto(url)
    page.locator("#model").wait_for()
    page.evaluate("wanted => { window.wanted = wanted }", len(headlines) * banners)
    page.get_by_label("New headline").fill("\n".join(headlines))
    page.get_by_label("New headline").press("Enter")
    return page


def seconds_to_ranking(page: Any) -> float:
    """Waits until a window's grid is whole; the time since its banners arrived."""
    page.wait_for_function("() => window.ended")
    return float(page.evaluate("(window.ended - window.began) / 1000"))


def one_person(browser: Any, url: str, headlines: Iterator[str], banners: Iterator[Any]) -> None:
    """First paint and the time to a ranking of 10 x 20, one after another."""
    paints, rankings = [], []
    for _ in range(REPEATS):
        page = opened(browser, url, list(islice(headlines, 10)), 20)
        paints.append(page.evaluate(FIRST_PAINT))
        page.set_input_files("#files", list(islice(banners, 20)))
        rankings.append(seconds_to_ranking(page))
        page.context.close()
    print(f"first paint: median {statistics.median(paints):.0f} ms, most {max(paints):.0f} ms")
    shown = ", ".join(f"{one:.2f}" for one in rankings)
    print(f"10 x 20, from drop to ranking: median {statistics.median(rankings):.2f} s ({shown})")


FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def many_people(browser: Any, url: str, headlines: Iterator[str], banners: Iterator[Any]) -> None:
    """Grids of 5 x 8 in many windows at once."""
    taken = []
    for _ in range(ROUNDS):
        pages = [opened(browser, url, list(islice(headlines, 5)), 8) for _ in range(PEOPLE)]
        for page in pages:
            page.set_input_files("#files", list(islice(banners, 8)))
        taken += [seconds_to_ranking(page) for page in pages]
        for page in pages:
            page.context.close()
    p95 = statistics.quantiles(taken, n=20)[-1]
    print(f"5 x 8 in {PEOPLE} windows at once, {len(taken)} grids: "
          f"p50 {statistics.median(taken):.2f} s, p95 {p95:.2f} s")  # fmt: skip


def child_of(process: int) -> int:
    """The process that another started, by Linux."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return int(path.read_text(encoding="ascii").split()[0])


def peak_megabytes(process: int) -> float:
    """Memory that a process held at most, by Linux."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+)", status)
    return int(kilobytes) / 1000


if __name__ == "__main__":
    main()
