import numpy as np
import pytest

from adscore.training.spreads import MIN_GROUPS, estimate_spread


def simulated(*, groups, rows, between, residual, trials, seed=0):
    """Logits, trials, successes and groups of a log whose spreads are known."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    logits = rng.normal(-3.5, 0.3, groups * rows)
    shift = rng.normal(0, between, groups)[group]
    rates = 1 / (1 + np.exp(-(logits + shift + rng.normal(0, residual, groups * rows))))
    counts = np.full(groups * rows, trials)
    return logits, counts.astype(float), rng.binomial(counts, rates).astype(float), group


@pytest.mark.parametrize(("between", "residual"), [(0.6, 0.2), (0.2, 0.5)])
def test_spreads_of_a_log_are_found_net_of_binomial_noise(between, residual):
    log = simulated(groups=400, rows=5, between=between, residual=residual, trials=3_000)
    found = estimate_spread(*log)
    assert found.between_groups == pytest.approx(between, rel=0.2)
    assert found.residual == pytest.approx(residual, rel=0.2)


def test_predictions_that_set_creatives_too_far_apart_are_found_out():
    logits, *counts = simulated(groups=300, rows=5, between=0.5, residual=0.2, trials=4_000)
    middle = logits.reshape(-1, 5).mean(axis=1).repeat(5)
    found = estimate_spread(middle + 2 * (logits - middle), *counts)
    assert found.slope == pytest.approx(0.5, abs=0.1)
    assert found.residual == pytest.approx(0.2, rel=0.2)


def test_counts_that_are_pure_noise_leave_a_small_residual():
    found = estimate_spread(
        *simulated(groups=100, rows=4, between=0.5, residual=1e-9, trials=2_000)
    )
    assert found.residual < 0.1


def test_rows_without_trials_tell_nothing():
    logits, trials, successes, groups = simulated(
        groups=30, rows=4, between=0.5, residual=0.3, trials=500
    )
    trials[::4] = successes[::4] = 0
    kept = trials > 0
    assert estimate_spread(logits, trials, successes, groups) == estimate_spread(
        logits[kept], trials[kept], successes[kept], groups[kept]
    )


def test_too_few_groups_have_no_spreads():
    log = simulated(groups=MIN_GROUPS - 1, rows=5, between=0.5, residual=0.3, trials=500)
    assert estimate_spread(*log) is None
    assert estimate_spread(*(column[:0] for column in log)) is None
