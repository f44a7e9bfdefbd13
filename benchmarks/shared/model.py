"""A model and creatives for it, made as a user would."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from adscore.creative import Creative
from shared.processes import PROJECT, python_of, python_path


def run_adscore(*arguments: object, project: Path = PROJECT) -> None:
    """Runs an adscore command, which must succeed; what it prints is dropped."""
    subprocess.run(
        [python_of(project), "-m", "adscore", *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **python_path(project)},
    )


def train_model(folder: Path, *options: str, project: Path = PROJECT) -> Path:
    """A model of the default preset, trained on the simulated log in `folder / "log"`."""
    print("training a model on `adscore sample` ...", file=sys.stderr, flush=True)
    run_adscore("sample", folder / "log", project=project)
    table = folder / "log/creatives.csv"
    run_adscore("train", table, folder / "model", *options, project=project)
    return folder / "model"


def read_creatives(log: Path) -> list[Creative]:
    """The creatives of a simulated log."""
    with (log / "creatives.csv").open(newline="", encoding="utf-8") as file:
        return [
            Creative(row["headline"], (log / row["image"]).read_bytes())
            for row in csv.DictReader(file)
        ]
