"""Takes the pictures of docs/page.md: `python tools/screenshots.py MODEL SAMPLE`.

Headlines and banners come from a simulated log. Each picture is of the page as it is, so that the
document stays true; `make screenshots` makes the model and the log first.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
HEADLINES = 5
COLOURS = 256  # of a picture, which then takes a third
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def main(model: Path, sample: Path) -> None:
    """Serves the page with a model, and takes every picture."""
    command = [sys.executable, "-m", "adscore", "page", "--model", str(model)]
    command += ["--address", "127.0.0.1:0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        [url] = re.findall(r"http://\S+", line)
        PICTURES.mkdir(exist_ok=True)
        take_all(url, sample)
    finally:
        process.terminate()
        process.wait()


def take_all(url: str, sample: Path) -> None:
    """Goes the way of docs/page.md, on a desk and on a phone."""
    program = os.environ.get("ADSCORE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        desk = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        fill(desk, url, sample)
        shoot(desk, "page")
        desk.locator(".cell").filter(has=desk.get_by_text("1", exact=True)).click()
        desk.locator(".parts").wait_for()
        desk.locator("#placement").select_option("meta-feed")
        desk.locator(".findings, .good").first.wait_for()
        shoot(desk, "why", "#detail")
        type_counts(desk)
        shoot(desk, "live", "#live-numbers")
        phone = browser.new_page(
            viewport={"width": 390, "height": 844}, color_scheme="dark", device_scale_factor=1.5
        )
        fill(phone, url, sample)
        phone.locator("#view-ranking").click()
        phone.locator("#answer").scroll_into_view_if_needed()
        phone.evaluate("document.querySelector('#results').scrollIntoView()")
        phone.wait_for_timeout(300)
        shoot(phone, "phone")
        browser.close()


def fill(page: Any, url: str, sample: Path) -> None:
    """Adds headlines and banners of the log, and waits for the ranking."""
    with (sample / "creatives.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    page.goto(url)
    page.locator("#model").wait_for()
    field = page.get_by_label("New headline")
    field.fill("\n".join(row["headline"] for row in rows[:HEADLINES]))
    field.press("Enter")
    page.set_input_files("#files", [sample / row["image"] for row in rows[:6]])
    page.wait_for_function("() => document.querySelectorAll('.cell').length === 30")
    page.wait_for_load_state("networkidle")
    page.locator("#results").evaluate("node => document.activeElement.blur()")


def type_counts(page: Any) -> None:
    """Says what was counted of the first three."""
    for place, (trials, clicks) in enumerate([(12_000, 176), (11_800, 121), (12_100, 167)]):
        page.get_by_label("Impressions").nth(place).fill(str(trials))
        page.get_by_label("Clicks").nth(place).fill(str(clicks))
    page.evaluate("document.activeElement.blur()")
    page.locator(".outcome").nth(2).wait_for()
    page.wait_for_load_state("networkidle")


def shoot(page: Any, name: str, part: str = "") -> None:
    """Writes a picture of the window, or of one part of the page."""
    taken = page.locator(part).screenshot() if part else page.screenshot()
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)  # others lose what is rare
    picture.save(PICTURES / f"{name}.png", optimize=True)
    print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
