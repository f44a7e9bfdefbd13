"""adscore check; what it finds is tested in tests/adscore/checks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from adscore.cli.app import app

FOR = ("--for", "google-image-ad")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.png"
    Image.new("RGB", (123, 45), "white").save(path)
    return path


def test_creative_that_may_not_run_ends_with_status_1_and_every_finding(
    blank: Path, tmp_path: Path
):
    result = run("--image", blank, *FOR, "--json", tmp_path / "f.json")
    assert result.exit_code == 1
    assert "error  image-size" in result.stdout
    assert "Received: 123 x 45 pixels" in result.stdout
    assert "1 checked, 1 with errors" in result.stdout
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["placement"] == "google-image-ad"
    (creative,) = written["creatives"]
    assert {one["rule"] for one in creative["findings"]} == {"image-size", "image-blank"}


def test_creative_without_errors_ends_with_status_0(succeed: Callable[..., Result]):
    result = succeed("check", "--headline", "Fresh coffee", "--for", "meta-feed")
    assert "1 without findings" in result.stdout


def test_report_shows_what_was_found_and_is_safe(blank: Path, tmp_path: Path):
    report = tmp_path / "r.html"
    run("--image", blank, "--headline", "<script>alert(1)</script>", *FOR, "--report", report)
    page = report.read_text()
    assert "image-size" in page
    assert "data:image/webp" in page
    assert "<script" not in page
    assert "support.google.com" in page


def test_list_names_the_placements_and_the_rules_of_one(succeed: Callable[..., Result]):
    assert "meta-stories" in succeed("check", "--list").stdout
    rules = succeed("check", "--list", "--for", "meta-stories").stdout
    assert "safe-area" in rules
    assert "facebook.com" in rules


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--headline", "a"), "--for: expected a placement"),
        (("--headline", "a", "--for", "meta-story"), "Did you mean 'meta-stories'?"),
        (FOR, "expected a TABLE, or --headline and --image"),
        (("t.csv", "--headline", "a", *FOR), "a table beside --headline"),
        (("--image", "no-such.png", *FOR), f"No such file or directory, in {Path.cwd()}"),
        (("t.csv", *FOR), "t.csv"),
        (("--headline", "a", *FOR, "--report", "no/such/r.html"), "--report"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_checked(
    refuse: Callable[..., str], arguments: tuple[str, ...], text: str
):
    assert text in refuse("check", *arguments)


def test_table_is_checked_with_a_line_for_each_creative(blank: Path, tmp_path: Path):
    table = tmp_path / "t.csv"
    table.write_text(f"creative_id,headline,image\na,{'x' * 50},\nb,Hello,{blank.name}\nc,Hi,\n")
    report = tmp_path / "r.html"
    result = run(table, "--for", "google-image-ad", "--report", report)
    assert result.exit_code == 1
    assert "3 checked, 1 with errors, 0 with warnings alone, 2 without findings" in result.stdout
    assert "b\n  error  image-size" in result.stdout
    assert "image-blank" in report.read_text()


def test_column_that_is_not_there_is_named_with_its_option(
    tmp_path: Path, refuse: Callable[..., str]
):
    table = tmp_path / "t.csv"
    table.write_text("creative_id,title,image\na,b,c\n")
    assert "--headline-column" in refuse("check", table, *FOR)


def test_scores_report_says_what_a_placement_does_not_take(
    model_dir: Path, blank: Path, tmp_path: Path, succeed: Callable[..., Result]
):
    table, report = tmp_path / "t.csv", tmp_path / "r.html"
    table.write_text(f"creative_id,headline,image\na,Fresh coffee,{blank.name}\n")
    out = tmp_path / "scores.csv"
    succeed("score", table, "--model", model_dir, "--out", out, "--report", report, *FOR)
    page = report.read_text()
    assert "checked for google-image-ad" in page
    assert "image-size" in page


def test_scores_without_a_report_are_not_checked(
    model_dir: Path, tmp_path: Path, refuse: Callable[..., str]
):
    out = tmp_path / "scores.csv"
    assert "--report" in refuse("score", "t.csv", "--model", model_dir, "--out", out, *FOR)
