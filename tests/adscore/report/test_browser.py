"""The pages in a real browser: they fit a phone, can be used by all, and find what is searched.

Needs Debian's chromium, or the program that ADSCORE_CHROMIUM names, and Playwright to drive it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adscore.bundle import Spread
from adscore.decision import Arm, DecisionSettings, Group, Prediction, decide
from adscore.decision.table import TableQuestion
from adscore.evaluation.table import evaluate_table, modalities_to_exchange, with_ablations
from adscore.report import Report
from adscore.report.decisions import DecisionReport
from adscore.table import Columns, Target, read_table

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
NAMES = os.environ.get("ADSCORE_CHROMIUM") or "chromium chromium-headless-shell"
CHROMIUM = next(filter(None, map(shutil.which, NAMES.split())), None)
if CHROMIUM is None:
    pytest.skip(f"needs one of {NAMES}", allow_module_level=True)

WIDTHS = (320, 390, 1280)
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; what it writes to its console fails the test."""
    contexts, said = [], []

    def open_page(path: Path, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module")
def evaluation_page(scorer: Any, sample_dir: Path, tmp_path_factory: Any) -> Path:
    table = read_table(
        sample_dir / "creatives.csv", Columns(), [Target.parse("ctr=clicks/impressions")]
    )
    evaluation = evaluate_table(scorer, table)
    modalities = modalities_to_exchange(evaluation, scorer)
    evaluation = with_ablations(evaluation, scorer, table, modalities)
    path = Path(tmp_path_factory.mktemp("page")) / "evaluation.html"
    Report(scorer, table, evaluation, date(2030, 1, 2), group_word="campaign").write(path)
    return path


@pytest.fixture(scope="module")
def decisions_page(tmp_path_factory: Any) -> Path:
    """A leader with arms to switch off, and an open group."""
    arms = [
        Arm(name, {"ctr": Prediction.of_rate(0.015)}, {"ctr": trials}, {"ctr": successes})
        for name, trials, successes in [
            ("7020000000000001", 30_000, 640), ("7020000000000002", 30_000, 420), ("new", 0, 0)
        ]
    ]  # fmt: skip
    settings = DecisionSettings({"ctr": 1.0}, {"ctr": Spread(0.6, 0.25)})
    asked = SimpleNamespace(settings=settings, model="m", model_version="1")
    report = DecisionReport(asked)
    for decision in decide([Group("spring", arms[:2]), Group("autumn", arms[1:])], settings):
        report.add(decision)
    path = Path(tmp_path_factory.mktemp("page")) / "decisions.html"
    report.write(path, None, TableQuestion(Columns(id=None)))
    return path


@pytest.fixture(params=["evaluation", "scores", "decisions"])
def any_page(request: Any, score_page: Callable[..., Path]) -> Path:
    if request.param != "scores":
        return request.getfixturevalue(f"{request.param}_page")
    long = ["Aworldwithoutasingleblankwouldbewiderthananyphonecouldeverhopetoshow"] * 24
    return score_page(targets=("ctr", "conversion_rate_of_clicks"), errors=(3,), headline=long)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits_and_anyone_can_use_it(
    opened: Callable[..., Any], any_page: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core")
    page = opened(any_page, width, color_scheme=scheme, bypass_csp=True)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
    found = axe.Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []


def shown(page: Any) -> list[str]:
    """The ids of the lines that are seen, in the order in which they are seen."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".line")]
            .filter((line) => line.checkVisibility())
            .map((line) => line.querySelector(".id").firstChild.textContent.trim())"""
    )


def values_of(page: Any, where: str = "") -> list[list[float]]:
    """The predictions of each line, in the order of the page."""
    texts = page.locator(f"{where}.line").evaluate_all(
        "lines => lines.map((line) => line.dataset.values)"
    )
    return [[float(value) for value in text.split()] for text in texts]


def expect_count(page: Any, text: str) -> None:
    playwright.expect(page.locator("#count")).to_have_text(text)


def choose(page: Any, name: str, value: str) -> None:
    page.locator(f"[name={name}]").select_option(value)


def test_search_finds_headlines_ids_and_campaigns(
    opened: Callable[..., Any], score_page: Callable[..., Path]
) -> None:
    page = opened(score_page())
    expect_count(page, "24 creatives")
    page.get_by_label("Search").fill("BREAD 17")
    expect_count(page, "1 of 24 creatives")
    assert shown(page) == ["c00017"]
    page.get_by_label("Search").fill("campaign-2")
    expect_count(page, "6 of 24 creatives")
    assert sorted(shown(page)) == [f"c{row:05}" for row in range(12, 18)]
    assert page.locator(".group:visible").count() == 1


def test_order_and_filters(opened: Callable[..., Any], score_page: Callable[..., Path]) -> None:
    page = opened(score_page(errors=(5,)))
    inside = shown(page)
    choose(page, "order", "table")
    playwright.expect(page.locator("#flat")).to_be_visible()
    assert shown(page) == [f"c{row:05}" for row in range(24)]
    choose(page, "order", "high")
    playwright.expect(page.locator(".line").last).to_contain_text("c00005")
    values = [value for (value,) in values_of(page)[:-1]]
    assert values == sorted(values, reverse=True)
    assert shown(page)[-1] == "c00005"
    assert "campaign-0" in (page.locator(".line").last.text_content() or "")
    choose(page, "order", "inside")
    playwright.expect(page.locator("#flat")).to_be_hidden()
    assert shown(page) == inside
    choose(page, "show", "failed")
    expect_count(page, "1 of 24 creatives")
    assert shown(page) == ["c00005"]
    choose(page, "show", "warned")
    expect_count(page, "3 of 24 creatives")
    assert sorted(shown(page)) == ["c00003", "c00010", "c00017"]


def test_places_follow_the_target(
    opened: Callable[..., Any], score_page: Callable[..., Path]
) -> None:
    page = opened(score_page(targets=("ctr", "cvr")))
    first = shown(page)
    assert "ctr:" in page.locator(".verdict:visible").inner_text()
    choose(page, "target", "1")
    playwright.expect(page.locator(".verdict").first).to_be_hidden()
    assert "cvr:" in page.locator(".verdict:visible").inner_text()
    assert shown(page) != first
    for number in range(4):
        values = [value for _, value in values_of(page, f".group:nth-child({number + 1}) ")]
        assert values == sorted(values, reverse=True)
    first_places = page.locator(".group .line:first-child .place").all_text_contents()
    assert all(place.startswith("1") for place in first_places)


def test_page_of_five_thousand_rows_is_searched(
    opened: Callable[..., Any], score_page: Callable[..., Path]
) -> None:
    path = score_page(rows=5_000, size=10, images=1_000)
    assert path.stat().st_size < 6_000_000
    page = opened(path)
    expect_count(page, "5000 creatives")
    page.get_by_label("Search").fill("c04321")
    expect_count(page, "1 of 5000 creatives")
    assert shown(page) == ["c04321"]


def test_page_is_whole_without_its_script(
    opened: Callable[..., Any], score_page: Callable[..., Path]
) -> None:
    page = opened(score_page(), java_script_enabled=False)
    assert page.locator(".line:visible").count() == 24
    assert page.get_by_label("Search").count() == 0 or not page.get_by_label("Search").is_visible()
