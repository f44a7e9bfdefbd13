"""Ranking over all rows: area under the ROC curve, and the lift curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adscore.evaluation.outcomes import Floats, Outcomes, read_outcomes, sum_by


def auc(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float | None:
    """Probability that a random success was predicted above a random failure, ties half.

    Each row holds as many positives as successes and as many negatives as failures. This is
    the Mann-Whitney statistic of the trials, exact, in O(n log n).

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.

    Returns:
        From 0 to 1; None where there is no success or no failure.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    positives, negatives = _counts_by_prediction(read_outcomes(mean, successes, trials))
    if not positives.sum() or not negatives.sum():
        return None
    negatives_below = np.cumsum(negatives) - negatives
    beaten = positives @ (negatives_below + negatives / 2)
    return float(beaten / positives.sum() / negatives.sum())


@dataclass(frozen=True, slots=True)
class LiftCurve:
    """Successes gained by showing the best predicted creatives first.

    Attributes:
        trials_share: (points,) float64, share of all trials, rising from 0 to 1.
        successes_share: (points,) float64, share of all successes among them, from 0 to 1.
    """

    trials_share: Floats
    successes_share: Floats

    @property
    def lift(self) -> Floats:
        """(points - 1,) float64: rate of the best share over the overall rate, from share > 0."""
        ratio: Floats = self.successes_share[1:] / self.trials_share[1:]
        return ratio


def lift_curve(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, *, points: int = 101
) -> LiftCurve | None:
    """Cumulative gains of the rows in falling order of prediction.

    Rows of one prediction enter together, as a straight segment: what a random order among
    them gives on average.

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        points: Length of the curve, from 2; evenly spaced in trials.

    Returns:
        The curve; None without a success.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    if points < 2:
        raise ValueError(f"points: expected at least 2. Received: {points}")
    positives, negatives = _counts_by_prediction(read_outcomes(mean, successes, trials))
    if not positives.sum():
        return None
    gained = np.concatenate([[0.0], np.cumsum(positives[::-1])])
    shown = np.concatenate([[0.0], np.cumsum((positives + negatives)[::-1])])
    share = np.linspace(0, 1, points)
    return LiftCurve(share, np.interp(share, shown / shown[-1], gained / gained[-1]))


def _counts_by_prediction(rows: Outcomes) -> tuple[Floats, Floats]:
    """Successes and failures of each distinct prediction, in rising order of prediction."""
    levels, level = np.unique(rows.mean, return_inverse=True)
    successes = sum_by(level, rows.successes, len(levels))
    failures = sum_by(level, rows.trials - rows.successes, len(levels))
    return successes, failures
