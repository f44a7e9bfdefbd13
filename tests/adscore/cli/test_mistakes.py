"""Forty mistakes: each is refused before any slow step, with what was received and what to do."""

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from adscore.cli.app import app

EXPORT = """Campaign,Ad ID,Headline,Ad state,Impr.,Clicks,Avg. CPC
Garden,71,Quiet mowers,Enabled,1000,12,0.50
Garden,72,Copper pans,Enabled,2000,30,0.40
"""
# What was asked, and what the answer must say. {new} is a free name, {nowhere} one in no folder.
MISTAKES: dict[str, tuple[str, tuple[str, ...]]] = {
    "an unknown preset": (
        "train {log} {new} --preset fast",
        ("--preset", "default", "network", "baseline", "fast"),
    ),
    "a slip in the preset": ("train {log} {new} --preset basline", ("Did you mean baseline",)),
    "no encoder there": (
        "train {log} {new} --text-encoder {folder}/none",
        ("encoder's folder", "which is not a folder"),
    ),
    "an encoder's folder without a graph": (
        "train {log} {new} --text-encoder {folder}",
        ("tokenizer.json", "an empty folder"),
    ),
    "a text encoder for images": (
        "train {log} {new} --image-encoder {encoder}",
        ("preprocessor_config.json", "a folder with"),
    ),
    "an encoder for the baseline": (
        "train {log} {new} --preset baseline --text-encoder {encoder}",
        ("expected no encoder", "baseline"),
    ),
    "a negative seed": ("train {log} {new} --seed -1", ("--seed", "-1")),
    "a target without counts": (
        "train {log} {new} --target ctr",
        ("--target", "NAME=SUCCESSES/TRIALS", "'ctr'"),
    ),
    "a target without trials": (
        "train {log} {new} --target ctr=clicks/",
        ("--target", "'ctr=clicks/'"),
    ),
    "two targets of one name": (
        "train {log} {new} --target a=clicks/impressions --target a=conversions/clicks",
        ("--target", "distinct names", "a, a"),
    ),
    "a column of counts that is missing": (
        "train {log} {new} --target ctr=clikcs/impressions",
        ("'clikcs'", "Did you mean 'clicks'", "--target"),
    ),
    "a column that is missing": (
        "train {log} {new} --headline-column title",
        ("'title'", "--headline-column", "Received: creative_id"),
    ),
    "a context that is missing": (
        "train {log} {new} --context-column placement",
        ("'placement'", "--context-column"),
    ),
    "nothing to look at": (
        "train {log} {new} --headline-column none --image-column none",
        ("--headline-column", "--image-column", "none"),
    ),
    "alignment without images": (
        "train {log} {new} --align --image-column none",
        ("--align", "image column"),
    ),
    "no table": ("train {folder}/log.csv {new}", ("log.csv", "No such file")),
    "a workbook to train on": ("train {book} {new}", (".xlsx", "adscore prepare")),
    "a version as the model": ("train {log} {model}/1", ("model's folder", "which is one version")),
    "a file as the model": ("train {log} {log}", ("model's folder", "is a file")),
    "no folder of images": (
        "train {log} {new} --image-root {folder}/pictures",
        ("--image-root", "expected a folder", "pictures"),
    ),
    "no model to evaluate": ("evaluate {folder} {log}", ("model's folder", "has neither")),
    "a target that the model lacks": (
        "evaluate {model} {log} --target cvr=conversions/clicks",
        ("targets of the model (ctr)", "cvr"),
    ),
    "metrics into a folder": ("evaluate {model} {log} --json {folder}", ("--json", "a folder")),
    "a report into no folder": (
        "evaluate {model} {log} --report {nowhere}.html",
        ("--report", "no folder"),
    ),
    "an unknown part": (
        "evaluate {model} {log} --ablate colour",
        ("--ablate", "headline, image, context", "colour"),
    ),
    "a part that the model does not read": (
        "evaluate {model} {log} --ablate context",
        ("--ablate", "(headline, image)", "context"),
    ),
    "a group that is missing": (
        "evaluate {model} {log} --group-column campaign",
        ("'campaign'", "Did you mean 'campaign_id'", "--group-column"),
    ),
    "no model to score with": (
        "score {log} --model {folder} --out {new}.csv",
        ("model's folder", "has neither"),
    ),
    "scores over a file": ("score {log} --model {model} --out {log}", ("expected a new file",)),
    "scores as a workbook": (
        "score {log} --model {model} --out {new}.xlsx",
        (".parquet, .csv or .jsonl",),
    ),
    "scores into no folder": (
        "score {log} --model {model} --out {nowhere}.csv",
        ("expected a folder",),
    ),
    "an unknown engine": (
        "score {log} --model {model} --out {new}.csv --engine sparc",
        ("--engine", "Did you mean spark"),
    ),
    "a column to keep that is missing": (
        "score {log} --model {model} --out {new}.csv --keep cost",
        ("'cost'", "--keep"),
    ),
    "a column to keep of a result's name": (
        "score {clash} --model {model} --out {new}.csv --keep ctr_mean",
        ("other names than those of the result", "'ctr_mean'"),
    ),
    "a report from Spark": (
        "score {log} --model {model} --out {new} --engine spark --report {new}.html",
        ("--report", "--engine local"),
    ),
    "no export": ("prepare {folder}/export.csv --out {new}.csv", ("no file of that name",)),
    "an export without a result": ("prepare {export}", ("--out", "--dry-run")),
    "a result of another kind": (
        "prepare {export} --out {new}.xlsx",
        ("--out", ".parquet or .csv"),
    ),
    "an unknown platform": (
        "prepare {export} --dry-run --platform facebok",
        ("--platform", "google", "meta", "facebok"),
    ),
    "an unknown way with headlines": (
        "prepare {export} --dry-run --headlines all",
        ("--headlines", "first, join or each", "all"),
    ),
    "an unknown decimal mark": (
        "prepare {export} --dry-run --decimal comma",
        ("--decimal", "comma"),
    ),
    "a format without a year": (
        "prepare {export} --dry-run --date-column Day --date-format %d.%m.",
        ("--date-format", "day, month and year"),
    ),
    "an unknown encoding": (
        "prepare {export} --dry-run --encoding ansi-2",
        ("--encoding", "such as cp1252", "ansi-2"),
    ),
    "a join without a table": (
        "prepare {export} --dry-run --on ad_id",
        ("--on", "--join TABLE"),
    ),
    "a slip in a column of an export": (
        "prepare {export} --dry-run --id-column AdID",
        ("'AdID'", "did you mean 'Ad ID'"),
    ),
    "one export twice": (
        "prepare {export} {export} --dry-run",
        ("different exports", "added twice"),
    ),
    "a sample over other files": ("sample {model}", ("empty folder",)),
}
SLOW_STEPS = (
    "adscore.cli.train._train",
    "adscore.scoring.scorer.Scorer.open",
    "adscore.cli.score._score_on_spark",
    "adscore.prepare.export._sifted",
)


def slow(*_: object, **__: object) -> NoReturn:
    pytest.fail("a slow step was reached")


@pytest.fixture(scope="module")
def places(
    model_dir: Path, sample_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """What the mistakes are made with."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty").mkdir()
    (folder / "export.csv").write_text(EXPORT)
    (folder / "book.xlsx").write_bytes(b"PK\x03\x04")
    (folder / "encoder").mkdir()
    (folder / "encoder" / "tokenizer.json").write_text("{}")
    log = (sample_dir / "creatives.csv").read_text()
    (folder / "clash.csv").write_text(log.replace("conversions", "ctr_mean", 1))
    return {
        "log": sample_dir / "creatives.csv",
        "clash": folder / "clash.csv",
        "model": model_dir,
        "new": folder / "new",
        "nowhere": folder / "no" / "thing",
        "export": folder / "export.csv",
        "book": folder / "book.xlsx",
        "encoder": folder / "encoder",
        "folder": folder / "empty",
    }


@pytest.mark.parametrize(("command", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_before_any_slow_step(
    command: str, told: tuple[str, ...], places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in SLOW_STEPS:
        monkeypatch.setattr(step, slow)
    words = [word.format_map(places) for word in command.split()]
    result = CliRunner().invoke(app, words, terminal_width=400)
    assert result.exit_code in (1, 2), result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    message = " ".join(result.stderr.split())
    for text in told:
        assert text in message
    assert not places["new"].exists()


def test_there_are_forty() -> None:
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize("mistake", ["an unknown preset", "a text encoder for images"])
def test_tensorflow_is_not_imported_for_a_mistake(mistake: str, places: dict[str, Path]) -> None:
    words = [word.format_map(places) for word in MISTAKES[mistake][0].split()]
    code = (
        "import sys; from adscore.cli.app import app\n"
        f"try: app({words!r})\n"
        "except SystemExit as end: print(end.code, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False"]
