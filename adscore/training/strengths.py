"""Chooses the prior variance of each block of features and of group offsets, by held-out groups.

The logit of a rate is a sum of blocks, each a linear function with a normal prior on its weights,
and an offset of its group. Over the rows, this is a Gaussian process (Rasmussen and Williams 2006,
"Gaussian processes for machine learning", 2.2 and 5.4.2). Its variances, one per block and one for
the offsets, are those with which held-out groups are best predicted from the others. So misleading
parts are scaled down, differences between groups count as far as they are informative, and groups
of one row lose nothing. One factorisation of the rows' covariance predicts all held-out rows.

n rows, b blocks, t targets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack, solve_triangular
from scipy.optimize import minimize

from adscore.training.likelihood import Outcomes, evidence, starting_point
from adscore.training.split import deal_groups, draw_groups

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

FOLDS = 5
# More rows cost time by their cube; see `refined` for what these leave open.
MAX_ROWS = 600
MAX_STEPS = 12
# Initial variance of a block's part of the logit, relative to a row's noise, and how far its
# logarithm may move from there for one unit of log likelihood.
START, PRIOR_DEVIATION = 0.05, 3.0
BOUNDS = (-9.0, 6.0)
# In nats over all drawn rows: blocks gain less than this by chance, so then the mean is used
# alone. With outcomes shuffled among the rows of two tables, the largest of ten gains was 2.9.
MIN_GAIN = 3.0
OF_MEAN = 100.0  # prior variance of the mean rate's logit, almost flat


@dataclass(frozen=True, slots=True)
class Strengths:
    """Strengths chosen on held-out groups, for each target.

    Attributes:
        blocks: By block, the variance of its weights, (t,); zeros if only the mean is used.
        offsets: Variance of the groups' offsets, (t,); zeros without groups.
        learns: Whether the blocks predict held-out groups better than the mean does, (t,).
    """

    blocks: Mapping[str, Array]
    offsets: Array
    learns: NDArray[np.bool_]


class _LeftOut:
    """Loss of held-out groups predicted from the others, with its gradient.

    For rates it is minus their log likelihood, with the precision known up to a factor. For labels
    it is half the log of the squared error with the best slope: calibration finds the slope, and a
    likelihood would reward shrinking the scores rather than ranking well.

    Args:
        kernels: Kernels of the blocks, and of the offsets if rows share groups, (n, n) each.
        evidence: See `evidence`.
        folds: Which fold each row is in, (n,).
        is_label: Whether these are labels.
    """

    def __init__(
        self,
        kernels: Sequence[Array],
        evidence: tuple[Array, Array],
        folds: NDArray[np.int64],
        *,
        is_label: bool,
    ) -> None:
        self._kernels, self._is_label = kernels, is_label
        self._precision, self._goal = evidence
        self._alone = np.diag(1 / np.maximum(self._precision, 1e-6)) + OF_MEAN
        self._folds = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
        start = START / (self._precision.mean() if is_label else 1.0)
        self.centre = np.full(len(kernels), np.log(start))

    def held_back(self, logs: Array) -> float:
        """Penalty on the log variances' distance from their start, in nats."""
        strayed = (logs - self.centre) / PRIOR_DEVIATION
        return float(strayed @ strayed) / 2

    def __call__(self, logs: Array) -> tuple[float, Array]:
        """Loss and gradient at log variances, including their penalty."""
        scales = np.exp(logs)
        covariance = self._alone + sum(
            scale * kernel for scale, kernel in zip(scales, self._kernels, strict=True)
        )
        measure = self._of_labels if self._is_label else self._of_rates
        value, slopes = measure(_inverse(covariance))
        strayed = (logs - self.centre) / PRIOR_DEVIATION
        gradient = scales * np.array([slopes(kernel) for kernel in self._kernels])
        return value + self.held_back(logs), gradient + strayed / PRIOR_DEVIATION

    def _of_rates(self, inverse: Array) -> tuple[float, Callable[[Array], float]]:
        """The loss, and its derivative along a change of the covariance."""
        solved = inverse @ self._goal
        quadratic, log_determinant, count = 0.0, 0.0, len(solved)
        halves, directions = [], []
        for rows in self._folds:
            factor = cho_factor(inverse[np.ix_(rows, rows)], lower=True)
            error = cho_solve(factor, solved[rows])  # of these rows, predicted from the others
            quadratic += float(solved[rows] @ error)
            log_determinant += 2 * float(np.log(np.diag(factor[0])).sum())
            directions.append(inverse[:, rows] @ error)
            halves.append(solve_triangular(factor[0], inverse[rows], lower=True))
        half = np.concatenate(halves)
        spread = half.T @ half  # of all folds at once, in half the products of a general one
        left, noise = np.stack(directions, axis=1), quadratic / count

        def slope(kernel: Array) -> float:
            turned = kernel @ left
            change = (left * turned).sum() - 2 * (solved @ turned).sum()
            return float(change / noise + (spread * kernel).sum()) / 2

        return (count * np.log(noise) - log_determinant) / 2, slope

    def _of_labels(self, inverse: Array) -> tuple[float, Callable[[Array], float]]:
        """As `_of_rates`, for labels."""
        solved = inverse @ self._goal
        factors = [cho_factor(inverse[np.ix_(rows, rows)], lower=True) for rows in self._folds]
        errors = [cho_solve(f, solved[r]) for f, r in zip(factors, self._folds, strict=True)]
        predicted = self._goal.copy()
        for rows, error in zip(self._folds, errors, strict=True):
            predicted[rows] -= error
        weights = self._precision / max(float(self._precision.sum()), 1e-9)
        moved, goal = (values - weights @ values for values in (predicted, self._goal))
        factor = max(float(weights @ (moved * goal)), 0.0) / max(float(weights @ moved**2), 1e-12)
        rest = goal - factor * moved
        square = max(float(weights @ rest**2), 1e-12)
        pulls = [
            inverse[:, rows] @ cho_solve(f, weights[rows] * rest[rows])
            for f, rows in zip(factors, self._folds, strict=True)
        ]
        pushes = [
            inverse[:, rows] @ error - solved
            for rows, error in zip(self._folds, errors, strict=True)
        ]
        pull, push = np.stack(pulls, axis=1), np.stack(pushes, axis=1)
        count = int((self._precision > 0).sum())

        def slope(kernel: Array) -> float:
            return float(count * factor * (pull * (kernel @ push)).sum() / square)

        return count * np.log(square) / 2, slope


def _inverse(covariance: Array) -> Array:
    """Inverts a positive definite matrix by Cholesky, a third of the work of a general inverse."""
    factor, failed = lapack.dpotrf(covariance.T, lower=True)  # the same matrix, as LAPACK has it
    if failed:
        return np.asarray(np.linalg.inv(covariance), np.float64)
    lower, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)  # zeros above the diagonal
    inverse: Array = lower + lower.T
    inverse[np.diag_indices_from(inverse)] /= 2
    return inverse


def choose_strengths(
    kernels: Callable[[Rows], Mapping[str, Array]], outcomes: Outcomes, seed: int
) -> Strengths:
    """Chooses the strengths for each target, from at most `MAX_ROWS` rows.

    Args:
        kernels: Rows -> by block, the products of their features, (rows, rows).
        outcomes: Counts of all fitted rows.
        seed: Determines which groups are drawn, and which are held out together.
    """
    rows = draw_groups(outcomes.groups, MAX_ROWS, seed)
    groups = np.unique(outcomes.groups[rows], return_inverse=True)[1]
    folds = deal_groups(groups, min(FOLDS, int(groups.max()) + 1), seed)
    found = kernels(rows)
    matrices = list(found.values())
    if outcomes.grouped:
        matrices.append((groups[:, None] == groups).astype(np.float64))
    concentration = np.exp(starting_point(outcomes).log_concentration)
    chosen = []
    for target in range(outcomes.trials.shape[1]):
        successes, trials = outcomes.successes[rows, target], outcomes.trials[rows, target]
        left_out = _LeftOut(
            matrices,
            evidence(successes, trials, concentration[target]),
            folds,
            is_label=trials.max() <= 1,
        )
        chosen.append(_chosen(left_out, len(found)))
    logs, gains = np.array([log for log, _ in chosen]), np.array([gain for _, gain in chosen])
    variances, learns = np.exp(logs), gains > MIN_GAIN
    offsets = variances[:, -1] if outcomes.grouped else np.zeros(len(variances))
    blocks = {name: variances[:, column] * learns for column, name in enumerate(found)}
    return Strengths(blocks, offsets, learns)


def _chosen(left_out: _LeftOut, blocks: int) -> tuple[Array, float]:
    """The best log variances, and by how many nats they beat the mean alone."""

    def best(bounds: Sequence[tuple[float, float]]) -> tuple[Array, float]:
        start = np.clip(left_out.centre, *np.array(bounds).T)
        options = {"maxiter": MAX_STEPS}
        found = minimize(
            left_out, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )
        return found.x, float(found.fun) - left_out.held_back(found.x)

    offsets = [BOUNDS] * (len(left_out.centre) - blocks)
    logs, loss = best([BOUNDS] * blocks + offsets)
    nothing = [(BOUNDS[0], BOUNDS[0])] * blocks
    return logs, best(nothing + offsets)[1] - loss
