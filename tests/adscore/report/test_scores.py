import base64
import hashlib
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from adscore.creative import InputLimits, Warning
from adscore.offline.local import Summary, score_to
from adscore.report import scores


@pytest.fixture(scope="module")
def awkward_log(sample_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated log with two images that are gone, and a headline that is markup."""
    text = (sample_dir / "creatives.csv").read_text(encoding="utf-8").splitlines()
    for row in (5, 9):
        text[row] = text[row].replace("images/", "gone/")
    for row in range(12, len(text)):
        identity, campaign, *_ = text[row].split(",")
        rest = text[row][text[row].index(",images/") :]
        text[row] = f"{identity},{campaign},<script>alert({row})</script>{rest}"
    path = tmp_path_factory.mktemp("awkward") / "awkward.csv"
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def lines_of(group: ElementTree.Element) -> list[ElementTree.Element]:
    return [line for line in group.iter("li") if "line" in str(line.get("class")).split()]


def groups_of(page: Path) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(page.read_text(encoding="utf-8").partition("\n")[2])
    return [part for part in root.iter("section") if part.get("class") == "group"]


def texts(element: ElementTree.Element, kind: str) -> list[str]:
    """What the elements of a class say."""
    found = [e for e in element.iter() if kind in str(e.get("class")).split()]
    return [" ".join("".join(e.itertext()).split()) for e in found]


def value_of(line: ElementTree.Element) -> float:
    return float(str(line.get("data-values")).split()[0])


@pytest.mark.parametrize("out", ["scores.csv", "scores.jsonl", "scores.parquet", "scores"])
def test_the_page_ranks_every_row_inside_its_campaign_and_says_what_went_wrong(
    succeed: Callable[..., Result],
    awkward_log: Path,
    model_dir: Path,
    sample_dir: Path,
    tmp_path: Path,
    out: str,
) -> None:
    page = tmp_path / "scores.html"
    arguments = ("--out", tmp_path / out, "--report", page, "--image-root", sample_dir)
    succeed("score", awkward_log, "--model", model_dir, *arguments)
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert text.count("<script") == 1
    root = ElementTree.fromstring(text.partition("\n")[2])
    said = " ".join("".join(root.itertext()).split())
    assert "60 creatives of awkward.csv" in said
    assert "Scored58of 60 rows" in said
    assert "image: expected an image file" in said
    assert "'gone/" in said
    groups = groups_of(page)
    assert len(groups) == 10
    for group in groups:
        *scored, last = lines_of(group)
        scored += [] if texts(last, "error") else [last]
        means = [value_of(line) for line in scored]
        assert means == sorted(means, reverse=True)
        assert texts(scored[0], "place")[0].startswith("1")
    lines = [line for group in groups for line in lines_of(group)]
    assert len(lines) == 60
    assert len([line for line in lines if texts(line, "error")]) == 2
    assert text.count("data:image") == 58
    assert len([line for line in lines if texts(line, "thumb")]) == 58


def test_a_creative_that_comes_again_is_shown_once(
    succeed: Callable[..., Result], sample_dir: Path, model_dir: Path, tmp_path: Path
) -> None:
    header, *rows = (sample_dir / "creatives.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "t.csv").write_text("\n".join([header, *rows[:3], *rows[:3], *rows[:2]]) + "\n")
    page = tmp_path / "scores.html"
    arguments = ("--out", tmp_path / "scores.csv", "--report", page, "--image-root", sample_dir)
    succeed("score", tmp_path / "t.csv", "--model", model_dir, *arguments)
    (group,) = groups_of(page)
    lines = [" ".join("".join(line.itertext()).split()) for line in lines_of(group)]
    assert len(lines) == 3
    assert "3 creatives in 8 rows of t.csv" in page.read_text(encoding="utf-8")
    ids = [row.partition(",")[0] for row in rows[:3]]
    for identity, others in zip(ids, ("2 more rows", "2 more rows", "1 more row"), strict=True):
        [line] = [line for line in lines if identity in line]
        assert f"and {others} like it: {identity}" in line
    assert texts(group, "place")[0] in {"1\N{EN DASH}8", "1\N{EN DASH}3", "1\N{EN DASH}2"}


def test_ties_are_shown_as_ties(score_page: Callable[..., Path]) -> None:
    page = score_page(rows=60, size=12)
    for group in groups_of(page):
        places = texts(group, "place")
        begins = [" begins" in str(line.get("class")) for line in lines_of(group)]
        tied = [place for place in places if "\N{EN DASH}" in place]
        assert begins == [n == 0 or places[n - 1] != place for n, place in enumerate(places)]
        assert tied
        (sentence,) = texts(group, "lead")
        first = int(places[0].rpartition("\N{EN DASH}")[2])
        words = {1: "The first is ahead", 12: "These 12 cannot"}
        assert sentence.startswith(words.get(first, "The first"))
    assert "with a chance of at least 80%" in page.read_text("utf-8")


def test_ties_are_by_the_spread_inside_a_group_where_the_model_knows_it(
    score_page: Callable[..., Path],
) -> None:
    def tied(residual: float | None) -> int:
        page = score_page(residual=residual)
        said = page.read_text("utf-8")
        assert ("given their intervals" in said) == (residual is None)
        assert ("how far predictions inside a campaign were off" in said) != (residual is None)
        places = [place for group in groups_of(page) for place in texts(group, "place")]
        return sum("\N{EN DASH}" in place for place in places)

    assert tied(0.01) == 0
    assert 0 < tied(None) < tied(5.0) == 24


def test_every_warning_has_words() -> None:
    assert set(scores.WARNINGS) == set(Warning)


def test_one_list_where_the_table_has_no_groups(
    succeed: Callable[..., Result],
    refuse: Callable[..., str],
    sample_dir: Path,
    model_dir: Path,
    tmp_path: Path,
) -> None:
    page, table = tmp_path / "scores.html", sample_dir / "creatives.csv"
    options = ("--model", model_dir, "--report", page, "--out")
    succeed("score", table, *options, tmp_path / "a.csv", "--group-column", "none")
    assert [len(lines_of(group)) for group in groups_of(page)] == [60]
    said = refuse("score", table, *options, tmp_path / "b.csv", "--group-column", "brand")
    assert "expected a column 'brand'" in said
    assert not (tmp_path / "b.csv").exists()


def test_each_target_has_its_own_places(score_page: Callable[..., Path]) -> None:
    page = score_page(targets=("ctr", "cvr"))
    lines = [line for group in groups_of(page) for line in lines_of(group)]
    assert all(len(str(line.get("data-values")).split()) == 2 for line in lines)
    assert {str(line.get("data-places")).split()[0] for line in lines} != {
        str(line.get("data-places")).split()[1] for line in lines
    }
    assert texts(lines[0], "name") == ["ctr", "cvr"]


def test_models_of_agreement_are_ranked_by_it(score_page: Callable[..., Path]) -> None:
    page = score_page(targets=())
    for group in groups_of(page):
        values = [value_of(line) for line in lines_of(group)]
        assert values == sorted(values, reverse=True)
        assert texts(group, "place") == ["1", "2", "3", "4", "5", "6"]
        assert not texts(group, "interval")
    assert "Where they stand" not in page.read_text("utf-8")


def test_models_of_headlines_alone_show_no_pictures(score_page: Callable[..., Path]) -> None:
    page = score_page(limits=InputLimits(image_formats=()), headline=["Tea", "Bread"] * 12)
    text = page.read_text("utf-8")
    assert "data:image" not in text
    assert "no image" not in text.partition("<main>")[2]
    assert len(groups_of(page)) == 4


def test_too_many_rows_are_cut_below_the_first_of_every_group(
    score_page: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "MAX_ROWS", 10)
    monkeypatch.setattr(scores, "MAX_PICTURES", 4)
    page = score_page()
    text = page.read_text("utf-8")
    assert "These are 10 of 24 creatives" in text
    assert [len(lines_of(group)) for group in groups_of(page)] == [3, 3, 2, 2]
    assert all(texts(group, "place")[0].startswith("1") for group in groups_of(page))
    assert text.count("data:image") == 4


def test_an_image_in_many_rows_is_in_the_page_once(score_page: Callable[..., Path]) -> None:
    same = score_page(images=2).read_text("utf-8")
    assert same.count("data:image") == 2
    assert same.count('class="thumb') == 24


def test_only_the_script_of_the_page_may_run(score_page: Callable[..., Path]) -> None:
    text = score_page(headline=["</script><script>alert(1)</script>"] * 24).read_text("utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text or f"'sha256-{digest}'" in text


def test_the_page_is_of_the_version_that_scored(
    succeed: Callable[..., Result],
    awkward_log: Path,
    model_dir: Path,
    sample_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Path(shutil.copytree(model_dir, tmp_path / "model"))

    def score_and_release(*arguments: Any, **options: Any) -> Summary:
        summary = score_to(*arguments, **options)
        (model / "2").mkdir()
        (model / "2" / "manifest.json").write_text("of a model that is none")
        return summary

    monkeypatch.setattr("adscore.offline.local.score_to", score_and_release)
    page = tmp_path / "scores.html"
    arguments = ("--out", tmp_path / "scores.csv", "--report", page, "--image-root", sample_dir)
    succeed("score", awkward_log, "--model", model, *arguments)
    assert "model version 1" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    refuse: Callable[..., str], model_dir: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "scores.csv", tmp_path / "none" / "scores.html"
    options = ("--model", model_dir, "--out", out, "--report", page)
    assert "expected a file to write" in refuse("score", "no.csv", *options)
    assert "expected --engine local" in refuse(
        "score", "no.csv", *options[:-1], tmp_path / "a.html", "--engine", "spark"
    )
