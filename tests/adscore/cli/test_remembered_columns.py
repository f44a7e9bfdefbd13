"""A model keeps the columns of its training, so that nobody names them twice."""

import csv
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from typer.testing import Result

from adscore.bundle import read_bundle, write_bundle
from adscore.creative import Columns
from adscore.offline.local import score_table

Succeed = Callable[..., Result]
Refuse = Callable[..., str]

GERMAN = {
    "creative_id": "Anzeigen-ID",
    "campaign_id": "Kampagne",
    "headline": "Titel",
    "image": "Bild",
    "impressions": "Impr.",
    "clicks": "Klicks",
}


@pytest.fixture(scope="module")
def german_model(model_with_context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as one that was trained on a table with German headers and a placement."""
    bundle = read_bundle(model_with_context / "1")
    columns = Columns("Anzeigen-ID", "Titel", "Bild", "Kampagne", ("placement",))
    training = dataclasses.replace(
        bundle.manifest.training, columns=columns, target_columns={"ctr": "Klicks/Impr."}
    )
    manifest = dataclasses.replace(bundle.manifest, training=training)
    return write_bundle(tmp_path_factory.mktemp("german") / "de", manifest, bundle.files).parent


def german_log(sample_dir: Path, folder: Path, *left_out: str) -> Path:
    """The log with German headers and a placement, some columns left out."""
    with (sample_dir / "creatives.csv").open(newline="") as file:
        rows = [
            {GERMAN[name]: cell for name, cell in row.items() if name in GERMAN}
            | {"placement": "feed"}
            for row in csv.DictReader(file)
        ]
    path = folder / "anzeigen.csv"
    with path.open("w", newline="") as file:
        names = [name for name in rows[0] if name not in left_out]
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_training_keeps_its_columns(model_dir: Path) -> None:
    assert read_bundle(model_dir / "1").manifest.training.columns == Columns()


def test_evaluate_and_score_use_the_columns_of_the_training(
    succeed: Succeed, german_model: Path, sample_dir: Path, tmp_path: Path
) -> None:
    log = german_log(sample_dir, tmp_path)
    root = ("--image-root", sample_dir)
    evaluated = succeed("evaluate", german_model, log, *root, "--json", tmp_path / "figures.json")
    told = "columns as the model was trained: id Anzeigen-ID, headline Titel, image Bild, "
    assert told + "group Kampagne, context placement" in evaluated.stderr
    assert json.loads((tmp_path / "figures.json").read_text())["targets"].keys() == {"ctr"}

    scored = succeed("score", log, "--model", german_model, "--out", tmp_path / "s.csv", *root)
    assert "MISSING_CONTEXT" not in scored.stderr
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["Anzeigen-ID"]
    assert not any(row["error"] for row in rows)


def test_score_table_uses_them_too(german_model: Path, sample_dir: Path, tmp_path: Path) -> None:
    frame = pandas.read_csv(german_log(sample_dir, tmp_path))
    scores = score_table(frame, german_model, image_root=sample_dir)
    assert scores["error"].isna().all()
    assert scores["Anzeigen-ID"].tolist() == frame["Anzeigen-ID"].tolist()


def test_columns_that_are_named_win(
    succeed: Succeed, german_model: Path, sample_dir: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "scores.jsonl", "--image-root", sample_dir)
    named = []
    for role, column in (("id", "creative_id"), ("headline", "headline"), ("image", "image")):
        named += [f"--{role}-column", column]
    log = sample_dir / "creatives.csv"
    result = succeed(
        "score", log, "--model", german_model, *out, *named, "--context-column", "none"
    )
    assert "no column is named for it" in result.stderr
    assert "creative_id" in json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[0])


@pytest.mark.parametrize(
    ("column", "option"),
    [
        ("Anzeigen-ID", "--id-column"),
        ("Titel", "--headline-column"),
        ("Bild", "--image-column"),
        ("placement", "--context-column"),
    ],
)
def test_a_missing_column_names_the_remembered_name_and_the_option(
    refuse: Refuse, german_model: Path, sample_dir: Path, tmp_path: Path, column: str, option: str
) -> None:
    log = german_log(sample_dir, tmp_path, column)
    scored = refuse("score", log, "--model", german_model, "--out", tmp_path / "scores.csv")
    evaluated = refuse("evaluate", german_model, log)
    for message in (scored, evaluated):
        said = f"{column!r} is the \\w+ column, as in the model's training: name another with "
        assert re.search(said + option, message)
    assert not (tmp_path / "scores.csv").exists()


def test_missing_counts_and_columns_to_keep_name_their_options(
    refuse: Refuse, german_model: Path, sample_dir: Path, tmp_path: Path
) -> None:
    log = german_log(sample_dir, tmp_path, "Klicks")
    assert "'Klicks' is named by --target" in refuse("evaluate", german_model, log)
    out = ("--out", tmp_path / "scores.csv")
    message = refuse("score", log, "--model", german_model, *out, "--keep", "Kosten")
    assert "'Kosten' is named by --keep" in message
    message = refuse("score", log, "--model", german_model, *out, "--headline-column", "Text")
    assert "'Text' is the headline column: name another" in message


def test_models_that_keep_none_read_the_usual_columns(
    refuse: Refuse, model_with_context: Path, sample_dir: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(model_with_context / "1")
    training = dataclasses.replace(bundle.manifest.training, columns=None)
    manifest = dataclasses.replace(bundle.manifest, training=training)
    old = write_bundle(tmp_path / "old", manifest, bundle.files).parent
    message = refuse("evaluate", old, german_log(sample_dir, tmp_path))
    assert "'headline' is the headline column: name another with --headline-column" in message
