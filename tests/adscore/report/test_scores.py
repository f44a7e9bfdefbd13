import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from adscore.offline.local import Summary, score_to


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


@pytest.mark.parametrize("out", ["scores.csv", "scores.jsonl", "scores.parquet", "scores"])
def test_the_page_shows_the_ranking_and_what_went_wrong(
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
    assert "<script>" not in text
    root = ElementTree.fromstring(text.partition("\n")[2])
    said = " ".join("".join(root.itertext()).split())
    assert "60 creatives of awkward.csv" in said
    assert "Scored58of 60 creatives" in said
    assert "image: expected an image file" in said
    assert "'gone/" in said
    ranks = [p.text for p in root.iter("p") if p.get("class") == "predicted-text"]
    assert ranks == [*(f"#{n} " for n in range(1, 13)), *(f"#{n} " for n in range(58, 46, -1))]
    means = [
        float(str(p.findtext("strong")).rstrip("%"))
        for p in root.iter("p")
        if p.get("class") == "predicted-text"
    ]
    assert means[:12] == sorted(means[:12], reverse=True)
    assert means[12:] == sorted(means[12:])
    assert len([i for i in root.iter("img") if str(i.get("src")).startswith("data:image")]) == 24


def test_a_creative_that_comes_again_is_shown_once(
    succeed: Callable[..., Result], sample_dir: Path, model_dir: Path, tmp_path: Path
) -> None:
    header, *rows = (sample_dir / "creatives.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "t.csv").write_text("\n".join([header, *rows[:3], *rows[:3], *rows[:2]]) + "\n")
    page = tmp_path / "scores.html"
    arguments = ("--out", tmp_path / "scores.csv", "--report", page, "--image-root", sample_dir)
    succeed("score", tmp_path / "t.csv", "--model", model_dir, *arguments)
    root = ElementTree.fromstring(page.read_text(encoding="utf-8").partition("\n")[2])
    cards = [" ".join(card.itertext()) for card in root.iter("article")]
    assert len(cards) == 3
    ids = [row.partition(",")[0] for row in rows[:3]]
    for identity, others in zip(ids, ("2 more rows", "2 more rows", "1 more row"), strict=True):
        [card] = [card for card in cards if identity in card]
        assert f"and {others} like it" in card
    assert {card.partition("#")[2].split()[0] for card in cards} in (
        {"1", "4", "8"},
        {"1", "3", "8"},
    )


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
