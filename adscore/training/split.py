"""Splits of groups: kept aside from training, held out once, or in turn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.table import CreativeTable


@dataclass(frozen=True, slots=True)
class Split:
    """Rows by their use in one fit, (rows,) int64 each; no group is in two of them.

    Attributes:
        fitting: Rows to fit weights, vocabularies and scales.
        validation: Rows for early stopping and calibration.
        test: Rows from which nothing is learned.
    """

    fitting: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of_all(cls, rows: int) -> "Split":
        """A split that fits every row."""
        none = np.empty(0, dtype=np.int64)
        return cls(np.arange(rows), none, none)


def hold_out(table: CreativeTable, share: float, seed: int) -> NDArray[np.int64]:
    """Rows of a random share of the groups, to keep aside from training; (n,).

    Raises:
        TrainingError: There are fewer than three groups, or the share is out of range.
    """
    if not 0 <= share < 1:
        raise TrainingError(f"--hold-out: expected a share from 0 to below 1. Received: {share:g}")
    groups = np.unique(np.array(table.group_names, dtype=object), return_inverse=True)[1]
    return split_groups(groups, test=share, validation=0.0, seed=seed).test


def split_groups(groups: NDArray[np.int64], *, test: float, validation: float, seed: int) -> Split:
    """Splits rows so that no group is in two parts.

    Args:
        groups: Group of each row, numbered from 0 without gaps, (rows,).
        test: Share of the groups to hold out entirely, from 0 to below 1: at least one group, or
            none for 0.
        validation: Share of the groups for early stopping and calibration, from 0 to below 1.
        seed: Determines which groups go where.

    Raises:
        TrainingError: There are fewer than three groups.
    """
    count = int(groups.max(initial=-1)) + 1
    _require_groups(count)
    order = np.random.default_rng(seed).permutation(count)
    test_count = min(max(1, round(test * count)), count - 2) if test else 0
    validation_count = min(max(1, round(validation * count)), count - test_count - 1)
    if not validation:
        validation_count = 0
    part = np.full(count, 2)
    part[order[:test_count]] = 0
    part[order[test_count : test_count + validation_count]] = 1
    test_rows, validation_rows, fitting = (np.flatnonzero(part[groups] == k) for k in range(3))
    return Split(fitting, validation_rows, test_rows)


def fold_groups(groups: NDArray[np.int64], folds: int, seed: int) -> list[Split]:
    """Splits that hold out each part of the groups in turn, so that every row is held out once.

    Args:
        groups: See `split_groups`.
        folds: Number of parts; fewer if there are fewer groups.
        seed: Determines which groups go where.
    """
    fold = deal_groups(groups, folds, seed)
    none = np.empty(0, dtype=np.int64)
    return [
        Split(np.flatnonzero(fold != part), none, np.flatnonzero(fold == part))
        for part in range(int(fold.max()) + 1)
    ]


def deal_groups(groups: NDArray[np.int64], parts: int, seed: int) -> NDArray[np.int64]:
    """Deals the groups evenly into parts; returns the part of each row, (rows,), from 0."""
    count = int(groups.max()) + 1
    order = np.random.default_rng(seed).permutation(count)
    part = np.empty(count, dtype=np.int64)
    part[order] = np.arange(count) % parts
    return part[groups]


def draw_groups(groups: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Rows of random whole groups, in order: about `most` rows, and at least one group.

    Args:
        groups: See `split_groups`.
        most: Number of rows; if there are no more, all are returned.
        seed: Determines which groups are drawn.
    """
    if len(groups) <= most:
        return np.arange(len(groups))
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    count = max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))
    return np.flatnonzero(np.isin(groups, order[:count]))


def _require_groups(count: int) -> None:
    if count < 3:
        raise TrainingError(
            f"expected at least 3 groups, to fit, to validate and to test on. Received: {count}. "
            "Name another group column, or 'none' to treat each row as a group of its own"
        )
