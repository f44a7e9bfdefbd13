import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

from adscore.bundle import read_bundle
from adscore.evaluation.metrics import OF_THE_TABLE
from adscore.training import PRESETS

Succeed = Callable[..., Result]
Refuse = Callable[..., str]
FIGURES = {
    "log_loss",
    "deviance_explained",
    "auc",
    "pairwise_accuracy",
    "pairwise_accuracy_significant",
    "pairwise_noise_ceiling",
    "pairs",
    "pairs_significant",
    "calibration_error",
    "interval_coverage",
}
SAMPLE_COLUMNS = [
    "creative_id",
    "campaign_id",
    "headline",
    "image",
    "impressions",
    "clicks",
    "conversions",
]


def with_ends(metrics: set[str]) -> set[str]:
    """The metrics, and the names of the ends of their intervals."""
    return {f"{name}{end}" for name in metrics for end in ("", "_lower", "_upper")}


# === The command itself ===


def test_version_is_printed(succeed: Succeed) -> None:
    assert succeed("--version").stdout.startswith("adscore ")


@pytest.mark.parametrize("command", ["demo", "sample", "train", "evaluate", "score", "serve"])
def test_every_command_has_help(succeed: Succeed, command: str) -> None:
    assert f"adscore {command}" in succeed(command, "--help").stdout


def test_a_shell_can_complete_commands(succeed: Succeed) -> None:
    assert "--install-completion" in succeed("--help").stdout
    # Named, where the shell above this process would be looked for: there may be none.
    named = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    adscore = Path(sys.executable).with_name("adscore")
    command = [adscore, "--show-completion", "bash"]
    shown = subprocess.run(command, capture_output=True, text=True, env=named, check=True)
    assert "_ADSCORE_COMPLETE" in shown.stdout.upper()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from adscore.cli.app import app; app(['--help'], standalone_mode=False); "
        "print(sorted({'tensorflow', 'numpy', 'pyarrow', 'PIL', 'grpc'} & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "[]"


# === sample ===


def test_sample_writes_a_log(succeed: Succeed, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    result = succeed("sample", folder, "--creatives", 12, "--campaigns", 3, "--seed", 5)
    assert "simulated 12 creatives in 3 campaigns" in result.stdout
    with (folder / "creatives.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert list(rows[0]) == SAMPLE_COLUMNS
    assert all((folder / row["image"]).is_file() for row in rows)


def test_sample_leaves_a_folder_with_files_alone(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    refuse("sample", tmp_path, "--creatives", 2, "--campaigns", 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


# === train ===


@pytest.fixture(scope="module")
def small_baseline() -> Iterator[None]:
    """Makes the preset one of few weights and passes."""
    with pytest.MonkeyPatch.context() as patch:
        small = replace(PRESETS["baseline"], conv_filters=(4,), lstm_width=8, max_epochs=2)
        patch.setitem(PRESETS, "baseline", small)
        yield


@pytest.fixture(scope="module")
def trained(
    small_baseline: None, succeed: Succeed, log: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result]:
    """A model that was trained with a part of the groups kept aside, and what was said of it."""
    model = tmp_path_factory.mktemp("trained") / "model"
    options = ("--preset", "baseline", "--seed", 3, "--hold-out", 0.2)
    return model, succeed("train", log, model, *options)


@pytest.mark.slow
def test_train_writes_a_version_and_prints_its_figures(trained: tuple[Path, Result]) -> None:
    model, result = trained
    assert f"wrote {model / '1'}" in result.stdout
    assert "groups left out" in result.stdout
    assert "log_loss" in result.stdout
    assert "fitted to all 48 creatives of 8 groups" in result.stdout
    training = read_bundle(model / "1").manifest.training
    assert (training.preset, training.seed) == ("baseline", 3)
    assert dict(training.target_columns) == {"ctr": "clicks/impressions"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "huge"], "--preset: expected default, network or baseline. Received: huge"),
        (["--target", "ctr"], "NAME=SUCCESSES/TRIALS"),
        (["--target", "a=clicks", "--target", "a=clicks/impressions"], "distinct names"),
        (["--target", "ctr=clicks/views"], "expected a column 'views'"),
        (["--target", "ctr=impressions/clicks"], "to be at most 'clicks'"),
        (["--headline-column", "title"], "expected a column 'title'"),
        (["--image-root", "nowhere"], "--image-root: expected a folder"),
    ],
    ids=range(7),
)
def test_train_refuses_and_leaves_nothing(
    refuse: Refuse, log: Path, tmp_path: Path, options: Sequence[str], message: str
) -> None:
    assert message in refuse("train", log, tmp_path / "model", *options)
    assert list(tmp_path.iterdir()) == []


def test_train_names_the_rows_that_cannot_be_learned_from(
    refuse: Refuse, spoiled_log: Path, tmp_path: Path
) -> None:
    message = refuse("train", spoiled_log, tmp_path / "model")
    assert "row 3 (id " in message
    assert "row 5 (id " in message
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("small_baseline")
def test_train_leaves_bad_rows_out_where_it_is_told_to_and_lists_them(
    succeed: Succeed, refuse: Refuse, spoiled_log: Path, tmp_path: Path
) -> None:
    with spoiled_log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[9]["clicks"] = "many"
    table = tmp_path / "t.tsv"
    with table.open("w", newline="", encoding="utf-16") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    arguments = ("train", table, tmp_path / "model", "--preset", "baseline")
    options = ("--image-root", spoiled_log.parent)
    assert "--skip-bad-rows trains on the other rows" in refuse(*arguments, *options)
    result = succeed(*arguments, *options, "--skip-bad-rows")
    assert "note: rows left out: 1\n" in result.stderr
    assert "row 10, column 'clicks'" in result.stderr
    assert "note: rows left out: 2\n" in result.stderr
    assert "row 3 (id " in result.stderr
    assert "gone.png" in result.stderr
    model = read_bundle(tmp_path / "model" / "1")
    assert model.manifest.training.creatives <= 57


def test_a_guess_about_the_table_is_told_once_by_every_command(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    text = log.read_text()
    header, _, rows = text.partition("\n")
    table = tmp_path / "t.csv"
    table.write_bytes(f"{header.title()}\n{rows.replace(' ', ' é ', 5)}".encode("cp1252"))
    root = ("--image-root", log.parent)
    out = ("--model", model_dir, "--out", tmp_path / "scores.csv")
    for command in (("score", table, *out, *root), ("evaluate", model_dir, table, *root)):
        said = succeed(*command).stderr
        assert said.count("read as cp1252, since it is not in UTF-8") == 1
        assert said.count("columns are read: ") == 1


def test_train_refuses_a_place_for_the_model_before_it_reads(
    refuse: Refuse, model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", model_dir / "1"):
        assert "expected a model's folder" in refuse("train", tmp_path / "missing.csv", place)


# === evaluate ===


def test_evaluate_writes_exactly_the_json_of_the_contract(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    result = succeed("evaluate", model_dir, log, "--json", path)
    figures = json.loads(path.read_text())
    assert figures.keys() == {"rows", "targets", "agreement"}
    assert figures["rows"] == 60
    assert figures["targets"].keys() == {"ctr"}
    assert figures["targets"]["ctr"].keys() == with_ends(FIGURES - OF_THE_TABLE) | OF_THE_TABLE
    found = {"recall_at_1", "recall_at_10", "median_rank", "auc"}
    assert figures["agreement"].keys() == with_ends(found)
    assert "log_loss" in result.stdout
    assert "--held-out leaves them out" in result.stderr


def test_evaluate_ranks_with_an_interval_or_says_that_pairs_are_too_few(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    many = succeed("evaluate", model_dir, log).stdout
    assert re.search(r"ranks [\d.]+% \(90% interval [\d.]+% to [\d.]+%\) of [\d,]+ pairs", many)
    pair = tmp_path / "pair.csv"
    pair.write_text(
        "creative_id,campaign_id,headline,impressions,clicks\n"
        "a,g,Save 20 % now,1000,30\nb,g,A new season,1000,10\n"
    )
    one = succeed("evaluate", model_dir, pair, "--image-column", "none").stdout
    assert "ctr: 1 pair inside a group: too few to say how well it ranks." in one
    assert "ranks" not in one.replace("how well it ranks", "")


@pytest.mark.slow
def test_groups_kept_aside_are_seen_by_no_part_of_a_training_and_evaluated_alone(
    succeed: Succeed, log: Path, tmp_path: Path, trained: tuple[Path, Result]
) -> None:
    model, path = trained[0], tmp_path / "figures.json"
    training = read_bundle(model / "1").manifest.training
    assert (training.creatives, training.groups, training.left_out) == (48, 8, 12)
    result = succeed("evaluate", model, log, "--held-out", "--json", path)
    assert json.loads(path.read_text())["rows"] == 12
    assert result.stderr == ""


def test_evaluate_on_held_out_groups_says_where_none_is_left(
    refuse: Refuse, model_dir: Path, log: Path
) -> None:
    message = refuse("evaluate", model_dir, log, "--held-out")
    assert "expected rows of groups that the model was not fitted to" in message
    assert f"How well it predicts groups left out: {model_dir / '1' / 'report.html'}" in message
    assert "--hold-out 0.2" in message


def test_evaluate_takes_another_column_for_a_target(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    target = ("--target", "ctr=conversions/impressions")
    succeed("evaluate", model_dir, log, *target, "--json", path)
    assert json.loads(path.read_text())["targets"].keys() == {"ctr"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "cvr=conversions/clicks"], "targets of the model (ctr). Received: cvr"),
        (["--target", "ctr"], "NAME=SUCCESSES/TRIALS"),
        (["--group-column", "advertiser"], "expected a column 'advertiser'"),
        (["--json", "missing/figures.json"], "expected a file to write"),
        (["--json", "."], "expected a file to write"),
    ],
    ids=range(5),
)
def test_evaluate_refuses(
    refuse: Refuse, model_dir: Path, log: Path, options: Sequence[str], message: str
) -> None:
    assert message in refuse("evaluate", model_dir, log, *options)


def test_evaluate_names_the_rows_that_cannot_be_scored(
    refuse: Refuse, model_dir: Path, spoiled_log: Path
) -> None:
    message = refuse("evaluate", model_dir, spoiled_log)
    assert "row 3 (id " in message
    assert "row 5 (id " in message


def test_evaluate_refuses_what_is_no_model(refuse: Refuse, log: Path, tmp_path: Path) -> None:
    assert "expected a model's folder" in refuse("evaluate", tmp_path, log)
