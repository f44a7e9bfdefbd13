"""A model and a table of what really happened -> the figures, as `adscore evaluate` prints them."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import group_digest
from adscore.errors import InvalidCreativeError, TableError
from adscore.evaluation.agreement import agreement_figures
from adscore.evaluation.metrics import TargetMetrics, evaluate_target
from adscore.evaluation.retrieval import AgreementMetrics
from adscore.preparation import PreparedCreative
from adscore.rows import prepare_rows
from adscore.scorer import Predictions, Scorer
from adscore.table import CreativeTable

NO_AGREEMENT = AgreementMetrics(None, None, None, None)


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
    prepared = _prepared(scorer, table, rows)
    predictions = scorer.predict(prepared)
    agreement = agreement_figures(scorer, prepared) if scorer.has_agreement else NO_AGREEMENT
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
) -> Sequence[PreparedCreative]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = prepare_rows(scorer, table, rows.tolist(), pool)
    broken = [
        (row, str(result))
        for row, result in zip(rows.tolist(), results, strict=True)
        if isinstance(result, InvalidCreativeError)
    ]
    if broken:
        raise table.broken_rows(broken)
    return [result for result in results if isinstance(result, PreparedCreative)]
