"""What most tests stand on: a small simulated log and one tiny model trained from it."""

import csv
import dataclasses
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from adscore.bundle import read_bundle, write_bundle
from adscore.creative import Creative
from adscore.sample import write_sample
from adscore.scoring.scorer import Scorer

# TensorFlow reads it when it is imported, which only the training tests cause.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# How long an example takes says something of the machine, not of the code.
settings.register_profile("adscore", deadline=None)
settings.load_profile("adscore")


@pytest.fixture(scope="session")
def make_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a folder of some name once for all processes of a parallel run.

    What is called with the folder fills it. Tests read such a folder and copy it to change it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent  # worker_id comes from pytest-xdist

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, unfinished = shared / name, shared / f"{name}.unfinished"
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Waits for a state, for as long as a busy machine may take to reach it."""

    def wait(true: Callable[[], object]) -> None:
        end = time.monotonic() + 120
        while not true():
            assert time.monotonic() < end
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def sample_dir(make_once: Callable[..., Path]) -> Path:
    """A simulated log of 60 creatives in 10 campaigns."""
    return make_once(
        "sample", lambda folder: write_sample(folder, creatives=60, campaigns=10, seed=1)
    )


@pytest.fixture(scope="session")
def model_dir(sample_dir: Path, make_once: Callable[..., Path]) -> Path:
    """A model's folder, named `sample`, with one version; trained for two passes."""

    def train_model(folder: Path) -> None:
        from adscore.table import Columns, Target, read_table
        from adscore.training import TrainingOptions, train
        from adscore.training.presets import NETWORK

        table = read_table(
            sample_dir / "creatives.csv", Columns(), [Target.parse("ctr=clicks/impressions")]
        )
        preset = dataclasses.replace(NETWORK, conv_filters=(4, 4), lstm_width=8, max_epochs=2)
        train(table, folder / "sample", TrainingOptions(preset=preset))

    return make_once("models", train_model) / "sample"


@pytest.fixture(scope="session")
def aligned_model(sample_dir: Path, make_once: Callable[..., Path]) -> Path:
    """A model with agreement, of a log in which the placement decides more than anything else.

    It is trained with the default preset; the placement is `feed`, `sidebar` or not known.
    """

    def train_model(folder: Path) -> None:
        import numpy as np

        from adscore.table import Columns, Target, read_table
        from adscore.training import PRESETS, TrainingOptions, train

        target = Target.parse("ctr=clicks/impressions")
        table = read_table(sample_dir / "creatives.csv", Columns(), [target])
        places = {"feed": 1, "sidebar": 8, "": 2}  # what clicks are divided by there
        placements = [("feed", "sidebar", "feed", "sidebar", "")[n % 5] for n in range(len(table))]
        clicks = table.successes["ctr"] // np.array([places[one] for one in placements])
        table = dataclasses.replace(
            table, context={"placement": placements}, successes={"ctr": clicks}
        )
        default = PRESETS["default"]
        preset = dataclasses.replace(
            default,
            conv_filters=(4, 4),
            lstm_width=8,
            alignment=dataclasses.replace(default.alignment, epochs=2, min_steps=4),
        )
        train(table, folder / "placed", TrainingOptions(preset, align=True))

    return make_once("aligned", train_model) / "placed"


@pytest.fixture(scope="session")
def model_with_context(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as one that reads the placement, `feed` or `stories`."""
    bundle = read_bundle(model_dir / "1")
    manifest = dataclasses.replace(
        bundle.manifest,
        limits=dataclasses.replace(bundle.manifest.limits, context_names=("placement",)),
        preprocessing=dataclasses.replace(
            bundle.manifest.preprocessing, context={"placement": ("feed", "stories")}
        ),
    )
    return write_bundle(tmp_path_factory.mktemp("placed") / "placed", manifest, bundle.files).parent


@pytest.fixture(scope="session")
def scorer(model_dir: Path) -> Scorer:
    return Scorer.open(model_dir)


@pytest.fixture(scope="session")
def creatives(sample_dir: Path) -> list[Creative]:
    with (sample_dir / "creatives.csv").open(newline="") as file:
        return [
            Creative(row["headline"], (sample_dir / row["image"]).read_bytes(), row["creative_id"])
            for row in csv.DictReader(file)
        ]
