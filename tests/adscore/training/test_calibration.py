import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm, t

from adscore.evaluation import interval_coverage
from adscore.training import calibration
from adscore.training.calibration import (
    MIN_GROUPS,
    HeldOut,
    calibrate,
    calibrate_patterns,
    widening,
)
from adscore.training.likelihood import Outcomes

ROWS = 4_000


def held_out(
    logit: np.ndarray,
    log_concentration: np.ndarray,
    successes: np.ndarray,
    trials: np.ndarray,
    *,
    groups: int | None = None,
    disagreement: float = 0.0,
) -> HeldOut:
    """What one network says; each row is a group of its own unless their number is given."""
    return HeldOut(
        logit,
        log_concentration,
        np.full_like(logit, disagreement),
        Outcomes(successes, trials, np.arange(len(logit)) % (groups or len(logit)), grouped=True),
    )


def simulate(
    rng: np.random.Generator, logit: np.ndarray, concentration: float
) -> tuple[np.ndarray, np.ndarray]:
    mean = expit(logit)
    trials = rng.integers(1_000, 100_000, logit.shape)
    rate = rng.beta(mean * concentration, (1 - mean) * concentration)
    return rng.binomial(trials, rate), trials


def test_calibration_finds_known_slope_shift_and_concentration_of_each_target() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(-4.0, 0.7, (ROWS, 2))
    slope, shift, concentration = np.array([0.6, 1.4]), np.array([-1.0, 1.5]), [300.0, 2_000.0]
    true = slope * predicted + shift
    counts = [simulate(rng, true[:, k], concentration[k]) for k in range(2)]
    successes, trials = (np.stack(part, axis=1) for part in zip(*counts, strict=True))
    stated = np.full_like(predicted, np.log(50.0))
    slopes, shifts, spreads = calibrate(held_out(predicted, stated, successes, trials))
    np.testing.assert_allclose(slopes, slope, atol=0.06)
    np.testing.assert_allclose(slopes * -4 + shifts, slope * -4 + shift, atol=0.03)
    np.testing.assert_allclose(np.log(50.0) + spreads, np.log(concentration), atol=0.12)


def test_of_many_rows_some_of_all_groups_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(-4.0, 0.7, (ROWS, 1))
    successes, trials = simulate(rng, 0.6 * predicted - 1, 300.0)
    stated = np.full_like(predicted, np.log(50.0))
    known = np.ones((ROWS, 3), np.float32)
    told = held_out(predicted, stated, successes, trials, groups=400)
    seen = []

    def calibrated() -> np.ndarray:
        found = calibrate_patterns(lambda _: told, known, [], mean=True)
        return np.stack([found.slope, found.shift, found.log_concentration_shift])[:, 0, 0]

    whole = calibrated()
    monkeypatch.setattr(calibration, "MAX_ROWS", 1_000)
    monkeypatch.setattr(
        calibration,
        "calibrate",
        lambda rows, *, mean: (seen.append(rows), calibrate(rows, mean=mean))[1],
    )
    np.testing.assert_allclose(calibrated(), whole, atol=0.25)
    assert [len(rows.logit) for rows in seen] == [1_000]
    assert len(np.unique(seen[0].outcomes.groups)) > 350


def test_slope_is_what_a_difference_inside_a_group_is_worth() -> None:
    """Groups differ by what no creative tells, which says nothing of the slope."""
    rng = np.random.default_rng(5)
    groups = np.arange(ROWS) % 200
    inside = rng.normal(0.0, 0.4, (ROWS, 1))
    misled = rng.normal(0.0, 0.6, (200, 1))[groups]  # predicted of a whole group, and wrong
    offset = rng.normal(0.0, 0.8, (200, 1))[groups]
    trials = np.full((ROWS, 1), 20_000)
    successes = rng.binomial(trials, expit(-4.0 + inside + offset))
    predicted = -4.0 + inside + misled
    held = held_out(predicted, np.full_like(predicted, 6.0), successes, trials, groups=200)
    slope, _, _ = calibrate(held)
    assert slope[0] == pytest.approx(1.0, abs=0.1)


def test_predictions_add_up_where_much_shown_creatives_have_lower_rates() -> None:
    rng = np.random.default_rng(7)
    predicted = rng.normal(-4.0, 0.3, (ROWS, 1))
    shown = rng.normal(0, 1, (ROWS, 1))
    trials = np.rint(50_000 * np.exp(shown))
    successes = rng.binomial(trials.astype(int), expit(predicted - 0.4 * shown))
    held = held_out(predicted, np.full_like(predicted, 6.0), successes, trials, groups=400)
    slope, shift, _ = calibrate(held)
    expected = (trials * expit(predicted * slope + shift)).sum()
    assert expected == pytest.approx(successes.sum(), rel=0.05)


def test_one_much_shown_group_does_not_move_the_level() -> None:
    rng = np.random.default_rng(8)
    predicted = rng.normal(-4.0, 0.3, (400, 1))
    trials = np.full((400, 1), 10_000)
    trials[0] = 40_000_000  # nine in ten of all trials
    rate = expit(predicted)
    rate[0] *= 3
    held = held_out(
        predicted, np.full_like(predicted, 6.0), rng.binomial(trials, rate), trials, groups=400
    )
    slope, shift, _ = calibrate(held)
    assert slope * -4.0 + shift == pytest.approx(-4.0, abs=0.1)


def test_calibration_of_the_spread_alone_leaves_the_means() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(-3.0, 0.5, (ROWS, 1))
    successes, trials = simulate(rng, predicted, 400.0)
    slope, shift, spread = calibrate(
        held_out(predicted, np.zeros_like(predicted), successes, trials), mean=False
    )
    assert (slope[0], shift[0]) == (1.0, 0.0)
    assert spread[0] == pytest.approx(np.log(400.0), abs=0.1)


def test_calibration_never_turns_a_ranking_over() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(-3.0, 0.5, (200, 1))
    successes, trials = simulate(rng, -6.0 - predicted, 400.0)
    slope, _, _ = calibrate(held_out(predicted, np.full_like(predicted, 6.0), successes, trials))
    assert slope[0] > 0


def test_calibration_bears_rows_without_trials() -> None:
    found = calibrate(held_out(*[np.zeros((5, 1))] * 4))
    assert np.isfinite(found).all()


def test_what_members_disagree_on_is_not_counted_twice() -> None:
    """The more of the spread their disagreement explains, the less is left to the calibration."""
    rng = np.random.default_rng(4)
    predicted = rng.normal(-3.0, 0.5, (ROWS, 1))
    successes, trials = simulate(rng, predicted, 100.0)
    stated = np.full_like(predicted, np.log(100.0))
    *_, agreed = calibrate(held_out(predicted, stated, successes, trials))
    *_, disagreed = calibrate(held_out(predicted, stated, successes, trials, disagreement=0.1))
    assert disagreed[0] > agreed[0] + 0.2


def test_widening_turns_a_plug_in_interval_into_students() -> None:
    groups = 14
    plug_in = norm.ppf(0.95) * np.sqrt((groups - 1) / groups)
    assert np.sqrt(widening(groups)) * plug_in == pytest.approx(
        t.ppf(0.95, groups - 1) * np.sqrt(1 + 1 / groups)
    )
    assert widening(100_000) == pytest.approx(1, abs=1e-4)
    assert np.isfinite(widening(1))


@pytest.mark.parametrize(("campaigns", "size"), [(8, 10), (14, 10), (60, 1)])
def test_intervals_hold_for_campaigns_outside_the_calibration(campaigns: int, size: int) -> None:
    """Nine in ten, although so few campaigns cannot tell their own spread well."""
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(60):
        groups = np.repeat(np.arange(campaigns + 100), size)
        predicted = rng.normal(-4.5, 0.5, (len(groups), 1))
        offset = rng.normal(0, 0.6, campaigns + 100)[groups][:, None]
        successes, trials = simulate(rng, predicted + offset, 2_000.0)
        seen = groups < campaigns
        slope, shift, wider = calibrate(
            held_out(
                predicted[seen],
                np.full((seen.sum(), 1), 6.0),
                successes[seen],
                trials[seen],
                groups=campaigns,
            )
        )
        mean = expit(predicted[~seen] * slope + shift)[:, 0]
        spread = np.exp(np.full_like(mean, 6.0) + wider)
        covered.append(
            interval_coverage(mean, spread, successes[~seen, 0], trials[~seen, 0]) or 0.0
        )
    assert np.mean(covered) == pytest.approx(0.9, abs=0.03)


def test_intervals_hold_what_they_state_where_rates_have_heavy_tails() -> None:
    """A likelihood alone would widen all intervals for the few rates that lie far away."""
    rng = np.random.default_rng(6)
    predicted = rng.normal(-4.5, 0.3, (ROWS, 1))
    trials = rng.integers(100_000, 1_000_000, predicted.shape)
    rate = expit(predicted + 0.1 * rng.standard_t(2.5, predicted.shape))
    successes = rng.binomial(trials, rate)
    held, new = slice(ROWS // 2), slice(ROWS // 2, None)
    stated = np.full_like(predicted, 6.0)

    def coverage(groups: int) -> float | None:
        slope, shift, spread = calibrate(
            held_out(predicted[held], stated[held], successes[held], trials[held], groups=groups)
        )
        return interval_coverage(
            expit(predicted[new, 0] * slope + shift),
            np.exp(stated[new, 0] + spread),
            successes[new, 0],
            trials[new, 0],
        )

    assert coverage(ROWS // 2) == pytest.approx(0.9, abs=0.015)
    assert coverage(MIN_GROUPS - 1) > 0.93  # of few groups, the likeliest spread stands
