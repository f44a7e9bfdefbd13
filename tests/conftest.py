"""What most tests stand on: a small simulated log and one tiny model trained from it."""

import csv
import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import settings

from adscore.creative import Creative
from adscore.sample import write_sample
from adscore.scoring.scorer import Scorer

# TensorFlow reads it when it is imported, which only the training tests cause.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# How long an example takes says something of the machine, not of the code.
settings.register_profile("adscore", deadline=None)
settings.load_profile("adscore")


@pytest.fixture(scope="session")
def sample_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated log of 60 creatives in 10 campaigns."""
    folder = tmp_path_factory.mktemp("sample") / "log"
    write_sample(folder, creatives=60, campaigns=10, seed=1)
    return folder


@pytest.fixture(scope="session")
def model_dir(sample_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder, named `sample`, with one version; trained for two passes."""
    from adscore.table import Columns, Target, read_table
    from adscore.training.presets import DEFAULT
    from adscore.training.train import TrainingOptions, train

    table = read_table(
        sample_dir / "creatives.csv", Columns(), [Target.parse("ctr=clicks/impressions")]
    )
    preset = dataclasses.replace(DEFAULT, conv_filters=(4, 4), lstm_width=8, max_epochs=2)
    folder = tmp_path_factory.mktemp("models") / "sample"
    train(table, folder, TrainingOptions(preset=preset))
    return folder


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
