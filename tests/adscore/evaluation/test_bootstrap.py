"""Intervals of a ranking, and of what each part of the creatives adds to it."""

import numpy as np
import pytest

from adscore.evaluation import auc, pairwise_metrics
from adscore.evaluation.bootstrap import MIN_UNITS, Estimate, estimate_ranking


def log_of(groups, *, size=6, seed=0):
    """Counts of creatives whose quality is one part that tells and one that does not."""
    rng = np.random.default_rng(seed)
    quality, noise = rng.normal(0, 0.3, (2, groups * size))
    rate = 0.02 * np.exp(quality + np.repeat(rng.normal(0, 0.5, groups), size))
    trials = rng.integers(2_000, 20_000, groups * size)
    group = np.repeat(np.arange(groups), size)
    return quality, noise, rng.binomial(trials, rate), trials, group


def rates(*parts):
    return 1 / (1 + np.exp(4 - sum(parts)))


def test_the_part_that_tells_gains_and_the_other_does_not():
    quality, noise, *counts = log_of(60)
    shuffled = np.random.default_rng(1).permutation
    exchanged = {
        "image": rates(shuffled(quality), noise / 20),
        "headline": rates(quality, shuffled(noise) / 20),
    }
    ranking = estimate_ranking(rates(quality, noise / 20), exchanged, *counts)
    assert ranking.metric == "pairwise_accuracy"
    assert ranking.value.lower < ranking.value.value < ranking.value.upper
    assert ranking.gains["image"].lower > 0.1
    assert ranking.gains["headline"].lower < 0 < ranking.gains["headline"].upper < 0.05


def test_the_metric_is_that_of_the_table_of_metrics():
    quality, noise, successes, trials, group = log_of(20)
    mean = rates(quality, noise)
    ranking = estimate_ranking(mean, {}, successes, trials, group)
    exact = pairwise_metrics(mean, successes, trials, group).accuracy
    assert ranking.value.value == pytest.approx(exact)
    without_groups = estimate_ranking(mean, {}, successes, trials, None)
    assert without_groups.metric == "auc"
    assert without_groups.value.value == pytest.approx(auc(mean, successes, trials))


def test_few_groups_have_no_interval():
    quality, noise, *counts = log_of(MIN_UNITS - 1)
    ranking = estimate_ranking(rates(quality), {"image": rates(noise)}, *counts)
    assert (ranking.value.lower, ranking.value.upper) == (None, None)
    assert ranking.gains["image"].lower is None


def test_groups_of_one_are_ranked_over_all_rows():
    quality, _, successes, trials, _ = log_of(30)
    each = np.arange(len(quality))
    assert estimate_ranking(rates(quality), {}, successes, trials, each).metric == "auc"


def test_nothing_to_rank_has_no_estimate():
    ones = np.ones(9)
    assert estimate_ranking(ones / 2, {}, ones, ones, None) is None
    assert estimate_ranking(ones / 2, {}, 0 * ones, 0 * ones, ones) is None


def test_an_interval_holds_the_long_run_value_nine_times_of_ten():
    def estimate(groups, seed) -> Estimate:
        quality, noise, *counts = log_of(groups, seed=seed)
        return estimate_ranking(rates(quality / 2, noise / 3), {}, *counts).value

    truth = estimate(4_000, seed=999).value
    found = [estimate(40, seed) for seed in range(60)]
    held = np.mean([one.lower <= truth <= one.upper for one in found])
    assert 0.8 <= held <= 0.98
