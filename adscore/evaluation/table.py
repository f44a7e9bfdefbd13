"""A model and a table of what really happened -> the metrics that `adscore evaluate` prints."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import group_digest
from adscore.cores import usable_cores
from adscore.errors import InvalidCreativeError, TableError
from adscore.evaluation.agreement import (
    AgreementMetrics,
    Retrieval,
    evaluate_agreement,
    example_retrievals,
)
from adscore.evaluation.intervals import metric_intervals
from adscore.evaluation.metrics import TargetMetrics, evaluate_target
from adscore.progress import SILENT, Progress
from adscore.scoring.preparation import PreparedCreative
from adscore.scoring.scorer import Predictions, Scorer
from adscore.table import CreativeTable

ROWS_AT_ONCE = 256  # 40 MB of pixels, as large as encoders read them
# Every headline is compared with every image: beyond these, a random part of the rows is.
MAX_AGREEMENT_ROWS = 5_000

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model's predictions for a table are.

    Attributes:
        rows: Number of rows that were scored and counted.
        targets: Metrics by target.
        agreement: Metrics of agreement, all None where the model has none.
        row_numbers: Rows of the table, (rows,) int64, counted from 0.
        predictions: Their predictions, in the same order.
        ablations: By modality, the evaluation with it exchanged between rows; see
            `evaluate_without`.
        retrievals: What a few headlines find; rows and columns are rows of the table.
    """

    rows: int
    targets: Mapping[str, TargetMetrics]
    agreement: AgreementMetrics
    row_numbers: NDArray[np.int64] = field(repr=False, compare=False)
    predictions: Predictions = field(repr=False, compare=False)
    ablations: Mapping[str, "Evaluation"] = field(default_factory=dict)
    retrievals: Sequence[Retrieval] = field(default=(), repr=False, compare=False)

    @property
    def target_metrics(self) -> dict[str, dict[str, float | int | None]]:
        """Metrics by target, by their names in JSON; None stands for null."""
        return {name: metrics.to_dict() for name, metrics in self.targets.items()}

    def to_dict(self) -> dict[str, object]:
        """What `adscore evaluate --json` writes; None stands for null.

        Ablations, if any, stand under ``"ablations"`` by modality, in the same form.
        """
        written = {
            "rows": self.rows,
            "targets": self.target_metrics,
            "agreement": self.agreement.to_dict(),
        }
        if self.ablations:
            written["ablations"] = {name: again.to_dict() for name, again in self.ablations.items()}
        return written


def rows_not_trained_on(table: CreativeTable, training_groups: str) -> NDArray[np.int64]:
    """Rows whose group the model was not trained on, (n,) int64.

    Args:
        table: The table, with the group column of the training.
        training_groups: The bundle's `training_groups.txt`.
    """
    seen = frozenset(training_groups.split())
    return np.flatnonzero([group_digest(name) not in seen for name in table.group_names])


def evaluate_table(
    scorer: Scorer,
    table: CreativeTable,
    rows: NDArray[np.int64] | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Predicts the rows of a table, and compares with their counts.

    Args:
        scorer: The model.
        table: Creatives with counts of the targets to evaluate.
        rows: Rows to evaluate, counted from 0; all by default.
        progress: Is told the stages, and how many of the rows have been predicted.

    Raises:
        TableError: The model lacks a target, a row cannot be scored, or there is no row.
    """
    rows = np.arange(len(table)) if rows is None else rows
    if not rows.size:
        raise TableError(f"{table.name}: expected rows to evaluate on. Received: none")
    unknown = [name for name in table.successes if name not in scorer.manifest.targets]
    if unknown:
        raise TableError(
            f"expected targets of the model ({', '.join(scorer.manifest.targets)}). "
            f"Received: {', '.join(unknown)}"
        )
    progress(f"evaluating on {len(rows)} rows")
    predictions = predict_rows(scorer, table, rows, progress)
    progress("measuring")
    # Read again rather than kept: what the scorer's cache holds is neither decoded nor run again.
    both = compared_rows(rows[~np.isnan(predictions.agreement)])
    found = _compared(scorer, _prepared(scorer, table, both), both)
    return evaluate_predictions(scorer.manifest.targets, table, rows, predictions, found)


def predict_rows(
    scorer: Scorer, table: CreativeTable, rows: NDArray[np.int64], progress: Progress = SILENT
) -> Predictions:
    """Predicts rows of a table, counted from 0, at least one.

    Raises:
        TableError: Rows cannot be scored.
    """
    return scorer.predict(_prepared(scorer, table, rows, progress))


def evaluate_predictions(
    targets: Sequence[str],
    table: CreativeTable,
    rows: NDArray[np.int64],
    predictions: Predictions,
    pairs: tuple[AgreementMetrics, list[Retrieval]] | None = None,
) -> Evaluation:
    """Compares predictions for rows of a table with their counts.

    Args:
        targets: What is predicted, in the order of the predictions' columns.
        table: Creatives with counts of the targets to evaluate.
        rows: Which rows, counted from 0, (n,).
        predictions: Of these rows.
        pairs: How well headlines find their images, see `compare_pairs`; None where nothing does.
    """
    group = None if table.groups is None else np.array(table.groups, dtype=object)[rows]
    metrics = {}
    for name in table.successes:
        column = targets.index(name)
        rates = predictions.mean[:, column], table.successes[name][rows], table.trials[name][rows]
        spread = predictions.concentration[:, column]
        metrics[name] = dataclasses.replace(
            evaluate_target(*rates, concentration=spread, group=group),
            intervals=metric_intervals(*rates, concentration=spread, group=group),
        )
    agreement, found = pairs or (AgreementMetrics(None, None, None, None), [])
    return Evaluation(len(rows), metrics, agreement, rows, predictions, retrievals=found)


def _prepared(
    scorer: Scorer, table: CreativeTable, rows: NDArray[np.int64], progress: Progress = SILENT
) -> Iterator[PreparedCreative]:
    """Decodes `ROWS_AT_ONCE` rows at a time, so that memory does not grow with their number.

    Raises:
        TableError: Rows cannot be scored; all of them are named, once the last was read.
    """
    broken = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE].tolist()
            for row, result in zip(some, prepare_rows(scorer, table, some, pool), strict=True):
                if isinstance(result, PreparedCreative):
                    yield result
                else:
                    broken.append((row, str(result)))
            done = start + len(some)
            progress.advance(done / len(rows), f"{done:,} of {len(rows):,} rows")
    if broken:
        raise table.broken_rows(broken)


def prepare_rows(
    scorer: Scorer, table: CreativeTable, rows: Sequence[int], pool: Executor
) -> list[PreparedCreative | InvalidCreativeError]:
    """Reads, checks and decodes rows (counted from 0), in their order.

    Args:
        scorer: The model, which knows what it accepts.
        table: The creatives.
        rows: Rows to prepare.
        pool: Threads to decode on: Pillow releases the GIL.

    Returns:
        For each row the prepared creative, or why there is none.
    """

    def prepare(row: int) -> PreparedCreative | InvalidCreativeError:
        try:
            return scorer.preparer.creative(table.creative(row, scorer.limits))
        except InvalidCreativeError as error:
            return error

    return list(pool.map(prepare, rows))


def compared_rows(rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """The rows to compare, in order: all, or a random `MAX_AGREEMENT_ROWS` of them."""
    if len(rows) <= MAX_AGREEMENT_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MAX_AGREEMENT_ROWS, replace=False))


def _compared(
    scorer: Scorer, creatives: Iterable[PreparedCreative], rows: NDArray[np.int64]
) -> tuple[AgreementMetrics, list[Retrieval]]:
    pairs = [
        (creative.headline, creative.image)
        for creative in creatives
        if creative.headline is not None and creative.image is not None
    ]
    if not pairs:
        return AgreementMetrics(None, None, None, None), []
    headlines, images = zip(*pairs, strict=True)
    texts = [headline.text for headline in headlines]
    return compare_pairs(scorer.match(headlines, images), texts, rows)


def compare_pairs(
    agreement: NDArray[np.floating], texts: Sequence[str], rows: NDArray[np.int64]
) -> tuple[AgreementMetrics, list[Retrieval]]:
    """How well headlines find their images among those of all pairs, with a few examples.

    Args:
        agreement: Of each headline with each image, (n, n).
        texts: The headlines; those that are equal match all their images.
        rows: What the examples call the pairs, (n,).
    """
    _, first, name = np.unique(texts, return_index=True, return_inverse=True)
    matches = np.argwhere(name[:, None] == name)
    examples = [
        Retrieval(int(rows[one.row]), one.rank, tuple(rows[list(one.found)].tolist()))
        for one in example_retrievals(agreement, matches, np.sort(first))
    ]
    return evaluate_agreement(agreement, matches, name), examples


# === Ablation: what each modality contributes ===


class Modality(StrEnum):
    """A part of a creative that an ablation permutes."""

    HEADLINE = "headline"
    IMAGE = "image"
    CONTEXT = "context"

    @classmethod
    def parse(cls, text: str) -> "Modality":
        """Reads the name of a modality.

        Raises:
            ValueError: There is none of that name.
        """
        if text not in list(cls):
            raise ValueError(f"--ablate: expected {', '.join(cls)}. Received: {text}")
        return cls(text)


def modalities_to_exchange(evaluation: Evaluation, scorer: Scorer) -> list[Modality]:
    """All parts that the model reads, where it predicts a rate from several."""
    read = scorer.manifest.limits.modalities
    return [Modality(name) for name in read] if evaluation.targets and len(read) > 1 else []


def with_ablations(
    evaluation: Evaluation,
    scorer: Scorer,
    table: CreativeTable,
    modalities: Iterable[Modality],
    progress: Progress = SILENT,
) -> Evaluation:
    """Adds the evaluations with each modality exchanged; see `evaluate_without`."""
    ablations = {
        modality.value: evaluate_without(
            modality, scorer, table, evaluation.row_numbers, progress=progress
        )
        for modality in modalities
    }
    return dataclasses.replace(evaluation, ablations=ablations)


def evaluate_without(
    modality: Modality,
    scorer: Scorer,
    table: CreativeTable,
    rows: NDArray[np.int64],
    seed: int = 0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Evaluates with one modality permuted between rows: permutation importance (Breiman 2001).

    The model sees headlines and images of the usual distribution; only their tie to the result
    is cut. Rows that have the modality exchange it along one cycle: no row keeps its own, though
    another row's may be the same text or picture.

    Args:
        modality: What is permuted.
        scorer: The model.
        table: Creatives with counts of the targets to evaluate.
        rows: Rows to evaluate, counted from 0.
        seed: Same seed, same permutation.
        progress: As of `evaluate_table`.

    Raises:
        TableError: As `evaluate_table`.
    """
    present = np.array([row for row in rows.tolist() if _has(modality, table, row)], np.int64)
    donor = np.arange(len(table))
    cycle = np.random.default_rng(seed).permutation(present)
    donor[cycle] = np.roll(cycle, 1)
    return evaluate_table(scorer, _exchanged(modality, table, donor), rows, progress)


def _has(modality: Modality, table: CreativeTable, row: int) -> bool:
    if modality is Modality.CONTEXT:
        return any(values[row] for values in table.context.values())
    return bool(table.headlines[row] if modality is Modality.HEADLINE else table.images[row])


def _exchanged(modality: Modality, table: CreativeTable, donor: NDArray[np.int64]) -> CreativeTable:
    match modality:
        case Modality.HEADLINE:
            return dataclasses.replace(table, headlines=_taken(table.headlines, donor))
        case Modality.IMAGE:
            return dataclasses.replace(table, images=_taken(table.images, donor))
        case Modality.CONTEXT:
            context: dict[str, Sequence[str]] = {}
            for name, values in table.context.items():
                context[name] = _taken(values, donor)
            return dataclasses.replace(table, context=context)


def _taken(values: Sequence[_Value], rows: NDArray[np.int64]) -> list[_Value]:
    return [values[row] for row in rows.tolist()]
