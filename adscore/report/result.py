"""Reads a scored table: its numbers as arrays, and all cells of selected rows."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from adscore.evaluation.outcomes import Floats
from adscore.offline.core import FIGURES
from adscore.table import TableStream, cell_text

_BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class TargetScores:
    """The scores of one target, (rows,) each; NaN where a row has no score.

    Attributes:
        mean: Predicted rate.
        lower: Lower end of its 90 % interval.
        upper: Upper end of its 90 % interval.
        percentile: Percentile among the creatives of the training, from 0 to 100.
    """

    mean: Floats
    lower: Floats
    upper: Floats
    percentile: Floats

    @property
    def highest(self) -> float:
        """End of a scale that fits nearly all intervals."""
        scored = self.upper[~np.isnan(self.upper)]
        return max(float(np.quantile(scored, 0.98)), float(np.nanmax(self.mean)) * 1.05)


@dataclass(frozen=True, slots=True)
class Result:
    """The numbers of a scored table.

    Attributes:
        rows: Number of rows.
        targets: Scores by target.
        agreement: Agreement, (rows,), from -1 to 1; NaN where there is none.
        warnings: Number of rows by warning.
        errors: Number of rows by kind of error.
        examples: By kind of error, the id of the first row and the full text.
        model: Name and version.
    """

    rows: int
    targets: Mapping[str, TargetScores]
    agreement: Floats
    warnings: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    model: tuple[str, str] = ("", "")

    @property
    def main(self) -> Floats:
        """What rows are ranked by: the first target's rate, or else the agreement."""
        return next((scores.mean for scores in self.targets.values()), self.agreement)

    @property
    def failed(self) -> int:
        """Number of rows without a score."""
        return sum(self.errors.values())


def read_result(result: TableStream, targets: Sequence[str]) -> Result:
    """Reads the numbers of a scored table, and counts warnings and errors.

    Args:
        result: A stream of the id column and all columns that scoring adds.
        targets: Names of the model's targets.
    """
    names = [*(f"{target}_{figure}" for target in targets for figure in FIGURES), "agreement"]
    parts: dict[str, list[Floats]] = {name: [np.empty(0)] for name in names}
    tally, model = Result(0, {}, np.empty(0)), ("", "")
    for batch in result.batches(_BATCH_ROWS):
        for name, arrays in parts.items():
            arrays.append(_numbers(batch, name))
        _count(tally, batch)
        model = tuple(batch.column(name)[0].as_py() for name in ("model", "model_version"))
    numbers = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return Result(
        len(numbers["agreement"]),
        {
            target: TargetScores(*(numbers[f"{target}_{figure}"] for figure in FIGURES))
            for target in targets
        },
        numbers["agreement"],
        tally.warnings,
        tally.errors,
        tally.examples,
        model,
    )


def _count(tally: Result, batch: pa.RecordBatch) -> None:
    names = (batch.schema.names[0], "warnings", "error")
    columns = (batch.column(name).to_pylist() for name in names)
    for identity, warnings, error in zip(*columns, strict=True):
        if error:
            kind = error.partition(". Received:")[0]
            tally.errors[kind] += 1
            tally.examples.setdefault(kind, (cell_text(identity), error))
        else:
            tally.warnings.update(filter(None, (warnings or "").split(";")))


def _numbers(batch: pa.RecordBatch, name: str) -> Floats:
    """A column of numbers, which may be stored as text; NaN for empty cells."""
    column = batch.column(name)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([float(text or "nan") for text in column.to_pylist()])
    numbers: Floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return numbers


def cells_of(table: TableStream, rows: Collection[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields selected rows of a table, numbered from 0, in order."""
    wanted = np.array(sorted(rows), np.int64)
    for piece in table.pieces(_BATCH_ROWS):
        first, last = np.searchsorted(wanted, [piece.first_row, piece.first_row + len(piece.rows)])
        for row in wanted[first:last].tolist():
            yield row, piece.rows.slice(row - piece.first_row, 1).to_pylist()[0]
