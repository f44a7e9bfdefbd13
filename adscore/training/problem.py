"""Turns a table and options into a training problem, with rows as arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.creative import Columns, InputLimits
from adscore.errors import BrokenRowsError, InvalidCreativeError, TrainingError
from adscore.progress import SILENT, Progress
from adscore.scoring.image import ImageSize
from adscore.scoring.preparation import context_ids, learn_values
from adscore.scoring.text import normalise
from adscore.table import CreativeTable
from adscore.table.images import NO_FILE
from adscore.training.encoders.encoding import HeadlineEncoding
from adscore.training.encoders.feature_cache import FeatureCache, cache_directory
from adscore.training.encoders.published import Encoders, ImageEncoder
from adscore.training.images import (
    Broken,
    EncodeAll,
    ReadImages,
    read_images,
)
from adscore.training.likelihood import Outcomes
from adscore.training.presets import DEFAULT, Preset
from adscore.training.split import Split, fold_groups, split_groups

# Number of parts of the groups that are held out in turn.
FOLDS = 5
# Shares of the groups, for a single split.
LEFT_OUT_SHARE, VALIDATION_SHARE = 0.2, 0.15


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The user's choices.

    Attributes:
        preset: The network and how it is fitted.
        seed: Determines which groups are held out, the initialisation and the order.
        hold_out: Share of the groups to keep aside, from 0 to below 1: training does not read
            them, so that they can be scored later as new ones.
        text_encoder: Folder of a frozen text encoder, or `hf://organisation/name`; None trains
            the text tower from scratch.
        image_encoder: The same for images.
        align: Whether to learn headline-image agreement too.
        force: Whether to write a version that is clearly worse than the previous one.
        engine: Where features are computed, ``"local"`` or ``"spark"``; the rest runs here.
    """

    preset: Preset = DEFAULT
    seed: int = 0
    hold_out: float = 0.0
    text_encoder: str | None = None
    image_encoder: str | None = None
    align: bool = False
    force: bool = False
    engine: str = "local"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Every row of a table, checked and decoded.

    Attributes:
        headlines: Normalised headlines, one for each row; ``""`` means absent.
        images: Distinct images as the tower reads them: pixels, (images, height, width, 3) uint8,
            or features of an encoder, (images, f) float16; arbitrary for a row without an image.
        image_index: Index of each row's image, (rows,) int64.
        context_values: By context name, the value of each row; ``""`` means absent.
        context: By context name, the values of the fitted rows; other values are unknown.
        context_ids: Number of each value, (rows, names) int32; 0 if absent or unknown.
        present: Whether headline, image and any context are known, (rows, 3) float32; its columns
            are those of `Present`.
        groups: Group of each row, a number from 0, (rows,) int64; without a group column
            each row is a group of its own.
        group_names: Name of each group.
        targets: By target, the columns of its counts.
        successes: Counts of shape (rows, targets), float64.
        trials: Counts of shape (rows, targets), float64.
        columns: The columns of the table.
    """

    headlines: Sequence[str]
    images: NDArray[Any]
    image_index: NDArray[np.int64]
    context_values: Mapping[str, Sequence[str]]
    context: Mapping[str, tuple[str, ...]]
    context_ids: NDArray[np.int32]
    present: NDArray[np.float32]
    groups: NDArray[np.int64]
    group_names: Sequence[str]
    targets: Mapping[str, str]
    successes: NDArray[np.float64]
    trials: NDArray[np.float64]
    columns: Columns = field(default_factory=Columns)

    def __len__(self) -> int:
        return len(self.headlines)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, headline and image, that any row has."""
        every_row = np.arange(len(self))
        return tuple(n for n in ("headline", "image") if self.rows_with(n, every_row).size)

    @property
    def parts(self) -> list[Present]:
        """The modalities that any row has, and context if there is any."""
        parts = [Present[name.upper()] for name in self.modalities]
        return parts + [Present.CONTEXT] * bool(self.context)

    @property
    def is_grouped(self) -> bool:
        """Whether any two rows share a group."""
        return len(self.group_names) < len(self)

    def rows_with(self, modality: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows that have a headline or an image."""
        here: NDArray[np.bool_] = self.present[rows, Present[modality.upper()]] > 0
        return rows[here]

    def outcomes(self, rows: NDArray[np.int64]) -> Outcomes:
        """The counts of some rows, with groups renumbered."""
        groups = np.unique(self.groups[rows], return_inverse=True)[1]
        return Outcomes(self.successes[rows], self.trials[rows], groups, self.is_grouped)


@dataclass(frozen=True, slots=True)
class Problem:
    """What to learn, from which rows and how.

    Attributes:
        data: All rows, except those of groups that are kept aside.
        split: Rows to fit, to validate on and to hold out; unless specified, all are fitted.
        preset: The network and how it is fitted, with the preprocessing of its encoders.
        encoders: Those of the modalities that the data has.
        seed: Determines initialisation and order.
        align: Whether to learn headline-image agreement.
        progress: Receives the progress of reading and fitting.
    """

    data: TrainingData
    split: Split
    preset: Preset
    encoders: Encoders
    seed: int
    align: bool
    progress: Progress = SILENT

    @property
    def is_additive(self) -> bool:
        """Whether linear heads are fitted to fixed features."""
        return self.preset.additive

    @property
    def fitted(self) -> NDArray[np.int64]:
        """All fitted rows, in order."""
        return self.split.fitting

    def folds(self) -> list[Split]:
        """Splits that hold out each part of the groups in turn, for linear heads.

        Omits splits whose fitted rows lack successes or failures of a target.
        """
        folds = fold_groups(self.data.groups, FOLDS, self.seed)
        return [fold for fold in folds if not _one_outcome(self.data, fold.fitting)]

    def one_split(self) -> Split:
        """A single split, with validation and test groups, for networks trained from scratch."""
        return split_groups(
            self.data.groups, test=LEFT_OUT_SHARE, validation=VALIDATION_SHARE, seed=self.seed
        )

    def on(self, split: Split) -> "Problem":
        """A copy with another split; only context values of its fitted rows are known."""
        return replace(self, split=split, data=_with_context(self.data, split.fitting))


def read_problem(
    table: CreativeTable, options: TrainingOptions, progress: Progress = SILENT
) -> Problem:
    """Opens the encoders, then reads and checks every row.

    Args:
        table: The rows, without groups that are kept aside; see `hold_out`.
        options: The user's choices.
        progress: Receives the number of images read, and later the progress of the fits.

    Raises:
        TableError: Rows cannot be read.
        TrainingError: There is nothing to learn from, or an encoder cannot be used.
    """
    encoders = Encoders.open(options.text_encoder, options.image_encoder)
    preset = encoders.adapt(options.preset)
    if not table.successes and not options.align:
        raise TrainingError("expected a target to learn, or alignment. Received: neither")
    data, broken = load_rows(table)
    if options.align and len(data.modalities) < 2:
        raise TrainingError(
            "expected headlines and images to align. Received a table with "
            f"{' and '.join(data.modalities)} alone"
        )
    if preset.additive:
        encoders = encoders.or_statistics(preset.preprocessing)
    used = encoders.only(data.modalities)
    problem = Problem(
        data, Split.of_all(len(data)), preset, used, options.seed, options.align, progress
    )
    _require_outcomes(problem)
    read = partial(read_images, table, ImageSize.of(preset.preprocessing), used.image, progress)
    images = read() if options.engine == "local" else _on_spark(problem, read)
    data = with_images(data, broken, table, preset, images)
    return replace(problem, data=data).on(problem.split)


def _on_spark(problem: Problem, read: Callable[[EncodeAll], ReadImages]) -> ReadImages:
    """Computes features of images, and of headlines into the cache, on Spark.

    Raises:
        TrainingError: There is nothing to compute.
    """
    from adscore.offline.spark import Cluster
    from adscore.training.cluster import encode_there, keep_headlines

    encoders = problem.encoders
    if encoders == Encoders():
        raise TrainingError(
            "--engine spark: expected features to compute. Received: a preset that reads pixels "
            "and tokens, which are trained on this machine"
        )
    cluster = Cluster("adscore train")
    try:
        if encoders.text is not None:
            cache = FeatureCache(cache_directory())
            keep_headlines(cluster, problem.data.headlines, HeadlineEncoding(encoders.text), cache)
        return read(encode_there(cluster))
    finally:
        cluster.close()


def _require_outcomes(problem: Problem) -> None:
    """Checks, before slow work, that every fit has successes, failures and groups to hold out."""
    data = problem.data
    split = problem.one_split()  # raises with fewer than three groups
    rows = problem.split.fitting if problem.is_additive else split.fitting
    for column in _one_outcome(data, rows):
        successes, trials = data.successes[rows, column].sum(), data.trials[rows, column].sum()
        raise TrainingError(
            f"target {list(data.targets)[column]!r}: expected both successes and failures among "
            f"the {len(rows)} rows to fit. Received: {successes:.0f} successes in {trials:.0f} "
            "trials"
        )
    if problem.is_additive and not problem.folds():
        raise TrainingError(
            "expected successes and failures of each target in groups that can be left out in "
            "turn. Received: all successes, or all failures, of a target in one group"
        )
    for column, name in enumerate(data.targets if not problem.is_additive else ()):
        if not data.trials[split.validation, column].any():
            raise TrainingError(
                f"target {name!r}: expected trials among the {len(split.validation)} rows to "
                "validate on. Received: none"
            )


def _one_outcome(data: TrainingData, rows: NDArray[np.int64]) -> list[int]:
    """Targets for which some rows have no success, or no failure."""
    successes, trials = data.successes[rows].sum(axis=0), data.trials[rows].sum(axis=0)
    return np.flatnonzero((successes == 0) | (successes == trials)).tolist()


# === Rows ===


def load_rows(table: CreativeTable) -> tuple[TrainingData, Broken]:
    """Reads a table without its images and context, which follow later; see `with_images`."""
    headlines, broken = _normalised(table, InputLimits())
    has = np.array([[bool(text) for text in headlines], [bool(image) for image in table.images]])
    names, groups = np.unique(np.array(table.group_names, dtype=object), return_inverse=True)
    data = TrainingData(
        headlines=headlines,
        images=np.empty((0, 0)),
        image_index=np.zeros(len(table), dtype=np.int64),
        context_values=table.context,
        context={},
        context_ids=np.zeros((len(table), 0), dtype=np.int32),
        present=np.stack([*has, np.zeros(len(table))], axis=1).astype(np.float32),
        groups=groups.astype(np.int64),
        group_names=names.tolist(),
        targets={name: table.target_columns[name] for name in table.successes},
        successes=_columns(table.successes, len(table)),
        trials=_columns(table.trials, len(table)),
        columns=table.columns,
    )
    return data, broken


def load_training_data(
    table: CreativeTable, preset: Preset, encoder: ImageEncoder | None = None
) -> TrainingData:
    """Reads a table without its context; see `with_images`."""
    read = read_images(table, ImageSize.of(preset.preprocessing), encoder)
    return with_images(*load_rows(table), table, preset, read)


def with_images(
    data: TrainingData,
    broken: Broken,
    table: CreativeTable,
    preset: Preset,
    read: ReadImages,
) -> TrainingData:
    """Checks every row, and adds the images.

    Args:
        data: The rows.
        broken: Rows whose headline cannot be read.
        table: Their table.
        preset: Determines whether each row needs every modality that any row has, or only one of
            them.
        read: The images.

    Raises:
        TableError: Headlines or images are missing or cannot be read. The error counts all such
            rows and names the first few.
    """
    unreadable = {row for row, _ in broken}  # they have a headline, and an error already
    texts = [bool(text) or row in unreadable for row, text in enumerate(data.headlines)]
    has = np.array([texts, [bool(image) for image in table.images]])
    broken = broken + read.broken + _incomplete(has, complete=not preset.modality_dropout)
    if broken:
        error = table.broken_rows(broken)
        gone = [row for row, text in read.broken if NO_FILE in text]
        if gone and len(gone) == has[1].sum():
            where = "if they are in another folder, name it with --image-root"
            error = BrokenRowsError(f"{error}\nNo image can be read: {where}", error.rows)
        raise error
    return replace(data, images=read.values, image_index=read.index)


def _normalised(table: CreativeTable, limits: InputLimits) -> tuple[list[str], Broken]:
    headlines, broken = [], []
    for row, text in enumerate(table.headlines):
        try:
            headlines.append(normalise(text, limits))
        except InvalidCreativeError as error:
            headlines.append("")
            broken.append((row, str(error)))
    return headlines, broken


def _incomplete(has: NDArray[np.bool_], *, complete: bool) -> Broken:
    """Rows that lack a required part, given which parts each row has, (2, rows)."""
    needed = [complete and bool(row.any()) for row in has]
    texts = ("headline: expected text", "image: expected an encoded image")
    lacking = [
        (row, f"{text}. Received: none")
        for column, text in enumerate(texts)
        for row in np.flatnonzero(needed[column] & ~has[column]).tolist()
    ]
    empty = np.flatnonzero(~has.any(axis=0)).tolist() if not complete else []
    return lacking + [
        (row, "expected a headline, an image or both. Received: neither") for row in empty
    ]


def _with_context(data: TrainingData, fitted: NDArray[np.int64]) -> TrainingData:
    """The data with its context; values that no fitted row has are unknown."""
    if not data.context_values:
        return data
    context = {
        name: learn_values(values[row] for row in fitted.tolist())
        for name, values in data.context_values.items()
    }
    rows = zip(*data.context_values.values(), strict=True)
    ids = [context_ids(dict(zip(context, row, strict=True)), context) for row in rows]
    present = data.present.copy()
    present[:, Present.CONTEXT] = np.any(ids, axis=1)
    return replace(data, context=context, context_ids=np.array(ids, np.int32), present=present)


def _columns(counts: Mapping[str, NDArray[np.int64]], rows: int) -> NDArray[np.float64]:
    """Counts of all targets, (rows, targets)."""
    if not counts:
        return np.empty((rows, 0))
    return np.stack(list(counts.values()), axis=1).astype(np.float64)
