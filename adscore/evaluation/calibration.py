"""Whether creatives of a predicted rate reach that rate: reliability and its error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adscore.evaluation.outcomes import (
    Floats,
    Ints,
    read_concentration,
    read_outcomes,
    sum_by,
)

# As in adscore.evaluation.coverage: beyond these, the distribution has no numbers.
_LEAST_RATE = 1e-12
_MOST_CONCENTRATION = 1e10


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


def perfect_calibration_error(
    mean: ArrayLike,
    trials: ArrayLike,
    *,
    concentration: ArrayLike | None = None,
    bins: int = 10,
    draws: int = 200,
    seed: int = 0,
) -> float | None:
    """The ``calibration_error`` to expect of these predictions if they were exactly right.

    Simulated: successes are drawn from the predictions, again and again, and each draw's error
    is that of a perfect model. It is what noise alone adds up to, so an aim below it cannot be
    reached on rows of so few trials. Rows are drawn one by one; what the rows of a campaign have
    in common would add to it.

    Args:
        mean: (n,) predicted rate, from 0 to 1, taken for the truth.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        concentration: (n,) above 0, of the beta distribution that each row's rate is drawn
            from; None or infinite: the rate is the mean itself.
        bins: Most bins wanted, from 1.
        draws: Simulated tables, from 1; 200 give the mean to about 2 % of itself.
        seed: Same seed, same figure.

    Returns:
        From 0 to 1; None without a trial.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = read_outcomes(mean, np.zeros(len(np.asarray(trials))), trials)
    if not len(rows.trials):
        return None
    rng = np.random.default_rng(seed)
    place = _bin_by_mass(rows.mean, rows.trials, bins)
    mass = sum_by(place, rows.trials)
    expected = sum_by(place, rows.trials * rows.mean)
    shape = None
    if concentration is not None:
        spread = np.minimum(read_concentration(concentration, rows.kept), _MOST_CONCENTRATION)
        rate = np.clip(rows.mean, _LEAST_RATE, 1 - _LEAST_RATE)
        shape = rate * spread, (1 - rate) * spread
    errors = []
    for _ in range(draws):
        rate = rows.mean if shape is None else rng.beta(*shape)
        successes = rng.binomial(rows.trials.astype(np.int64), rate).astype(np.float64)
        errors.append(np.abs(sum_by(place, successes) - expected).sum() / mass.sum())
    return float(np.mean(errors))


def _bin_by_mass(mean: Floats, trials: Floats, bins: int) -> Ints:
    """(n,) int64, the bin of each row, numbered from 0 without gaps."""
    levels, level = np.unique(mean, return_inverse=True)
    mass = sum_by(level, trials, len(levels))
    middle = np.cumsum(mass) - mass / 2
    bin_of_level = np.minimum((bins * middle / mass.sum()).astype(np.int64), bins - 1)
    _, numbered = np.unique(bin_of_level, return_inverse=True)
    place: Ints = numbered[level]
    return place
