"""Pairwise accuracy against its definition, and the noise ceiling against a known truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.evaluation import evidence_curve, pairs, pairwise_metrics

ROWS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 50), st.integers(0, 50), st.sampled_from("ab")),
    max_size=12,
)


def unpack(rows):
    mean = np.array([m / 10 for m, _, _, _ in rows])
    successes = np.array([s for _, s, _, _ in rows], dtype=int)
    trials = successes + np.array([f for _, _, f, _ in rows], dtype=int)
    return mean, successes, trials, np.array([g for _, _, _, g in rows], dtype=object)


def pairs_by_definition(mean, successes, trials, group):
    """(|z|, score) of every pair of one group with different observed rates."""
    found = []
    for i in range(len(mean)):
        for j in range(i):
            if group[i] != group[j] or not trials[i] or not trials[j]:
                continue
            cross = int(successes[i]) * int(trials[j]) - int(successes[j]) * int(trials[i])
            if cross == 0:
                continue
            pooled = (successes[i] + successes[j]) / (trials[i] + trials[j])
            error = math.sqrt(pooled * (1 - pooled) * (1 / trials[i] + 1 / trials[j]))
            z = abs(successes[i] / trials[i] - successes[j] / trials[j]) / error
            agreement = np.sign(mean[i] - mean[j]) * np.sign(cross)
            found.append((z, (1 + agreement) / 2))
    return found


@given(ROWS)
def test_accuracy_is_that_of_all_pairs(rows):
    data = unpack(rows)
    expected = pairs_by_definition(*data)
    significant = [score for z, score in expected if z > 1.96]
    metrics = pairwise_metrics(*data)
    assert metrics.pairs == len(expected)
    assert metrics.pairs_significant == len(significant)
    if expected:
        assert metrics.accuracy == pytest.approx(np.mean([score for _, score in expected]))
    if significant:
        assert metrics.accuracy_significant == pytest.approx(np.mean(significant))
    else:
        assert metrics.accuracy_significant is None


@given(ROWS)
def test_evidence_curve_splits_the_same_pairs(rows):
    data = unpack(rows)
    expected = pairs_by_definition(*data)
    curve = evidence_curve(*data, edges=(1.0, 3.0))
    assert (curve.pairs > 0).all()
    assert curve.pairs.sum() == len(expected)
    for lower, upper, accuracy in zip(curve.lower, curve.upper, curve.accuracy, strict=True):
        scores = [score for z, score in expected if lower < z <= upper]
        assert accuracy == pytest.approx(np.mean(scores))


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 7, 120)
    trials = rng.integers(0, 400, 120)
    data = rng.random(120).round(1), rng.binomial(trials, 0.2), trials, group
    whole = pairwise_metrics(*data)
    monkeypatch.setattr(pairs, "_BLOCK_PAIRS", 5)
    blocked = pairwise_metrics(*data)
    assert blocked.pairs == whole.pairs > 500
    assert blocked.accuracy == whole.accuracy
    assert blocked.noise_ceiling == pytest.approx(whole.noise_ceiling)


def test_rows_without_a_group_form_no_pair():
    missing = [None, None, math.nan, float("nan"), "a", "a"]
    group = np.array(missing, dtype=object)
    metrics = pairwise_metrics(np.linspace(0.1, 0.6, 6), np.arange(6), np.full(6, 10), group)
    assert metrics.pairs == 1
    numbers = np.array([np.nan, np.nan, 3.0, 3.0])
    assert pairwise_metrics([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], [9] * 4, numbers).pairs == 1


def test_labels_of_mixed_kinds_are_accepted():
    group = np.array(["a", 1, "a", 1], dtype=object)
    assert pairwise_metrics([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], [9] * 4, group).pairs == 2


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


def test_falling_edges_are_refused():
    with pytest.raises(ValueError, match="edges: expected rising"):
        evidence_curve([0.1], [0], [1], ["a"], edges=(2.0, 1.0))
