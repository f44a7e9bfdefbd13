"""Conjugate gradients for linear heads, preconditioned by the parts one by one.

f features, c columns (members x targets), t targets.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]
Features = NDArray[np.float32]

MAX_STEPS = 200
TOLERANCE = 1e-3  # of residuals, relative to the first
ROUNDING = 1e-5  # relative to the largest entry, in single precision


class Preconditioner:
    """Approximates the columns' systems: each part by itself, with the mean of all rows.

    Args:
        moments: See `additive.Design.second_moments`.
        scales: Prior scales of the weights of each part, (f, t) each.
        precision: Total precision of all rows, (t,).
    """

    def __init__(
        self, moments: Sequence[Features], scales: Sequence[Features], precision: Array
    ) -> None:
        self._ends = np.cumsum([len(each) for each in moments])[:-1]
        self._inverses = [
            [_inverse(moment, scale[:, t], float(total)) for t, total in enumerate(precision)]
            for moment, scale in zip(moments, scales, strict=True)
        ]

    def __call__(self, residual: Features) -> Features:
        """Approximate weights for a residual, (f, c)."""
        found = np.empty_like(residual)
        given_parts, found_parts = (np.split(each, self._ends) for each in (residual, found))
        for inverses, given, into in zip(self._inverses, given_parts, found_parts, strict=True):
            for target, inverse in enumerate(inverses):
                into[:, target :: len(inverses)] = inverse(given[:, target :: len(inverses)])
        return found


def _inverse(moment: Features, scale: Features, precision: float) -> Callable[[Features], Features]:
    """Solver for one part and target: the prior of the weights plus the rows' evidence."""
    if moment.shape[1] == 1:  # n-grams, one by one
        diagonal = 1 + np.float32(precision) * scale[:, None] ** 2 * moment
        return lambda given: given / diagonal
    system = moment * (np.float32(precision) * scale * scale[:, None])
    system[np.diag_indices_from(system)] += 1 + ROUNDING * system.diagonal().max()
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    return lambda given: cho_solve(factor, given, check_finite=False)


def conjugate_gradients(
    apply: Callable[[Features], Features],
    right: Features,
    start: Features,
    precondition: Callable[[Features], Features],
) -> Features:
    """Solves a symmetric positive definite system for each column, (f, c) each.

    Hestenes and Stiefel (1952), "Methods of conjugate gradients for solving linear systems";
    preconditioned as in Saad (2003), "Iterative methods for sparse linear systems", 9.2.
    """
    found = start.copy()
    residual = right - apply(found) if start.any() else right.copy()
    direction = preconditioned = precondition(residual)
    product = _products_of_columns(residual, preconditioned)
    goal = TOLERANCE**2 * _products_of_columns(right, right)
    for _ in range(MAX_STEPS):
        left = _products_of_columns(residual, residual) > goal
        if not left.any():
            break
        applied = apply(direction)
        curvature = np.maximum(_products_of_columns(direction, applied), 1e-30)
        step = np.where(left, product / curvature, 0.0).astype(np.float32)
        found += step * direction
        residual -= step * applied
        preconditioned = precondition(residual)
        before, product = product, _products_of_columns(residual, preconditioned)
        turn = (product / np.maximum(before, 1e-30)).astype(np.float32)
        direction = preconditioned + turn * direction
    return found


def _products_of_columns(first: Features, second: Features) -> Array:
    products: Array = (first * second).sum(axis=0, dtype=np.float64)
    return products
