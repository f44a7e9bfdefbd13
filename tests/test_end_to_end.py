"""The main path whole: a table -> a trained model -> a server -> the Python client."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_client import Client
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[2] / "shared" / "data"))

FIGURES = {
    "log_loss", "deviance_explained", "auc", "pairwise_accuracy", "pairwise_accuracy_significant",
    "pairwise_noise_ceiling", "pairs", "pairs_significant", "calibration_error",
    "interval_coverage",
}  # fmt: skip
AGREEMENT = {"recall_at_1", "recall_at_10", "median_rank", "auc"}


def with_ends(metrics: set[str]) -> set[str]:
    """The metrics, and the names of the ends of their intervals."""
    return {f"{name}{end}" for name in metrics for end in ("", "_lower", "_upper")}


def serve(scorer: Scorer) -> Server:
    return Server(ModelRegistry([LoadedModel(scorer)]), ServerConfig(address="127.0.0.1:0"))


def run_adscore(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adscore", *map(str, arguments)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


def assert_evaluation_has_the_figures_of_the_design(path: Path, rows: int) -> None:
    figures = json.loads(path.read_text())
    assert set(figures) == {"rows", "targets", "agreement"}
    assert figures["rows"] == rows
    assert set(figures["targets"]) == {"ctr"}
    of_the_table = {"pairwise_noise_ceiling", "pairs", "pairs_significant"}
    assert set(figures["targets"]["ctr"]) == with_ends(FIGURES - of_the_table) | of_the_table
    assert figures["agreement"] == dict.fromkeys(with_ends(AGREEMENT))
    assert figures["targets"]["ctr"]["pairs"] > 0
    assert 0 < figures["targets"]["ctr"]["pairwise_accuracy"] < 1
    assert 0 <= figures["targets"]["ctr"]["interval_coverage"] <= 1


def assert_client_gets_the_scores_of_the_model(
    scorer: Scorer, creatives: Sequence[tuple[str, Path]]
) -> None:
    expected = scorer.score([Creative(text, image.read_bytes()) for text, image in creatives])
    with serve(scorer) as server, Client(server.address, timeout_seconds=60) as client:
        received = [client.score(text, image) for text, image in creatives]
    for one, other in zip(received, expected, strict=True):
        target = other.targets["ctr"]
        for name in ("mean", "lower", "upper", "percentile"):
            assert getattr(one.targets["ctr"], name) == pytest.approx(
                getattr(target, name), rel=1e-5
            )
        assert (one.model, one.model_version) == (scorer.name, scorer.version)


def read_creatives(path: Path, image_column: str) -> list[tuple[str, Path]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["headline"], path.parent / row[image_column]) for row in csv.DictReader(file)]


def test_client_gets_the_scores_of_a_model_trained_on_a_simulated_log(
    model_dir: Path, sample_dir: Path
) -> None:
    creatives = read_creatives(sample_dir / "creatives.csv", "image")[:5]
    assert_client_gets_the_scores_of_the_model(Scorer.open(model_dir), creatives)


def test_evaluate_writes_the_figures_of_the_design(
    model_dir: Path, sample_dir: Path, tmp_path: Path
) -> None:
    report = tmp_path / "figures.json"
    run_adscore("evaluate", model_dir, sample_dir / "creatives.csv", "--json", report)
    assert_evaluation_has_the_figures_of_the_design(report, rows=60)


@pytest.fixture(scope="module")
def banners() -> Path:
    table = DATA / "banners" / "creatives.csv"
    if not table.is_file():
        pytest.skip(f"there is no {table}")
    return table


@pytest.fixture(scope="module")
def banner_model(banners: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default network with few passes, trained on all banners."""
    from adscore.table import Columns, Target, read_table
    from adscore.training import PRESETS, TrainingOptions, train

    target = Target.parse("ctr=first_7d_clicks/first_7d_impressions")
    table = read_table(banners, Columns(image="asset_file"), [target])
    preset = dataclasses.replace(PRESETS["default"], max_epochs=4)
    folder = tmp_path_factory.mktemp("banners") / "banners"
    train(table, folder, TrainingOptions(preset=preset, hold_out=0.2))
    return folder


@pytest.mark.realdata
def test_client_gets_the_score_of_a_real_banner(banners: Path, banner_model: Path) -> None:
    creatives = read_creatives(banners, "asset_file")[:2]
    assert_client_gets_the_scores_of_the_model(Scorer.open(banner_model), creatives)


@pytest.mark.realdata
def test_evaluate_reports_on_real_banners_it_has_not_seen(
    banners: Path, banner_model: Path, tmp_path: Path
) -> None:
    report = tmp_path / "figures.json"
    columns = ("--image-column", "asset_file", "--held-out")
    run_adscore("evaluate", banner_model, banners, "--json", report, *columns)
    with banners.open(encoding="utf-8", newline="") as file:
        campaigns = [row["campaign_id"] for row in csv.DictReader(file)]
    held_out = round(0.2 * len(set(campaigns)))
    figures = json.loads(report.read_text())
    assert 0 < figures["rows"] < len(campaigns) * 0.4
    assert held_out <= figures["rows"]
    assert_evaluation_has_the_figures_of_the_design(report, rows=figures["rows"])
