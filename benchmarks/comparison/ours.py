"""A cell of adscore: train, open the bundle, score the rows that it has not seen."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adscore.bundle import TRAINING_GROUPS
from adscore.evaluation.table import evaluate_table, rows_not_trained_on
from adscore.scoring.scorer import Scorer
from adscore.training import PRESETS, TrainingOptions, train
from adscore.training.split import Split
from comparison.figures import Figures, Rates, of_agreement, of_test
from comparison.tasks import TEST_SHARE, Prepared, Task


@dataclass(frozen=True, slots=True)
class EncoderFolders:
    """Where the frozen encoders are, or `hf://organisation/name`."""

    text: str
    image: str


def run_adscore(
    task: Task,
    prepared: Prepared,
    split: Split,
    options: TrainingOptions,
    folder: Path,
) -> Figures:
    """Trains on what is not the split's test, and measures on the test through the bundle.

    Args:
        task: What is learned.
        prepared: Its rows.
        split: Which rows must be held out.
        options: How is trained.
        folder: Where the bundle is written.

    Raises:
        AdscoreError: The network cannot learn this task.
        RuntimeError: Training held out other rows than the split.
    """
    path = train(prepared.table, folder / task.name, options).path
    scorer = Scorer.open(path)
    rows = rows_not_trained_on(prepared.table, (path / TRAINING_GROUPS).read_text())
    if not np.array_equal(rows, split.test):
        raise RuntimeError(
            f"{task.name}: expected the {len(split.test)} rows of the split to be held "
            f"out. Received: {len(rows)} rows, or others"
        )
    evaluation = evaluate_table(scorer, prepared.table, rows)
    if task.target is None:
        return of_agreement(evaluation.agreement, len(rows))
    predicted = evaluation.predictions
    mean, concentration = predicted.mean[:, 0], predicted.concentration[:, 0]
    return of_test(prepared, Rates(rows, mean, concentration), split)


def training_options(
    task: Task, column: str, seed: int, encoders: EncoderFolders, max_epochs: int | None
) -> TrainingOptions:
    """How a column trains: everything but preset, seed and encoders as `adscore train` does."""
    preset = PRESETS["baseline" if column == "baseline" else "default"]
    if max_epochs is not None:
        preset = dataclasses.replace(preset, max_epochs=max_epochs)
    options = TrainingOptions(preset, seed, hold_out=TEST_SHARE)
    if column == "encoders":
        image = encoders.image if task.columns.image else None
        options = dataclasses.replace(options, text_encoder=encoders.text, image_encoder=image)
    if task.target is None:
        options = dataclasses.replace(options, align=True)
    return options
