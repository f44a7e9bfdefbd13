"""The noise ceiling, and the spread it rests on, against simulations of known truth."""

import numpy as np
import pytest

from adscore.evaluation import evidence_curve, pairwise_metrics
from adscore.evaluation.true_rates import fit_spread, infer_true_rates


def simulate(spread, trials, group, rate=0.02, seed=0):
    """True rates drawn around one rate a group with CV² = spread; counts drawn from them."""
    rng = np.random.default_rng(seed)
    centre = (rate * np.exp(rng.normal(0, 0.5, group.max() + 1)))[group]
    truth = rng.gamma(1 / spread, centre * spread).clip(1e-9, 0.9)
    return truth, rng.binomial(trials, truth)


@pytest.mark.parametrize("spread", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("least_trials", [150, 3000])
def test_noise_ceiling_is_the_accuracy_of_the_truth(spread, least_trials):
    group = np.repeat(np.arange(2500), 5)
    trials = np.round(
        least_trials * np.exp(np.random.default_rng(1).exponential(0.7, len(group)))
    ).astype(int)
    truth, successes = simulate(spread, trials, group)
    metrics = pairwise_metrics(truth, successes, trials, group)
    assert metrics.noise_ceiling == pytest.approx(metrics.accuracy, abs=0.015)


def test_noise_ceiling_of_one_large_group():
    group = np.zeros(1500, dtype=int)
    trials = np.full(1500, 2000)
    truth, successes = simulate(0.1, trials, group)
    metrics = pairwise_metrics(truth, successes, trials, group)
    assert metrics.noise_ceiling == pytest.approx(metrics.accuracy, abs=0.015)


def test_noise_ceiling_holds_when_effects_are_normal_on_the_logit_scale():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(1000), 6)
    logit = rng.normal(-1, 1, 1000)[group] + rng.normal(0, 0.8, len(group))
    truth = 1 / (1 + np.exp(-logit))
    trials = rng.integers(5, 300, len(group))
    metrics = pairwise_metrics(truth, rng.binomial(trials, truth), trials, group)
    assert metrics.noise_ceiling == pytest.approx(metrics.accuracy, abs=0.015)


def test_noise_ceiling_follows_the_evidence():
    group = np.repeat(np.arange(3000), 5)
    trials = np.full(len(group), 3000)
    truth, successes = simulate(0.05, trials, group)
    curve = evidence_curve(truth, successes, trials, group, edges=(1.0, 2.0, 3.0))
    assert curve.noise_ceiling == pytest.approx(curve.accuracy, abs=0.025)
    assert (np.diff(curve.noise_ceiling) > 0).all()


def test_noise_ceiling_without_true_differences_is_near_a_coin():
    group = np.repeat(np.arange(2000), 5)
    successes = np.random.default_rng(3).binomial(3000, 0.02, len(group))
    mean, trials = np.full(len(group), 0.02), np.full(len(group), 3000)
    metrics = pairwise_metrics(mean, successes, trials, group)
    assert 0.5 <= metrics.noise_ceiling < 0.57
    assert metrics.accuracy == 0.5


def test_noise_ceiling_of_abundant_trials_is_near_one():
    group = np.repeat(np.arange(100), 5)
    trials = np.full(len(group), 50_000_000)
    truth, successes = simulate(0.3, trials, group)
    assert pairwise_metrics(truth, successes, trials, group).noise_ceiling > 0.995


def test_noise_ceiling_is_none_where_every_row_has_one_trial():
    metrics = pairwise_metrics([0.1, 0.2, 0.3, 0.4], [0, 1, 1, 0], [1] * 4, [0] * 4)
    assert metrics.pairs == 4
    assert metrics.noise_ceiling is None
    assert evidence_curve([0.1, 0.2], [0, 1], [1, 1], [0, 0]).noise_ceiling is None


def test_one_creative_with_all_successes_of_a_large_group():
    successes = np.array([10**6] + [0] * 999)
    metrics = pairwise_metrics(np.full(1000, 0.1), successes, np.full(1000, 10**6), [0] * 1000)
    assert metrics.pairs == 999
    assert 0.8 < metrics.noise_ceiling <= 1


def draw_beta(spread, trials, group, rate, seed):
    rng = np.random.default_rng(seed)
    truth = rng.beta(1 / (spread * (1 - rate)), 1 / (spread * rate), len(group))
    return rng.binomial(trials, truth).astype(float), trials.astype(float), group


@pytest.mark.parametrize(
    ("rate", "trials", "groups"), [(0.01, 100, 5000), (0.02, 3000, 1000), (0.7, 200, 1000)]
)
def test_spread_is_recovered(rate, trials, groups):
    group = np.repeat(np.arange(groups), 5)
    each = np.full(len(group), trials)
    fits = [fit_spread(*draw_beta(0.3, each, group, rate, seed)) for seed in range(3)]
    # A variance per spread of (m (1 - m))² is first order: at 0.7 the beta has 6 % less.
    assert np.mean(fits) == pytest.approx(0.3, rel=0.1)


def test_spread_is_recovered_from_rows_of_very_different_size():
    group = np.repeat(np.arange(6040), 5)
    trials = np.where(group < 40, 10**6, 30)
    fits = [fit_spread(*draw_beta(0.1, trials, group, 0.02, seed)) for seed in range(4)]
    assert np.mean(fits) == pytest.approx(0.1, rel=0.15)


def test_few_trials_are_not_taken_for_spread():
    group = np.repeat(np.arange(10_000), 3)
    trials = np.full(len(group), 2)
    successes = np.random.default_rng(0).binomial(trials, 0.3)
    assert fit_spread(successes.astype(float), trials.astype(float), group) < 0.2


def test_spread_needs_a_group_of_two_rows():
    counts = np.array([1.0, 5.0, 7.0]), np.array([10.0, 20.0, 30.0])
    assert fit_spread(*counts, np.arange(3)) is None
    assert fit_spread(*counts, np.zeros(3, dtype=int)) is not None


def test_true_rates_of_failures_mirror_those_of_successes():
    group = np.repeat(np.arange(200), 4)
    trials = np.random.default_rng(0).integers(5, 200, len(group))
    successes, trials, group = draw_beta(0.5, trials, group, 0.85, seed=0)
    hits = infer_true_rates(successes, trials, group)
    misses = infer_true_rates(trials - successes, trials, group)
    assert hits.logit == pytest.approx(-misses.logit, rel=1e-3, abs=1e-3)
    assert hits.variance == pytest.approx(misses.variance, rel=1e-3)
