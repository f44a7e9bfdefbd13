"""What the trained parts of the network read, for every row of a table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """One input of the network.

    Attributes:
        values: Distinct values, (values, ...).
        index: Which of them each row has, (rows,).
    """

    values: NDArray[Any]
    index: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TowerInputs:
    """The inputs of towers and core.

    Attributes:
        columns: By the name that the network gives its input.
    """

    columns: Mapping[str, Column]

    def batch(
        self, rows: NDArray[np.int64], names: Collection[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """The inputs of some rows, by name; all inputs unless some are named."""
        return {
            name: column.values[column.index[rows]]
            for name, column in self.columns.items()
            if names is None or name in names
        }
