"""What the tests of the command line share."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adscore.cli.app import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def succeed() -> Callable[..., Result]:
    """Runs a command that ends with status 0."""

    def call(*arguments: object) -> Result:
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        return result

    return call


@pytest.fixture(scope="session")
def refuse() -> Callable[..., str]:
    """Runs a command that ends with status 1 and one message, on standard error alone."""

    def call(*arguments: object) -> str:
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        assert result.stdout == ""
        assert "error: " in result.stderr
        return result.stderr

    return call


@pytest.fixture(scope="session")
def log(sample_dir: Path) -> Path:
    """The table of the simulated log."""
    return sample_dir / "creatives.csv"


@pytest.fixture(scope="session")
def score_columns() -> list[str]:
    """The columns of scores, which are a contract."""
    return [
        "creative_id",
        "ctr_mean",
        "ctr_lower",
        "ctr_upper",
        "ctr_percentile",
        "agreement",
        "warnings",
        "error",
        "model",
        "model_version",
    ]


@pytest.fixture
def spoiled_log(log: Path, sample_dir: Path, tmp_path: Path) -> Path:
    """A copy of the log: the third row's image is gone, the fifth's headline too long."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[2]["image"], rows[4]["headline"] = "images/gone.png", "x" * 10_000
    shutil.copytree(sample_dir / "images", tmp_path / "images")
    path = tmp_path / "spoiled.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
