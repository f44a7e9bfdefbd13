"""Whether creatives of a predicted rate reach that rate: reliability and its error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adscore.evaluation.outcomes import Floats, Ints, read_outcomes, sum_by


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """Predicted against observed rate, bin by bin in rising order of prediction.

    Attributes:
        predicted: (bins,) float64, mean predicted rate of the bin's trials, from 0 to 1.
        observed: (bins,) float64, successes / trials of the bin, from 0 to 1.
        trials: (bins,) float64, from 1.
        rows: (bins,) int64, creatives in the bin, from 1.
    """

    predicted: Floats
    observed: Floats
    trials: Floats
    rows: Ints


def reliability_curve(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, *, bins: int = 10
) -> ReliabilityCurve | None:
    """Cuts the rows, by predicted rate, into bins that hold about as many trials each.

    Bins of equal mass, since predicted rates crowd in a narrow band that bins of equal width
    would not resolve; mass in trials, since a rate is known as well as its trials are many.
    Rows of one prediction stay in one bin, so the order of rows does not matter.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        bins: Most bins wanted, from 1. Fewer come back where predictions repeat or one row
            has more than a bin's share of the trials; none is empty.

    Returns:
        The curve; None without a trial.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    if bins < 1:
        raise ValueError(f"bins: expected at least 1. Received: {bins}")
    rows = read_outcomes(mean, successes, trials)
    if not len(rows.trials):
        return None
    place = _bin_by_mass(rows.mean, rows.trials, bins)
    mass = sum_by(place, rows.trials)
    predicted = sum_by(place, rows.trials * rows.mean) / mass
    observed = sum_by(place, rows.successes) / mass
    return ReliabilityCurve(predicted, observed, mass, np.bincount(place))


def calibration_error(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, *, bins: int = 10
) -> float | None:
    """Expected calibration error, in units of the rate.

    The mean over trials of |predicted - observed| of their bin, with the bins of
    ``reliability_curve`` (Naeini, Cooper and Hauskrecht 2015, with bins of equal mass). Noise
    in the observed rates only adds to it, so a perfect model on few trials is above 0.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        bins: Most bins wanted, from 1.

    Returns:
        From 0 to 1; None without a trial.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    curve = reliability_curve(mean, successes, trials, bins=bins)
    if curve is None:
        return None
    gap = np.abs(curve.predicted - curve.observed)
    return float(curve.trials @ gap / curve.trials.sum())


def _bin_by_mass(mean: Floats, trials: Floats, bins: int) -> Ints:
    """(n,) int64, the bin of each row, numbered from 0 without gaps."""
    levels, level = np.unique(mean, return_inverse=True)
    mass = sum_by(level, trials, len(levels))
    middle = np.cumsum(mass) - mass / 2
    bin_of_level = np.minimum((bins * middle / mass.sum()).astype(np.int64), bins - 1)
    _, numbered = np.unique(bin_of_level, return_inverse=True)
    place: Ints = numbered[level]
    return place
