"""Pairwise accuracy and its evidence curve, against their definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.evaluation import evidence_curve, pairwise_metrics, ranking

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


def test_evidence_on_an_edge_belongs_below_it():
    # 0 of 2 against 2 of 2: pooled rate 1/2, standard error 1/2, so z is exactly 2.
    curve = evidence_curve([0.1, 0.2], [0, 2], [2, 2], ["a", "a"], edges=(2.0,))
    assert (curve.lower.tolist(), curve.upper.tolist()) == ([0.0], [2.0])


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 7, 120)
    trials = rng.integers(0, 400, 120)
    data = rng.random(120).round(1), rng.binomial(trials, 0.2), trials, group
    whole = pairwise_metrics(*data)
    monkeypatch.setattr(ranking, "_BLOCK_PAIRS", 5)
    blocked = pairwise_metrics(*data)
    assert blocked.pairs == whole.pairs > 500
    assert blocked.accuracy == whole.accuracy
    assert blocked.noise_ceiling == pytest.approx(whole.noise_ceiling)


def test_rows_without_a_group_form_no_pair():
    missing = [None, None, math.nan, math.nan, "a", "a"]
    group = np.array(missing, dtype=object)
    metrics = pairwise_metrics(np.linspace(0.1, 0.6, 6), np.arange(6), np.full(6, 10), group)
    assert metrics.pairs == 1
    numbers = np.array([np.nan, np.nan, 3.0, 3.0])
    assert pairwise_metrics([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], [9] * 4, numbers).pairs == 1


def test_labels_of_mixed_kinds_are_accepted():
    group = np.array(["a", 1, "a", 1], dtype=object)
    assert pairwise_metrics([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], [9] * 4, group).pairs == 2


def test_falling_edges_are_refused():
    with pytest.raises(ValueError, match="edges: expected rising"):
        evidence_curve([0.1], [0], [1], ["a"], edges=(2.0, 1.0))
