"""What people see of a server that goes, comes back, changes its model, or asks who they are."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adscore.bundle import read_bundle, write_bundle
from adscore.scoring.scorer import Scorer
from adscore_server.access.tokens import add_token_line, new_token, token_line
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

pytestmark = pytest.mark.slow

HEADLINES = "Save 20 % on running shoes\nRun a little further"


@contextlib.contextmanager
def serving(*models: Path, **settings: Any) -> Iterator[Server]:
    registry = ModelRegistry([LoadedModel(Scorer.open(model)) for model in models])
    settings = {"address": "127.0.0.1:0", **settings}
    with Server(registry, ServerConfig(**settings)) as server:
        yield server


def fill(page: Any, banners: list[Path]) -> None:
    field = page.get_by_label("New headline")
    field.fill(HEADLINES)
    field.press("Enter")
    page.set_input_files("#files", banners)


def wait_for_cells(page: Any, count: int) -> None:
    # Headlines alone have scores too, and codes without a number.
    cells = "[...document.querySelectorAll('.cell')]"
    whole = f"n => {cells}.length === n && {cells}.every(one => /\\d/.test(one.dataset.code))"
    page.wait_for_function(whole, arg=count)


def problem(page: Any, text: str) -> None:
    page.locator("#problem").get_by_text(text).wait_for()


@contextlib.contextmanager
def server_process(model: Path, address: str = "127.0.0.1:0") -> Iterator[str]:
    """`adscore serve` as a process that is killed at the end; gives its address."""
    command = [sys.executable, "-m", "adscore", "serve", str(model), "--address", address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("Ready on ")
        yield line.split()[2].removesuffix(":")
    finally:
        process.kill()
        process.communicate()


def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    visit: Callable[..., Any],
    start_page: Callable[..., Any],
    model_dir: Path,
    banners: list[Path],
    findings: Callable[[Any], list[str]],
) -> None:
    with server_process(model_dir) as address:
        page = visit(start_page(address, timeout_seconds=2)).open()
        fill(page, banners[:2])
        wait_for_cells(page, 4)
    page.set_input_files("#files", banners[2:3])
    problem(page, "The scoring server does not answer")
    assert page.locator(".cell").count() == 4  # what is known stays
    page.get_by_label("New headline").fill("Typed while it was gone")
    page.get_by_label("New headline").press("Enter")
    assert findings(page) == []
    with server_process(model_dir, address):
        wait_for_cells(page, 9)
        page.locator("#problem").wait_for(state="hidden")


def test_a_page_whose_program_is_gone_says_so(
    visit: Callable[..., Any], page_program: Any, banners: list[Path]
) -> None:
    start, stop = page_program
    page = visit(start()).open()
    stop()
    fill(page, banners[:1])
    problem(page, "The page has lost its own program")
    start()
    wait_for_cells(page, 2)


def test_a_token_is_asked_for_and_asked_for_again_once_it_is_withdrawn(
    visit: Callable[..., Any],
    start_page: Callable[..., Any],
    model_dir: Path,
    banners: list[Path],
    tmp_path: Path,
    findings: Callable[[Any], list[str]],
) -> None:
    path, first, second = tmp_path / "tokens", new_token(), new_token()
    add_token_line(path, token_line("marketing", first))
    with serving(model_dir, tokens=path) as server:
        visitor = visit(start_page(server.address))
        page = visitor.context.new_page()
        page.goto(visitor.url)
        problem(page, "The server asks who you are")
        assert findings(page) == []
        page.get_by_label("Token").fill("wrong")
        with page.expect_response("**/api/models"):
            page.get_by_role("button", name="Go on").click()
        page.wait_for_function("() => document.querySelector('#token')?.value === ''")
        page.get_by_label("Token").fill(first)
        page.get_by_role("button", name="Go on").click()
        fill(page, banners[:1])
        wait_for_cells(page, 2)
        path.unlink()
        add_token_line(path, token_line("marketing", second))
        page.set_input_files("#files", banners[1:2])
        problem(page, "The server asks who you are")
        assert page.locator(".cell").count() == 2
        page.get_by_label("Token").fill(second)
        page.get_by_label("Token").press("Enter")
        wait_for_cells(page, 4)
        page.reload()
        wait_for_cells(page, 4)  # the tab remembers; nothing else does
        assert visitor.context.cookies() == []
        assert page.evaluate("localStorage.length") == 0


def test_a_model_that_is_replaced_is_said_to_be(
    visit: Callable[..., Any],
    start_page: Callable[..., Any],
    model_dir: Path,
    banners: list[Path],
    tmp_path: Path,
) -> None:
    bundle = read_bundle(model_dir / "1")
    for _ in range(2):
        newer = write_bundle(tmp_path / "sample", bundle.manifest, bundle.files)
    with serving(tmp_path / "sample" / "1") as server:
        address = server.address
        page = visit(start_page(address, timeout_seconds=2)).open()
        fill(page, banners[:1])
        wait_for_cells(page, 2)
        assert "version 1" in page.locator("#model-name").inner_text()
    with serving(newer, address=address):
        page.set_input_files("#files", banners[1:2])
        wait_for_cells(page, 4)
        page.get_by_text("version 2").first.wait_for()


def test_a_server_without_a_model_says_how_to_have_one(
    visit: Callable[..., Any], start_page: Callable[..., Any]
) -> None:
    with Server(ModelRegistry([]), ServerConfig(address="127.0.0.1:0")) as server:
        visitor = visit(start_page(server.address, timeout_seconds=1))
        page = visitor.context.new_page()
        page.goto(visitor.url)
        problem(page, "adscore demo --keep DIR")
