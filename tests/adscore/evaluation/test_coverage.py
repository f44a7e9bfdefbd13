"""The beta-binomial interval: its probabilities, and its coverage on known truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adscore.evaluation import interval_coverage
from adscore.evaluation.calibration import beta_binomial_below_and_at


def below_and_at(count, trials, alpha, beta):
    arrays = np.broadcast_arrays(
        *(np.atleast_1d(x).astype(float) for x in (count, trials, alpha, beta))
    )
    return beta_binomial_below_and_at(*arrays)


@pytest.mark.parametrize("alpha", [0.05, 1.0, 30.0, 5e4])
@pytest.mark.parametrize("beta", [0.3, 4.0, 900.0, 1e6])
@pytest.mark.parametrize("trials", [2, 50, 1500])
def test_probabilities_are_those_of_scipy(alpha, beta, trials):
    count = np.unique(np.linspace(0, trials, 40).round())
    below, at = below_and_at(count, trials, alpha, beta)
    law = stats.betabinom(trials, alpha, beta)
    assert at == pytest.approx(law.pmf(count), abs=1e-8)
    assert below == pytest.approx(law.cdf(count - 1), abs=1e-6)


@pytest.mark.parametrize("concentration", [0.4, 50.0, 2e4, 1e7])
def test_probabilities_of_many_trials_are_the_sum_of_their_terms(concentration):
    trials = 60_000
    count = np.arange(trials + 1)
    below, at = below_and_at(count, trials, 0.3 * concentration, 0.7 * concentration)
    assert at.sum() == pytest.approx(1, abs=1e-7)
    assert below == pytest.approx(np.concatenate([[0], np.cumsum(at)[:-1]]), abs=1e-6)


def test_large_concentration_is_a_binomial():
    trials, mean = 3_000_000, 0.02
    count = np.round(trials * mean + np.linspace(-3, 3, 7) * np.sqrt(trials * mean))
    below, at = below_and_at(count, trials, mean * 1e10, (1 - mean) * 1e10)
    law = stats.binom(trials, mean)
    assert below == pytest.approx(law.cdf(count - 1), abs=2e-4)
    assert at == pytest.approx(law.pmf(count), rel=2e-3)


@pytest.mark.parametrize("concentration", [5.0, 400.0, 30_000.0])
@pytest.mark.parametrize("trials", [(2, 6), (50, 5_000), (10**5, 10**8)])
def test_well_specified_model_covers_its_level(concentration, trials):
    rng = np.random.default_rng(0)
    mean = rng.beta(3, 60, 20_000)
    counts = np.exp(rng.uniform(np.log(trials[0]), np.log(trials[1]), len(mean))).astype(int)
    rate = rng.beta(mean * concentration, (1 - mean) * concentration)
    successes = rng.binomial(counts, rate)
    spread = np.full(len(mean), concentration)
    assert interval_coverage(mean, spread, successes, counts) == pytest.approx(0.9, abs=0.008)
    half = interval_coverage(mean, spread, successes, counts, level=0.5)
    assert half == pytest.approx(0.5, abs=0.015)


def test_false_certainty_and_false_doubt_show():
    rng = np.random.default_rng(1)
    mean = np.full(5000, 0.05)
    rate = rng.beta(0.05 * 200, 0.95 * 200, 5000)
    trials = np.full(5000, 10_000)
    successes = rng.binomial(trials, rate)
    assert interval_coverage(mean, mean * 0 + 2000, successes, trials) < 0.5
    assert interval_coverage(mean, mean * 0 + np.inf, successes, trials) < 0.3
    assert interval_coverage(mean, mean * 0 + 20, successes, trials) > 0.98
    assert interval_coverage(mean / 2, mean * 0 + 200, successes, trials) < 0.7


def test_count_on_an_end_counts_by_its_part_inside():
    # K ~ BetaBinomial(2, 1, 1) is 0, 1 or 2, a third each: the interval [0.05, 0.95] of the
    # distribution function leaves out 0.05 of the first third and of the last.
    row = [0.5], [2.0]
    assert interval_coverage(*row, [0], [2]) == pytest.approx((1 / 3 - 0.05) * 3)
    assert interval_coverage(*row, [1], [2]) == pytest.approx(1)
    assert interval_coverage(*row, [2], [2]) == pytest.approx((1 / 3 - 0.05) * 3)


def test_rows_of_one_trial_are_left_out():
    assert interval_coverage([0.5, 0.5], [2.0, 2.0], [1, 1], [2, 1]) == pytest.approx(1)
    assert interval_coverage([0.5, 0.5], [2.0, 2.0], [0, 1], [0, 1]) is None


@given(
    st.floats(0, 1),
    st.one_of(st.floats(1e-6, 1e15), st.just(np.inf)),
    st.integers(2, 10**9),
    st.floats(0, 1),
)
def test_any_row_gives_a_share(mean, concentration, trials, part):
    covered = interval_coverage([mean], [concentration], [int(part * trials)], [trials])
    assert 0 <= covered <= 1


@given(st.integers(2, 2000), st.floats(0, 1), st.floats(0.01, 0.99), st.floats(0.1, 1e5))
def test_successes_and_failures_are_treated_alike(trials, part, mean, concentration):
    successes = int(part * trials)
    ahead = interval_coverage([mean], [concentration], [successes], [trials])
    mirrored = interval_coverage([1 - mean], [concentration], [trials - successes], [trials])
    assert ahead == pytest.approx(mirrored, abs=1e-4)


def test_impossible_level_is_refused():
    with pytest.raises(ValueError, match="level: expected between 0 and 1"):
        interval_coverage([0.5], [1.0], [1], [2], level=1.0)
