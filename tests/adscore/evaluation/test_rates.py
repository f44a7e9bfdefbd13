"""Log loss, deviance, AUC, calibration, lift: against their definitions, trial by trial."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.evaluation import (
    auc,
    calibration_error,
    deviance_explained,
    lift_curve,
    log_loss,
    perfect_calibration_error,
    reliability_curve,
)

ROWS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8
)


def unpack(rows):
    """Mean, successes and trials; and the same as one row a trial."""
    mean = np.array([m / 10 for m, _, _ in rows])
    successes = np.array([s for _, s, _ in rows])
    trials = successes + np.array([f for _, _, f in rows])
    single = np.repeat(mean, trials)
    label = np.concatenate([[1] * s + [0] * f for _, s, f in rows])
    return (mean, successes, trials), (single, label)


@given(ROWS)
def test_log_loss_is_the_cross_entropy_of_the_trials(rows):
    counts, (single, label) = unpack(rows)
    if not len(label):
        assert log_loss(*counts) is None
        return
    expected = -np.mean(np.log(np.where(label == 1, single, 1 - single)))
    assert log_loss(*counts) == pytest.approx(expected)


@given(ROWS)
def test_auc_compares_every_success_with_every_failure(rows):
    counts, (single, label) = unpack(rows)
    wins = [
        (hit > miss) + (hit == miss) / 2
        for hit in single[label == 1]
        for miss in single[label == 0]
    ]
    assert auc(*counts) == (pytest.approx(np.mean(wins)) if wins else None)


def test_auc_of_billions_of_trials_does_not_overflow():
    trials = np.full(1000, 2_000_000_000)
    mean = np.linspace(0.1, 0.9, 1000)
    one_each = auc(mean, (trials * mean).astype(np.int64), trials)
    assert one_each == pytest.approx(
        auc(mean, np.round(1000 * mean), np.full(1000, 1000)), abs=1e-3
    )


def test_deviance_explained_by_hand():
    mean, successes, trials = np.array([0.2, 0.7]), np.array([3, 6]), np.array([10, 10])

    def deviance(rate):
        observed, failures = successes / trials, trials - successes
        at_hit = successes * np.log(observed / rate)
        return 2 * np.sum(at_hit + failures * np.log((1 - observed) / (1 - rate)))

    expected = 1 - deviance(mean) / deviance(9 / 20)
    assert deviance_explained(mean, successes, trials) == pytest.approx(expected)


def test_deviance_explained_of_constant_and_of_truth():
    successes, trials = np.array([3, 60, 0]), np.array([10, 100, 7])
    assert deviance_explained(np.full(3, 63 / 117), successes, trials) == pytest.approx(0)
    assert deviance_explained(successes / trials, successes, trials) == pytest.approx(1)
    assert deviance_explained([0.9, 0.1, 0.9], successes, trials) < 0


def test_deviance_of_single_trials_is_that_of_log_loss():
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.1, 0.9, 200)
    label = rng.random(200) < mean
    ones = np.ones(200)
    of_constant = log_loss(np.full(200, label.mean()), label, ones)
    expected = 1 - log_loss(mean, label, ones) / of_constant
    assert deviance_explained(mean, label, ones) == pytest.approx(expected)


def test_equal_observed_rates_leave_nothing_to_explain():
    assert deviance_explained([0.2, 0.4], [1, 3], [3, 9]) is None


def test_calibration_error_by_hand():
    mean = [0.1, 0.2, 0.3, 0.4]
    # Two bins of 40 trials: predicted 0.15 and 0.35, observed 0.25 and 0.15.
    assert calibration_error(mean, [2, 8, 4, 2], [20] * 4, bins=2) == pytest.approx(
        (abs(0.15 - 10 / 40) + abs(0.35 - 6 / 40)) / 2
    )


def test_calibration_error_weighs_bins_by_trials():
    error = calibration_error([0.1, 0.5], [18, 9], [90, 10], bins=2)
    assert error == pytest.approx(0.9 * 0.1 + 0.1 * 0.4)


def test_bins_hold_equal_trials_not_equal_rows():
    trials = np.array([10] * 90 + [100] * 9)
    curve = reliability_curve(np.linspace(0.1, 0.5, 99), np.zeros(99), trials, bins=2)
    assert curve.trials == pytest.approx([900, 900])
    assert curve.rows.tolist() == [90, 9]


def test_default_is_ten_bins_without_empty_ones():
    mean = np.linspace(0.01, 0.2, 100)
    curve = reliability_curve(mean, np.zeros(100), np.full(100, 5))
    assert curve.rows.tolist() == [10] * 10
    giant = np.where(np.arange(100) == 50, 10**6, 5)
    assert (reliability_curve(mean, np.zeros(100), giant).rows > 0).all()


@given(ROWS, st.integers(1, 12))
def test_reliability_keeps_totals_and_ties_together(rows, bins):
    (mean, successes, trials), _ = unpack(rows)
    curve = reliability_curve(mean, successes, trials, bins=bins)
    if trials.sum() == 0:
        assert curve is None
        return
    assert curve.trials.sum() == trials.sum()
    assert curve.trials @ curve.observed == pytest.approx(successes.sum())
    assert curve.trials @ curve.predicted == pytest.approx(trials @ mean)
    assert len(curve.rows) <= min(bins, len(set(mean[trials > 0])))
    assert (np.diff(curve.predicted) > 0).all()


def test_calibration_error_sees_a_shift_and_forgives_the_truth():
    rng = np.random.default_rng(1)
    rate = rng.beta(2, 50, 4000)
    successes = rng.binomial(20_000, rate)
    trials = np.full(4000, 20_000)
    assert calibration_error(rate, successes, trials) < 2e-4
    assert calibration_error(rate + 0.01, successes, trials) == pytest.approx(0.01, abs=2e-4)


def test_lift_curve_by_hand():
    curve = lift_curve([0.1, 0.3, 0.2], [1, 6, 3], [10, 10, 20], points=5)
    assert curve.trials_share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.successes_share == pytest.approx([0, 0.6, 0.75, 0.9, 1])
    assert curve.lift == pytest.approx([2.4, 1.5, 1.2, 1])


def test_lift_of_a_constant_is_one():
    curve = lift_curve([0.2, 0.2, 0.2], [9, 0, 1], [10, 10, 20])
    assert curve.lift == pytest.approx(np.ones(100))


def test_lift_without_a_success_is_none():
    assert lift_curve([0.2], [0], [10]) is None
    assert lift_curve([], [], []) is None


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="bins: expected at least 1"):
        reliability_curve([0.1], [0], [1], bins=0)
    with pytest.raises(ValueError, match="points: expected at least 2"):
        lift_curve([0.1], [0], [1], points=1)


# === What a perfect model would show ===


def test_perfect_model_of_few_trials_shows_an_error_by_noise_alone():
    """The mean |gap| of 10 bins of 57 labels of one rate is that of a normal deviation."""
    mean = np.full(570, 0.5) + np.linspace(-1e-6, 1e-6, 570)
    error = perfect_calibration_error(mean, np.ones(570))
    assert error == pytest.approx(np.sqrt(2 / np.pi) * np.sqrt(0.25 / 57), rel=0.06)


def test_perfect_error_is_what_counts_drawn_from_the_predictions_show():
    rng = np.random.default_rng(5)
    mean, trials = rng.uniform(0.01, 0.1, 400), rng.integers(50, 500, 400)
    concentration = np.full(400, 300.0)
    rate = rng.beta(mean * 300, (1 - mean) * 300, (300, 400))
    drawn = [calibration_error(mean, rng.binomial(trials, row), trials) for row in rate]
    expected = perfect_calibration_error(mean, trials, concentration=concentration)
    assert expected == pytest.approx(np.mean(drawn), rel=0.1)
    assert perfect_calibration_error(mean, trials) < expected


def test_perfect_error_falls_with_the_trials_and_needs_one():
    mean = np.linspace(0.1, 0.3, 200)
    few, many = (perfect_calibration_error(mean, np.full(200, n)) for n in (1, 10_000))
    assert many < few / 50
    assert perfect_calibration_error(mean, np.zeros(200)) is None
    assert perfect_calibration_error(mean, np.ones(200)) == few
