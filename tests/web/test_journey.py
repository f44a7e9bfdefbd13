"""From nothing to a decision, by mouse and again by keys, with nothing that keeps people out."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

HEADLINES = ["Save 20 % on running shoes", "Run a little further"]


def wait_for_cells(page: Any, count: int) -> None:
    # Headlines alone have scores too, and codes without a number.
    cells = "[...document.querySelectorAll('.cell')]"
    whole = f"n => {cells}.length === n && {cells}.every(one => /\\d/.test(one.dataset.code))"
    page.wait_for_function(whole, arg=count)


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Any, selector: str) -> None:
    """Goes on with the Tab key until the focus is there, as it must be reachable."""
    for _ in range(80):
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not reach {selector}")


def test_by_mouse(
    visit: Callable[..., Any], banners: list[Path], findings: Callable[..., Any], tmp_path: Path
) -> None:
    visitor = visit()
    page = visitor.open()
    assert findings(page) == []
    page.get_by_label("New headline").click()
    page.keyboard.insert_text("\n".join(HEADLINES))
    page.keyboard.press("Enter")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(banners[:3])
    wait_for_cells(page, 6)
    assert "tied" in page.locator("#answer").inner_text()
    assert findings(page) == []
    page.get_by_role("button", name="Ranking").click()
    page.locator(".rank").first.wait_for()
    assert findings(page) == []
    page.get_by_role("button", name="Grid").click()

    page.locator(".cell").first.click()
    page.locator(".parts").wait_for()
    assert page.locator(".word").count() >= 4
    page.wait_for_function("() => document.querySelector('.canvas img').naturalWidth > 0")
    photo = page.locator(".canvas img").element_handle()
    draw_box(page, (20, 20), (120, 90))
    page.get_by_text(re.compile(r"1\. your box")).wait_for()
    # A photo that was loaded anew would have no size at first, and boxes drawn then were lost.
    assert photo.evaluate("one => one.isConnected")
    draw_box(page, (30, 100), (110, 140))
    page.get_by_text(re.compile(r"2\. your box")).wait_for()
    page.wait_for_function("() => /%/.test(document.querySelector('.elements strong').innerText)")
    page.locator("#placement").select_option(index=1)
    page.locator(".findings, .good").first.wait_for()
    assert findings(page) == []

    decide(page)
    assert findings(page) == []
    page.locator("#model summary").click()
    assert "Trained on" in page.locator("#model-facts").inner_text()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.locator("#model-facts").wait_for(state="hidden")
    with page.expect_download() as download:
        page.get_by_role("button", name="Page (.html)").click()
    download.value.save_as(tmp_path / "saved.html")
    saved = visitor.context.new_page()
    saved.goto((tmp_path / "saved.html").as_uri())
    assert findings(saved) == []
    assert visitor.complaints == []


def draw_box(page: Any, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Drags over the banner, from a place to another, in CSS pixels of it."""
    photo = page.locator(".canvas img").bounding_box()
    page.mouse.move(photo["x"] + start[0], photo["y"] + start[1])
    page.mouse.down()
    page.mouse.move(photo["x"] + end[0], photo["y"] + end[1], steps=4)
    page.mouse.up()


def decide(page: Any) -> None:
    for place, (trials, clicks) in enumerate([("12,000", "300"), ("11800", "90"), ("12100", "80")]):
        page.get_by_label("Impressions").nth(place).fill(trials)
        page.get_by_label("Clicks").nth(place).fill(clicks)
    page.get_by_text(re.compile(r"^Run [AB]\d: it is best with a chance of")).last.wait_for()
    page.locator("#live-rows").get_by_text("switch off").last.wait_for()


def test_by_keys_alone(
    visit: Callable[..., Any], banners: list[Path], findings: Callable[..., Any]
) -> None:
    visitor = visit(reduced_motion="reduce")
    page = visitor.open()
    assert findings(page) == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "[data-key=headline-new]")
    for headline in HEADLINES:
        page.keyboard.type(headline)
        page.keyboard.press("Enter")
    tab_to(page, "#choose-files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(banners[:3])
    wait_for_cells(page, 6)
    assert "6 combinations are scored" in page.locator("#live").text_content()
    assert findings(page) == []

    tab_to(page, ".cell")  # one stop for the whole grid
    press(page, "Control+Home", "ArrowDown", "ArrowRight")
    assert page.evaluate("document.activeElement.dataset.code") == "B2"
    press(page, "End", "Enter")
    page.wait_for_function("() => document.activeElement.id === 'detail-title'")
    page.locator(".parts").wait_for()
    assert page.locator("#detail-title").inner_text() == "Why B3?"
    tab_to(page, "[data-key=box-add]")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.classList.contains('own')")
    before = page.locator(".box.own").bounding_box()
    press(page, "ArrowRight", "ArrowRight", "Shift+ArrowDown")
    after = page.locator(".box.own").bounding_box()
    assert (after["x"] > before["x"], after["height"] > before["height"]) == (True, True)
    page.wait_for_function("() => /%/.test(document.querySelector('.elements strong').innerText)")
    press(page, "Delete")
    page.locator(".box.own").wait_for(state="detached")
    tab_to(page, "#placement")
    page.keyboard.press("ArrowDown")
    page.locator(".findings, .good").first.wait_for()
    assert findings(page) == []

    for trials, clicks in (("12000", "300"), ("11800", "90")):
        tab_to(page, "[id^=trials-]")
        page.keyboard.type(trials)
        tab_to(page, "[id^=successes-]")
        page.keyboard.type(clicks)
        page.keyboard.press("Tab")
    page.locator(".outcome").nth(1).wait_for()
    assert findings(page) == []
    tab_to(page, "[data-key=live-paste-open]")
    page.keyboard.press("Enter")
    tab_to(page, "#live-paste")
    page.keyboard.insert_text("A1\t5000\t20\nB1 4,000 90\nnonsense here")
    tab_to(page, "[data-key=live-paste-take]")
    page.keyboard.press("Enter")
    page.locator("#notice").get_by_text("2 combinations were taken. One line was left").wait_for()
    page.wait_for_function("() => document.querySelector('#trials-B1')?.value === '4,000'")
    with page.expect_download():
        page.locator("#download-csv").focus()  # it lies before the numbers
        page.keyboard.press("Enter")
    assert findings(page) == []
    assert visitor.complaints == []
