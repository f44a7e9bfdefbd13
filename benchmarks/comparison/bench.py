"""Runs the cells of one task, which share its rows and its embeddings."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comparison.figures import Figures
from comparison.tasks import (
    SAMPLE,
    TEST_SHARE,
    VALIDATION_SHARE,
    Prepared,
    Task,
    draw_sample,
    prepare,
)

if TYPE_CHECKING:  # TensorFlow takes seconds to import, and the table alone does not need it
    from adscore.training.split import Split
    from comparison.peer import Embeddings


@dataclass(frozen=True, slots=True)
class Settings:
    """What the cells of a run have in common.

    Attributes:
        data: Folder of the tasks' tables; None where only the sample is run.
        text_encoder: A folder, or `hf://organisation/name`.
        image_encoder: The same of images.
        max_rows: Use the first rows only: for trying the script, not for figures.
        max_epochs: Passes at most: the same.
    """

    data: Path | None
    text_encoder: str
    image_encoder: str
    max_rows: int | None = None
    max_epochs: int | None = None

    @property
    def shortened(self) -> dict[str, int]:
        """What makes it a trial run; empty for one that counts."""
        limits = {"max_rows": self.max_rows, "max_epochs": self.max_epochs}
        return {name: limit for name, limit in limits.items() if limit is not None}


class Bench:
    """One task, read once.

    Args:
        task: What is learned.
        settings: How.
        folder: For files that nobody needs afterwards.

    Raises:
        TableError: The data are not what the task expects.
    """

    def __init__(self, task: Task, settings: Settings, folder: Path) -> None:
        self._task = task
        self._settings = settings
        self._folder = folder
        if task.name == SAMPLE:
            draw_sample(folder, settings.max_rows)
        data = folder if task.name == SAMPLE else settings.data
        if data is None:
            raise ValueError(f"{task.name}: expected a folder of data. Received: none")
        self._prepared: Prepared = prepare(task, data, folder, settings.max_rows)
        self._embeddings: Embeddings | None = None

    def run(self, column: str, seed: int) -> Figures:
        """The figures of one cell.

        Raises:
            AdscoreError: The column's network cannot learn this task.
        """
        from adscore.training.split import split_groups

        split = split_groups(
            self._prepared.groups, test=TEST_SHARE, validation=VALIDATION_SHARE, seed=seed
        )
        if column == "counted":
            return self._peer(split, self._counted())
        if column == "sklearn":
            self._embeddings = self._embeddings or self._embed()
            return self._peer(split, self._embeddings)
        return self._ours(column, seed, split)

    def _peer(self, split: "Split", embeddings: "Embeddings") -> Figures:
        from comparison.peer import run_peer

        return run_peer(self._task, self._prepared, embeddings, split)

    def _counted(self) -> "Embeddings":
        from comparison.features import colours
        from comparison.peer import Embeddings

        has_images = self._task.columns.image is not None
        return Embeddings(None, colours(self._prepared) if has_images else None)

    def _embed(self) -> "Embeddings":
        from comparison.features import image_embeddings, text_embeddings
        from comparison.peer import Embeddings

        image = None
        if self._task.columns.image is not None:
            image = image_embeddings(self._prepared, self._settings.image_encoder)
        return Embeddings(text_embeddings(self._prepared, self._settings.text_encoder), image)

    def _ours(self, column: str, seed: int, split: "Split") -> Figures:
        from comparison.ours import EncoderFolders, run_adscore, training_options

        settings = self._settings
        encoders = EncoderFolders(settings.text_encoder, settings.image_encoder)
        options = training_options(self._task, column, seed, encoders, settings.max_epochs)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return run_adscore(self._task, self._prepared, split, options, Path(folder))
