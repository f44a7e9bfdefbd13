"""Estimates the errors of predictions for unseen groups, from which decisions start."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from adscore.bundle import Spread
from adscore.decision import Evidence, find_posterior, sloped

Array = NDArray[np.float64]
Item = TypeVar("Item")

# With fewer groups with trials, the spread between groups is too uncertain.
MIN_GROUPS = 8
# More groups, or rows per group, cost time and change the spreads by less than their uncertainty.
MAX_GROUPS = 1_500
MAX_ROWS = 40
# Centre of a weak log-normal prior on the spreads, in logits. It matters only where the counts are
# inconclusive, such as for the parts of each spread if no group has two rows.
TYPICAL = Spread(between_groups=0.5, residual=0.25)
_PRIOR_DEVIATION = 1.0
_SLOPE_DEVIATION = 0.5  # standard deviation of a normal prior around 1
_MAX_SLOPE = 2.0
_START_STEP = 0.7
_BLOCK = 128


def estimate_spread(
    logits: Array, trials: Array, successes: Array, groups: NDArray[np.int64]
) -> Spread | None:
    """Finds the maximum a posteriori spreads of held-out predictions, net of binomial noise.

    Args:
        logits: Predicted logits of rows that the model was not fitted to, (rows,).
        trials: Trials of these rows, (rows,).
        successes: Successes of these rows, (rows,).
        groups: Number of each row's group, (rows,).

    Returns:
        The spreads, in logits; None if too few groups have trials.
    """
    blocks = list(_blocks(logits, trials, successes, groups))
    if sum(len(block[0]) for block in blocks) < MIN_GROUPS:
        return None
    middle = np.log([TYPICAL.between_groups, TYPICAL.residual])

    def spread_of(parameters: Array) -> Spread:
        between, residual = np.exp(np.clip(parameters[:2], np.log(0.01), np.log(5))).tolist()
        slope = float(np.clip(parameters[2], 0, _MAX_SLOPE))
        return Spread(round(between, 4), round(residual, 4), round(slope, 4))

    def loss(parameters: Array) -> float:
        spread = spread_of(parameters)
        prior = (((parameters[:2] - middle) / _PRIOR_DEVIATION) ** 2).sum() / 2
        prior += ((parameters[2] - 1) / _SLOPE_DEVIATION) ** 2 / 2
        return float(prior) - sum(_log_likelihood(block, spread) for block in blocks)

    start = np.array([*middle, 1.0])
    steps = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [0, 0, -0.5]])
    options = {"initial_simplex": start + _START_STEP * steps, "xatol": 0.01, "fatol": 0.01}
    found = minimize(loss, start, method="Nelder-Mead", options={**options, "maxfev": 160})
    return spread_of(found.x)


def _blocks(
    logits: Array, trials: Array, successes: Array, groups: NDArray[np.int64]
) -> Iterator[Array]:
    """Yields groups of equal size together: logits, trials and successes, (3, groups, rows)."""
    tried = np.flatnonzero(trials > 0)
    tried = tried[np.argsort(groups[tried], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[tried], prepend=-1))
    members = [rows.tolist() for rows in np.split(tried, starts[1:])] if tried.size else []
    members = [_thinned(rows, MAX_ROWS) for rows in _thinned(members, MAX_GROUPS)]
    columns = np.stack([logits, trials, successes])
    for size in sorted({len(rows) for rows in members}):
        yield columns[:, np.array([rows for rows in members if len(rows) == size])]


def _thinned(items: list[Item], limit: int) -> list[Item]:
    """At most `limit` items, evenly spread."""
    chosen = np.linspace(0, len(items) - 1, min(limit, len(items))).round().astype(int)
    return [items[place] for place in chosen.tolist()]


def _log_likelihood(block: Array, spread: Spread) -> float:
    total = 0.0
    for start in range(0, block.shape[1], _BLOCK):
        logits, trials, successes = block[:, start : start + _BLOCK]
        evidence = Evidence(
            logits=sloped(logits, spread.slope),
            residual=np.full_like(logits, spread.residual),
            between=np.full(len(logits), spread.between_groups),
            trials=trials,
            successes=successes,
        )
        total += float(find_posterior(evidence).log_evidence.sum())
    return total
