import numpy as np
import pytest
from scipy.special import expit, gammaln, logsumexp
from scipy.stats import betabinom, norm

from adscore.training.likelihood import (
    Outcomes,
    grouped_log_likelihood,
    log_likelihood,
    starting_point,
)


def draw_counts(
    rng: np.random.Generator, logit: np.ndarray, concentration: float, trials: np.ndarray
) -> np.ndarray:
    mean = expit(logit)
    return rng.binomial(trials, rng.beta(mean * concentration, (1 - mean) * concentration))


def test_log_likelihood_is_scipys_without_its_coefficient() -> None:
    trials, successes, concentration = np.array([0, 1, 50, 9_000]), np.array([0, 1, 3, 70]), 200.0
    mean = expit(-3.0)
    expected = betabinom.logpmf(successes, trials, mean * concentration, (1 - mean) * concentration)
    expected -= gammaln(trials + 1) - gammaln(successes + 1) - gammaln(trials - successes + 1)
    received = log_likelihood(np.array(-3.0), np.log(concentration), successes, trials)
    np.testing.assert_allclose(received, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("log_concentration", "most_trials"),
    [(2.0, 20), (5.0, 1_000), (9.0, 50_000), (14.0, 3_000_000)],
)
def test_grouped_log_likelihood_is_the_integral_over_offsets(
    log_concentration: float, most_trials: int
) -> None:
    rng = np.random.default_rng(2)
    groups = np.array([0, 0, 0, 2, 2, 1])  # of unequal sizes
    logit = rng.normal(-3.0, 0.5, (6, 2))
    offset = np.array([0.4, -1.2, 2.1])[groups]
    trials = rng.integers(1, most_trials, (6, 2), endpoint=True)
    successes = draw_counts(rng, logit + offset[:, None], np.exp(log_concentration), trials)
    spread = np.full_like(logit, log_concentration)
    expected = sum(
        log_integral(logit[rows, t], spread[rows, t], successes[rows, t], trials[rows, t])
        for rows in (groups == 0, groups == 1, groups == 2)
        for t in range(2)
    )
    outcomes = Outcomes(successes, trials, groups, grouped=True)
    received = grouped_log_likelihood(logit, spread, outcomes)
    assert received == pytest.approx(expected, abs=1e-4)


def log_integral(
    logit: np.ndarray, spread: np.ndarray, successes: np.ndarray, trials: np.ndarray
) -> float:
    """Log of the integral over one group's offset, by the trapezoidal rule on 300,001 nodes."""
    offset = np.linspace(-6, 6, 300_001)
    by_row = log_likelihood(
        logit[:, None] + offset, spread[:, None], successes[:, None], trials[:, None]
    )
    return float(logsumexp(by_row.sum(axis=0) + norm.logpdf(offset)) + np.log(12 / 300_000))


@pytest.mark.parametrize("concentration", [50.0, 3_000.0])
def test_starting_point_finds_a_known_spread_inside_groups(concentration: float) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 20)
    campaign = rng.normal(-4.0, 0.8, 60)[groups]
    trials = rng.integers(5_000, 50_000, len(groups))
    successes = draw_counts(rng, campaign, concentration, trials)
    start = starting_point(Outcomes(successes[:, None], trials[:, None], groups, grouped=True))
    # 1,200 rows know a log concentration to sqrt(2 / 1200) = 0.04; the groups' own rates, which
    # are taken from the same rows, add 1 / 20.
    assert start.log_concentration[0] == pytest.approx(np.log(concentration), abs=0.2)
    assert start.logit[0] == pytest.approx(np.log(successes.sum() / (trials - successes).sum()))


def test_starting_point_without_groups_counts_all_spread() -> None:
    rng = np.random.default_rng(0)
    trials = np.full((2_000, 2), 10_000)
    successes = np.stack(
        [draw_counts(rng, np.full(2_000, -2.0), spread, trials[:, 0]) for spread in (30.0, 900.0)],
        axis=1,
    )
    start = starting_point(Outcomes(successes, trials, np.arange(2_000), grouped=False))
    np.testing.assert_allclose(start.log_concentration, np.log([30.0, 900.0]), atol=0.12)
    np.testing.assert_allclose(start.logit, -2.0, atol=0.05)


def test_starting_point_bears_groups_of_none_and_of_all() -> None:
    groups = np.repeat(np.arange(3), 4)
    trials = np.full((12, 1), 5)
    successes = np.repeat([0, 5, 2], 4)[:, None]
    start = starting_point(Outcomes(successes, trials, groups, grouped=True))
    assert np.isfinite(start.logit).all()
    assert np.isfinite(start.log_concentration).all()
