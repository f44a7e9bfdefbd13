"""A model and a table of what really happened -> the figures, as `adscore evaluate` prints them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import group_digest
from adscore.cores import usable_cores
from adscore.errors import InvalidCreativeError, TableError
from adscore.evaluation.agreement import agreement_figures, compared_rows
from adscore.evaluation.metrics import TargetMetrics, evaluate_target
from adscore.evaluation.retrieval import AgreementMetrics
from adscore.scoring.preparation import PreparedCreative
from adscore.scoring.scorer import Predictions, Scorer
from adscore.table import CreativeTable

ROWS_AT_ONCE = 256  # 40 MB of pixels, as large as encoders read them


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a table says of a model.

    Attributes:
        rows: Number of rows that were scored and counted.
        targets: Figures by target.
        agreement: Figures of headline-image agreement, all None where the model has none.
        row_numbers: Which rows of the table these are, (rows,), counted from 0.
        predictions: What the model says of them, in the same order.
        ablations: By modality, the evaluation with it exchanged between rows; see `ablation`.
    """

    rows: int
    targets: Mapping[str, TargetMetrics]
    agreement: AgreementMetrics
    row_numbers: NDArray[np.int64] = field(repr=False, compare=False)
    predictions: Predictions = field(repr=False, compare=False)
    ablations: Mapping[str, "Evaluation"] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, dict[str, float | int | None]]:
        """Figures by target, by their names in JSON; None stands for null."""
        return {name: figures.to_dict() for name, figures in self.targets.items()}

    def to_dict(self) -> dict[str, object]:
        """The JSON of `adscore evaluate --json`; None stands for null.

        Ablations, where there are any, stand under ``"ablations"`` by modality, in the same form.
        """
        written = {
            "rows": self.rows,
            "targets": self.figures,
            "agreement": asdict(self.agreement),
        }
        if self.ablations:
            written["ablations"] = {name: again.to_dict() for name, again in self.ablations.items()}
        return written


def rows_not_trained_on(table: CreativeTable, training_groups: str) -> NDArray[np.int64]:
    """Rows whose group the model has not seen, (n,).

    Args:
        table: The table, with the group column of the training.
        training_groups: The bundle's `training_groups.txt`.
    """
    seen = frozenset(training_groups.split())
    return np.flatnonzero([group_digest(name) not in seen for name in table.group_names])


def evaluate_table(
    scorer: Scorer, table: CreativeTable, rows: NDArray[np.int64] | None = None
) -> Evaluation:
    """Scores the rows of a table and compares with their counts.

    Args:
        scorer: The model.
        table: Creatives with counts of the targets to evaluate.
        rows: Which rows, counted from 0; all by default.

    Raises:
        TableError: The model lacks a target, a row cannot be scored, or there is no row.
    """
    rows = np.arange(len(table)) if rows is None else rows
    if not rows.size:
        raise TableError(f"{table.path}: expected rows to evaluate on. Received: none")
    unknown = [name for name in table.successes if name not in scorer.manifest.targets]
    if unknown:
        raise TableError(
            f"expected targets of the model ({', '.join(scorer.manifest.targets)}). "
            f"Received: {', '.join(unknown)}"
        )
    predictions = scorer.predict(_prepared(scorer, table, rows))
    # Read again rather than kept: what the scorer's cache holds is neither decoded nor run again.
    both = compared_rows(rows[~np.isnan(predictions.agreement)])
    agreement = agreement_figures(scorer, _prepared(scorer, table, both))
    group = None if table.groups is None else np.array(table.groups, dtype=object)[rows]
    return Evaluation(
        rows=len(rows),
        targets={
            name: _figures(scorer, predictions, table, name, rows, group)
            for name in table.successes
        },
        agreement=agreement,
        row_numbers=rows,
        predictions=predictions,
    )


def _figures(
    scorer: Scorer,
    predictions: Predictions,
    table: CreativeTable,
    name: str,
    rows: NDArray[np.int64],
    group: NDArray[np.object_] | None,
) -> TargetMetrics:
    column = scorer.manifest.targets.index(name)
    return evaluate_target(
        predictions.mean[:, column],
        table.successes[name][rows],
        table.trials[name][rows],
        concentration=predictions.concentration[:, column],
        group=group,
    )


def _prepared(
    scorer: Scorer, table: CreativeTable, rows: NDArray[np.int64]
) -> Iterator[PreparedCreative]:
    """Decodes rows some at a time, so that memory does not grow with their number.

    Raises:
        TableError: Rows that cannot be scored, named when all have been looked at.
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
    if broken:
        raise table.broken_rows(broken)


def prepare_rows(
    scorer: Scorer, table: CreativeTable, rows: Sequence[int], pool: Executor
) -> list[PreparedCreative | InvalidCreativeError]:
    """Reads, checks and decodes rows (counted from 0), in their order.

    Args:
        scorer: The model, which knows what it accepts.
        table: The creatives.
        rows: Which of them.
        pool: Threads to decode on: Pillow releases the GIL.

    Returns:
        For each row the prepared creative, or why there is none.
    """

    def prepare(row: int) -> PreparedCreative | InvalidCreativeError:
        try:
            return scorer.prepare(table.creative(row))
        except InvalidCreativeError as error:
            return error

    return list(pool.map(prepare, rows))
