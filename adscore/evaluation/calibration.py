"""Whether rates come true as predicted, and whether intervals hold as often as they claim."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from adscore.creative import INTERVAL_LEVEL, MIN_RATE
from adscore.evaluation.outcomes import (
    MAX_CONCENTRATION,
    Floats,
    Ints,
    read_concentration,
    read_outcomes,
    sum_by,
)

# Up to here the tail is summed term by term; beyond, both distributions of the integral are
# so close to normal on the logit scale that few nodes do (checked to 1e-6 in the tests).
_MAX_TERMS = 200
_NODES = np.linspace(-9, 9, 73)  # in standard deviations; 0.25 apart
_BLOCK_ROWS = 8192  # keeps the temporary arrays of a block near 13 MB


# === Rates ===


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
    place = bin_by_mass(rows.mean, rows.trials, bins)
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
        seed: Same seed, same result.

    Returns:
        From 0 to 1; None without a trial.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = read_outcomes(mean, np.zeros(len(np.asarray(trials))), trials)
    if not len(rows.trials):
        return None
    rng = np.random.default_rng(seed)
    place = bin_by_mass(rows.mean, rows.trials, bins)
    mass = sum_by(place, rows.trials)
    expected = sum_by(place, rows.trials * rows.mean)
    shape = None
    if concentration is not None:
        spread = np.minimum(read_concentration(concentration, rows.kept), MAX_CONCENTRATION)
        rate = np.clip(rows.mean, MIN_RATE, 1 - MIN_RATE)
        shape = rate * spread, (1 - rate) * spread
    errors = []
    for _ in range(draws):
        rate = rows.mean if shape is None else rng.beta(*shape)
        successes = rng.binomial(rows.trials.astype(np.int64), rate).astype(np.float64)
        errors.append(np.abs(sum_by(place, successes) - expected).sum() / mass.sum())
    return float(np.mean(errors))


def bin_by_mass(mean: Floats, trials: Floats, bins: int = 10) -> Ints:
    """(n,) int64, the bin of each row, numbered from 0 without gaps; see `reliability_curve`."""
    levels, level = np.unique(mean, return_inverse=True)
    mass = sum_by(level, trials, len(levels))
    middle = np.cumsum(mass) - mass / 2
    bin_of_level = np.minimum((bins * middle / mass.sum()).astype(np.int64), bins - 1)
    _, numbered = np.unique(bin_of_level, return_inverse=True)
    place: Ints = numbered[level]
    return place


# === Intervals ===


def interval_coverage(
    mean: ArrayLike,
    concentration: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    level: float = INTERVAL_LEVEL,
) -> float | None:
    """Share of rows whose observed rate lies in its predicted central interval.

    The interval is that of the *observed* rate given the row's trials: of k / trials with
    k ~ BetaBinomial(trials, mean * concentration, (1 - mean) * concentration). Counts are
    discrete, so an interval that holds exactly 90 % seldom exists; a row whose count lies on
    an end counts by the part of its probability inside. That is the mean of the randomised
    PIT over its random number (Czado, Gneiting and Held 2009): a well specified model is
    covered in exactly ``level`` of the rows on average, whatever the trials.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        concentration: (n,) above 0; infinite for a plain binomial.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0. Rows of 0 are left out, and so are rows of 1: the
            observed rate is then 0 or 1, and no interval could be wrong about it.
        level: Probability of the interval, above 0 and below 1.

    Returns:
        From 0 to 1; None where no row has two trials.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    inside = inside_of_rows(mean, concentration, successes, trials, level=level)
    return None if inside is None else float(inside.mean())


def inside_of_rows(
    mean: ArrayLike,
    concentration: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    level: float = INTERVAL_LEVEL,
) -> Floats | None:
    """The same of each row of two trials and more, in order: 1 inside, 0 outside, or a part."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected between 0 and 1. Received: {level}")
    rows = read_outcomes(mean, successes, trials)
    spread = read_concentration(concentration, rows.kept)
    several = rows.trials > 1
    if not several.any():
        return None
    rate = np.clip(rows.mean[several], MIN_RATE, 1 - MIN_RATE)
    spread = np.minimum(spread[several], MAX_CONCENTRATION)
    below, at = beta_binomial_below_and_at(
        rows.successes[several], rows.trials[several], rate * spread, (1 - rate) * spread
    )
    return _part_inside(below, at, (1 - level) / 2)


def beta_binomial_below_and_at(
    count: Floats, trials: Floats, alpha: Floats, beta: Floats
) -> tuple[Floats, Floats]:
    """P(K < count) and P(K = count) of K ~ BetaBinomial(trials, alpha, beta), row by row.

    Absolute error below 1e-4 for alpha + beta up to 1e10 (below 1e-6 up to 1e7);
    the cost of a row does not grow with its trials.

    Args:
        count: (n,) float64 from 0 to trials; parts of one are rounded.
        trials: (n,) float64 whole numbers.
        alpha: (n,) float64 above 0.
        beta: (n,) float64 above 0.

    Returns:
        Two (n,) float64 arrays of probabilities.
    """
    count = np.round(count)
    below = np.empty_like(count)
    at = np.exp(_log_pmf(count, trials, alpha, beta))
    short = np.minimum(count, trials - count) <= _MAX_TERMS
    for chosen, lower_tail in ((short, _sum_of_shorter_tail), (~short, _integral_over_rates)):
        for rows in np.array_split(np.flatnonzero(chosen), 1 + len(count) // _BLOCK_ROWS):
            below[rows] = lower_tail(count[rows], trials[rows], alpha[rows], beta[rows])
    return np.clip(below, 0, 1), at


def _log_pmf(count: Floats, trials: Floats, alpha: Floats, beta: Floats) -> Floats:
    ways = -np.log1p(trials) - special.betaln(trials - count + 1, count + 1)
    log_pmf: Floats = (
        ways + special.betaln(count + alpha, trials - count + beta) - special.betaln(alpha, beta)
    )
    return log_pmf


def _sum_of_shorter_tail(count: Floats, trials: Floats, alpha: Floats, beta: Floats) -> Floats:
    """P(K < count), from the terms below it or from those above it, whichever are fewer."""
    mirrored = trials - count < count
    alpha, beta = np.where(mirrored, beta, alpha), np.where(mirrored, alpha, beta)
    terms = np.where(mirrored, trials - count, count).astype(np.int64)
    row = np.repeat(np.arange(len(terms)), terms)
    term = np.arange(len(row)) - np.repeat(np.cumsum(terms) - terms, terms)
    pmf = np.exp(_log_pmf(term.astype(np.float64), trials[row], alpha[row], beta[row]))
    tail = sum_by(row, pmf, len(terms))
    at = np.exp(_log_pmf(terms.astype(np.float64), trials, alpha, beta))
    below: Floats = np.where(mirrored, 1 - tail - at, tail)
    return below


def _integral_over_rates(count: Floats, trials: Floats, alpha: Floats, beta: Floats) -> Floats:
    """P(K < count) as the comparison of two beta variables.

    K < count says that the count-th smallest of ``trials`` uniform numbers lies above the
    rate, and that number is Beta(count, trials - count + 1): so P(K < count) = P(R < B) with
    R ~ Beta(alpha, beta). The integral runs over the narrower of the two, where the
    distribution function of the other is smooth.
    """
    order_alpha, order_beta = count, trials - count + 1
    rate_narrower = _logit_variance(alpha, beta) < _logit_variance(order_alpha, order_beta)
    nodes, weights = _beta_nodes(
        np.where(rate_narrower, alpha, order_alpha), np.where(rate_narrower, beta, order_beta)
    )
    wide_alpha = np.where(rate_narrower, order_alpha, alpha)
    wide_beta = np.where(rate_narrower, order_beta, beta)
    wide_below = special.betainc(wide_alpha[:, None], wide_beta[:, None], nodes)
    expected = (weights * wide_below).sum(axis=1)
    below: Floats = np.where(rate_narrower, 1 - expected, expected)
    return below


def _beta_nodes(alpha: Floats, beta: Floats) -> tuple[Floats, Floats]:
    """(n, nodes) rates and weights that integrate over Beta(alpha, beta), both large.

    The trapezoidal rule on the logit scale, where the density is smooth and falls off at
    both ends, so that its error vanishes exponentially (Trefethen and Weideman 2014).
    """
    centre = special.digamma(alpha) - special.digamma(beta)
    deviation = np.sqrt(_logit_variance(alpha, beta))
    nodes = special.expit(centre[:, None] + deviation[:, None] * _NODES)
    log_density = alpha[:, None] * np.log(nodes) + beta[:, None] * np.log1p(-nodes)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return nodes, density / density.sum(axis=1, keepdims=True)


def _logit_variance(alpha: Floats, beta: Floats) -> Floats:
    variance: Floats = special.polygamma(1, alpha) + special.polygamma(1, beta)
    return variance


def _part_inside(below: Floats, at: Floats, tail: float) -> NDArray[np.float64]:
    """Part of [below, below + at] inside [tail, 1 - tail], as a share of its length."""
    inside = np.minimum(below + at, 1 - tail) - np.maximum(below, tail)
    # A count of no probability to speak of is a point: inside or outside.
    is_point = at < 1e-9
    point_inside = (below >= tail) & (below <= 1 - tail)
    share = np.clip(inside, 0, None) / np.where(is_point, 1, at)
    return np.where(is_point, point_inside, np.minimum(share, 1))
