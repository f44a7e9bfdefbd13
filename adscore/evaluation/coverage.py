"""Whether the 90 % interval of the observed rate holds: coverage of the beta-binomial."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from adscore.evaluation.outcomes import Floats, read_concentration, read_outcomes, sum_by

# Above it a beta-binomial is told from a binomial by less than trials / 1e10 of its variance,
# and the logarithms of gamma functions still keep 1e-4.
_MOST_CONCENTRATION = 1e10
_LEAST_RATE = 1e-12  # a mean of exactly 0 or 1 has no beta distribution
# Up to here the tail is summed term by term; beyond, both distributions of the integral are
# so close to normal on the logit scale that few nodes do (checked to 1e-6 in the tests).
_MOST_TERMS = 200
_NODES = np.linspace(-9, 9, 73)  # in standard deviations; 0.25 apart
_BLOCK_ROWS = 8192  # keeps the temporary arrays of a block near 13 MB


def interval_coverage(
    mean: ArrayLike,
    concentration: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    level: float = 0.9,
) -> float | None:
    """Share of rows whose observed rate lies in the central interval predicted for it.

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
    if not 0 < level < 1:
        raise ValueError(f"level: expected between 0 and 1. Received: {level}")
    rows = read_outcomes(mean, successes, trials)
    spread = read_concentration(concentration, rows.kept)
    several = rows.trials > 1
    if not several.any():
        return None
    rate = np.clip(rows.mean[several], _LEAST_RATE, 1 - _LEAST_RATE)
    spread = np.minimum(spread[several], _MOST_CONCENTRATION)
    below, at = beta_binomial_below_and_at(
        rows.successes[several], rows.trials[several], rate * spread, (1 - rate) * spread
    )
    return float(_part_inside(below, at, (1 - level) / 2).mean())


def beta_binomial_below_and_at(
    count: Floats, trials: Floats, alpha: Floats, beta: Floats
) -> tuple[Floats, Floats]:
    """P(K < count) and P(K = count) of K ~ BetaBinomial(trials, alpha, beta), row by row.

    Absolute error below 1e-4 for alpha + beta up to 1e10 (below 1e-6 up to 1e7);
    the cost of a row does not grow with its trials.

    Args:
        count: (n,) float64 whole numbers from 0 to trials.
        trials: (n,) float64 whole numbers.
        alpha: (n,) float64 above 0.
        beta: (n,) float64 above 0.

    Returns:
        Two (n,) float64 arrays of probabilities.
    """
    below = np.empty_like(count)
    at = np.exp(_log_pmf(count, trials, alpha, beta))
    short = np.minimum(count, trials - count) <= _MOST_TERMS
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
