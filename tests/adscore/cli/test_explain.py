import csv
import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result


@pytest.fixture
def row(log: Path) -> dict[str, str]:
    with log.open(newline="") as file:
        return next(csv.DictReader(file))


def test_one_creative_is_explained_as_json_and_as_a_page(
    succeed: Callable[..., Result],
    row: dict[str, str],
    sample_dir: Path,
    model_dir: Path,
    tmp_path: Path,
) -> None:
    image = sample_dir / row["image"]
    written, page = tmp_path / "why.json", tmp_path / "why.html"
    headline = f"<b> {row['headline']}. Sale \N{FIRE}"
    result = succeed(
        *("explain", "--model", model_dir, "--headline", headline, "--image", image),
        *("--box", "5,5,60,40", "--swap", f"{row['headline'].split()[0]}=Hurry"),
        *("--other-headline", "Sale", "--no-find-text", "--json", written, "--report", page),
    )
    said = json.loads(written.read_text(encoding="utf-8"))
    assert list(said) == [
        *("model", "model_version", "target", "mean", "lower", "upper", "base", "parts"),
        *("remainder", "warnings", "words", "phrases", "elements", "ideas"),
    ]
    parts = said["parts"]
    total = said["base"] + parts["headline"] + parts["image"] + said["remainder"]
    assert total == pytest.approx(math.log(said["mean"] / (1 - said["mean"])), abs=1e-9)
    assert [headline[w["start"] : w["end"]] for w in said["words"]][-1] == "\N{FIRE}"
    assert said["elements"][0]["box"] == [5, 5, 60, 40]
    assert "not what causes clicks" in result.stdout

    text = page.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text.partition("\n")[2])
    shown = " ".join("".join(root.itertext()).split())
    assert "not what causes clicks" in shown
    assert said["phrases"][-1]["text"] == "Sale \N{FIRE}"
    for word in said["words"] + said["phrases"] + said["elements"]:
        assert f"\N{MULTIPLICATION SIGN}{math.exp(word['effect']):.2f}" in shown
    assert [e for e in root.iter("img") if str(e.get("src")).startswith("data:image/webp")]
    assert "<b> " not in text  # what a headline holds is text


def test_creative_of_a_table_is_tried_with_its_campaigns_material(
    succeed: Callable[..., Result],
    log: Path,
    row: dict[str, str],
    model_dir: Path,
    tmp_path: Path,
) -> None:
    written = tmp_path / "why.json"
    id_ = row["creative_id"]
    command = ("explain", "--model", model_dir, log, "--id", id_, "--no-find-text")
    result = succeed(*command, "--json", written)
    said = json.loads(written.read_text(encoding="utf-8"))
    assert " ".join(word["text"] for word in said["words"])[:5] == row["headline"][:5]
    assert said["target"] == "ctr"
    assert result.stdout.startswith("ctr: ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "none of these"),
        (["--id", "c00001"], "Received: --id"),
        (["LOG"], "Received: TABLE"),
        (["LOG", "--id", "c00001", "--headline", "x"], "TABLE and --id and --headline"),
        (["LOG", "--id", "c00001x"], "Did you mean 'c00001'"),
        (["--headline", "x", "--box", "1,2,3"], "--box: expected LEFT,TOP,RIGHT,BOTTOM"),
        (["--headline", "x", "--box", "nan,0,3,4"], "--box: expected LEFT,TOP,RIGHT,BOTTOM"),
        (["--headline", "x", "--box", "1,2,3,4"], "boxes: expected an image"),
        (["--headline", "x", "--swap", "a"], "--swap: expected WORD=OTHER"),
        (["--headline", "x", "--context", "a"], "--context: expected NAME=VALUE"),
        (["--headline", "x", "--context", "moon=full"], "context[moon]"),
        (["--headline", "x", "--image", "gone.png"], "--image: "),
        (["--headline", "x", "--target", "crt"], "Did you mean 'ctr'"),
        (["--headline", "x", "--report", "no/such/folder.html"], "--report: expected a file"),
    ],
    ids=range(14),
)
def test_what_cannot_be_explained_is_said(
    refuse: Callable[..., str], log: Path, model_dir: Path, arguments: list[str], text: str
) -> None:
    given = [log if argument == "LOG" else argument for argument in arguments]
    assert text in refuse("explain", "--model", model_dir, *given)
