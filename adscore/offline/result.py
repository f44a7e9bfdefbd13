"""The columns of a scored table: a contract, the same for every engine and file format."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.creative import TargetScore
from adscore.errors import TableError
from adscore.offline.options import ScoringOptions

FIGURES = tuple(field.name for field in fields(TargetScore))
COLUMNS_AFTER_TARGETS = ("agreement", "warnings", "error", "model", "model_version")


def result_schema(
    targets: Sequence[str], options: ScoringOptions, input_schema: pa.Schema
) -> pa.Schema:
    """The id; columns carried along; by target its figures; agreement and what follows it.

    Args:
        targets: Names of the model's targets.
        options: What is read and carried along.
        input_schema: Types of the columns that are read.

    Raises:
        TableError: Two columns of the result would have one name.
    """
    kept = [input_schema.field(name) for name in options.keep if name != options.columns.id]
    figures = [f"{target}_{figure}" for target in targets for figure in FIGURES]
    numbers = [pa.field(name, pa.float64()) for name in (*figures, "agreement")]
    texts = [pa.field(name, pa.string()) for name in COLUMNS_AFTER_TARGETS[1:]]
    taken = {field.name for field in (*numbers, *texts)}
    for name in (options.id_name, *(field.name for field in kept)):
        if name in taken:
            raise TableError(
                "expected an id column and columns to keep of other names than those of the "
                f"result ({', '.join(sorted(taken))}). Received: {name!r}"
            )
        taken.add(name)
    return pa.schema([pa.field(options.id_name, pa.string()), *kept, *numbers, *texts])


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Scores of the rows of a batch that could be scored.

    Attributes:
        rows: Which rows, rising, (scored,).
        figures: By target the figures of `FIGURES`, (scored, targets, 4).
        agreement: NaN where there is none, (scored,).
        warnings: Joined by ";".
    """

    rows: NDArray[np.intp]
    figures: NDArray[np.float64]
    agreement: NDArray[np.float64]
    warnings: Sequence[str]

    def columns(self, count: int) -> list[pa.Array]:
        """The columns from the first figure to the warnings, for a batch of `count` rows.

        They are null for rows that have no score.
        """
        _, targets, figures = self.figures.shape
        flat = self.figures.reshape(len(self.rows), targets * figures)
        columns = [self._numbers(flat[:, at], count) for at in range(flat.shape[1])]
        warnings: list[str | None] = [None] * count
        for row, text in zip(self.rows.tolist(), self.warnings, strict=True):
            warnings[row] = text
        return [*columns, self._numbers(self.agreement, count), pa.array(warnings, pa.string())]

    def _numbers(self, values: NDArray[np.float64], count: int) -> pa.Array:
        spread = np.full(count, np.nan)
        spread[self.rows] = values
        return pa.array(spread, mask=np.isnan(spread))
