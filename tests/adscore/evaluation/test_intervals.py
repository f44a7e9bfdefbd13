"""Intervals of metrics: as wide as chance makes them, and none of few groups."""

import numpy as np

from adscore.evaluation import evaluate_agreement, evaluate_target
from adscore.evaluation.intervals import MIN_UNITS, metric_intervals

NAMES = {
    "log_loss", "deviance_explained", "auc", "pairwise_accuracy", "pairwise_accuracy_significant",
    "calibration_error", "interval_coverage",
}  # fmt: skip


def log_of(groups, seed, size=6):
    """Predictions as good as the truth, and counts."""
    rng = np.random.default_rng(seed)
    mean = 1 / (1 + np.exp(4 - rng.normal(0, 0.4, groups * size)))
    trials = rng.integers(2_000, 20_000, groups * size)
    rate = rng.beta(mean * 800, (1 - mean) * 800)
    counts = mean, rng.binomial(trials, rate), trials
    return counts, {
        "concentration": np.full(len(mean), 800.0),
        "group": np.arange(len(mean)) // size,
    }


def test_every_metric_lies_inside_its_interval():
    counts, others = log_of(40, seed=0)
    metrics = evaluate_target(*counts, **others).values
    found = metric_intervals(*counts, **others)
    assert found.keys() == NAMES
    for name, (lower, upper) in found.items():
        assert lower <= metrics[name] <= upper
        assert lower < upper


def test_nine_intervals_of_ten_hold_what_endless_groups_would_give():
    """Of 60 tables each interval misses 6, give or take 2.3; 15 are beyond chance."""
    counts, others = log_of(1_000, seed=1)
    expected = evaluate_target(*counts, **others).values
    misses = dict.fromkeys(NAMES - {"calibration_error"}, 0)
    for seed in range(60):
        counts, others = log_of(25, seed=100 + seed)
        found = metric_intervals(*counts, **others)
        for name in misses:
            misses[name] += not found[name][0] <= expected[name] <= found[name][1]
    assert max(misses.values()) < 15, misses


def test_a_perfect_model_may_have_no_calibration_error():
    counts, others = log_of(40, seed=2)
    lower, _ = metric_intervals(*counts, **others)["calibration_error"]
    assert lower < 0.2 * evaluate_target(*counts, **others).calibration_error


def test_few_groups_and_few_pairs_have_no_interval():
    counts, others = log_of(MIN_UNITS - 1, seed=0)
    assert metric_intervals(*counts, **others) == {}
    counts, others = log_of(MIN_UNITS, seed=0, size=2)
    assert "log_loss" in metric_intervals(*counts, **others)
    assert "pairwise_accuracy" not in metric_intervals(*counts, **others)


def test_without_groups_rows_are_drawn():
    counts, others = log_of(20, seed=0)
    found = metric_intervals(*counts, concentration=others["concentration"])
    assert found.keys() == NAMES - {"pairwise_accuracy", "pairwise_accuracy_significant"}


def test_agreement_has_intervals_where_equal_headlines_are_drawn_together():
    rng = np.random.default_rng(0)
    agreement = np.eye(60) + rng.normal(0, 0.4, (60, 60))
    apart = evaluate_agreement(agreement, clusters=np.arange(60))
    together = evaluate_agreement(agreement, clusters=np.arange(60) // 5)
    for name, value in apart.values.items():
        lower, upper = apart.intervals[name]
        assert lower <= value <= upper
        assert name in together.intervals
    assert evaluate_agreement(agreement, clusters=np.arange(60) // 20).intervals == {}
