"""Checked arrays of predictions and counts: the input of every metric."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Above it a beta-binomial is told from a binomial by less than trials / 1e10 of its variance,
# and the logarithms of gamma functions still keep 1e-4.
MAX_CONCENTRATION = 1e10


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Predictions beside what was observed, for the rows that have at least one trial.

    Attributes:
        mean: (n,) float64, predicted rate, from 0 to 1.
        successes: (n,) float64, whole numbers from 0 to trials. Float, since a product of two
            sums of counts passes the range of int64 on a large log.
        trials: (n,) float64, whole numbers from 1.
        kept: (rows given,) bool, where trials are above 0.
    """

    mean: Floats
    successes: Floats
    trials: Floats
    kept: NDArray[np.bool_]

    @property
    def observed(self) -> Floats:
        """(n,) float64, observed rate; rates that are equal as fractions are equal as floats."""
        return self.successes / self.trials


def read_outcomes(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> Outcomes:
    """Checks the arrays and leaves out rows without a trial.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        successes: (n,) numbers from 0 to trials, parts of one where these are attributed.
        trials: (n,) whole numbers from 0.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rates = read_vector("mean", mean)
    counts = read_vector("successes", successes, rows=len(rates))
    totals = read_vector("trials", trials, rows=len(rates))
    _refuse("mean", rates, (rates < 0) | (rates > 1), "rates from 0 to 1")
    _refuse("successes", counts, counts < 0, "numbers from 0")
    wrong = (totals < 0) | (totals != np.floor(totals))
    _refuse("trials", totals, wrong, "whole numbers from 0")
    _refuse("successes", counts, counts > totals, "at most the row's trials")
    kept = totals > 0
    return Outcomes(rates[kept], counts[kept], totals[kept], kept)


def read_concentration(concentration: ArrayLike, kept: NDArray[np.bool_]) -> Floats:
    """Checks the concentrations, above 0 and possibly infinite, and keeps those of ``kept``.

    Raises:
        ValueError: The length differs from that of ``kept``, or a value is not above 0.
    """
    values = np.asarray(concentration, dtype=np.float64)
    if values.shape != kept.shape:
        raise ValueError(f"concentration: expected {kept.shape}. Received: shape {values.shape}")
    _refuse("concentration", values, ~(values > 0), "numbers above 0")
    kept_values: Floats = values[kept]
    return kept_values


def read_groups(group: ArrayLike, kept: NDArray[np.bool_]) -> Ints:
    """Numbers the groups from 0.

    Args:
        group: (n,) labels of any hashable kind. None and NaN mean "no group": such a row
            gets a number of its own, so that it forms no pair.
        kept: (n,) bool, the rows wanted.

    Returns:
        (rows kept,) int64.

    Raises:
        ValueError: The length differs from that of ``kept``.
    """
    labels = np.asarray(group)
    if labels.shape != kept.shape:
        raise ValueError(f"group: expected {kept.shape}. Received: shape {labels.shape}")
    # np.unique would refuse labels of mixed kinds and take all NaN for one group.
    return _number(labels[kept].tolist())


def read_vector(name: str, values: ArrayLike, rows: int | None = None) -> Floats:
    """One finite float64 vector, of ``rows`` entries where given; ``name`` is for the error."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or (rows is not None and len(vector) != rows):
        expected = "one dimension" if rows is None else f"shape ({rows},)"
        raise ValueError(f"{name}: expected {expected}. Received: shape {vector.shape}")
    _refuse(name, vector, ~np.isfinite(vector), "finite numbers")
    return vector


def sum_by(index: Ints, values: Floats, length: int = 0) -> Floats:
    """Sums of ``values`` that share an index from 0: (max(length, largest index + 1),) float64."""
    # The type stubs of numpy know bincount without weights only, which counts in integers.
    return np.bincount(index, values, length).astype(np.float64, copy=False)


def _number(labels: Iterable[Any]) -> Ints:
    """Numbers the labels from 0 in order of appearance; each missing label counts as new."""
    numbers: dict[object, int] = {}
    keys = (
        object() if label is None or (isinstance(label, float) and math.isnan(label)) else label
        for label in labels
    )
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _refuse(name: str, values: Floats, wrong: NDArray[np.bool_], expected: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{name}: expected {expected}. Received: {values[row]} in row {row}")
