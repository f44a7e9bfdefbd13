"""What the trained parts of the towers read, for every row of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """One input of a tower.

    Attributes:
        values: Distinct values, (values, ...).
        index: Which of them each row has, (rows,).
    """

    values: NDArray[Any]
    index: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TowerInputs:
    """The inputs of both towers.

    Attributes:
        columns: By the name that a tower gives its input.
    """

    columns: Mapping[str, Column]

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The inputs of some rows, by name."""
        return {name: column.values[column.index[rows]] for name, column in self.columns.items()}
