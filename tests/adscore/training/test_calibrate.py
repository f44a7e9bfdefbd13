import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm, t

from adscore.evaluation import interval_coverage
from adscore.training.calibrate import calibrate, widening

ROWS = 4_000


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
    found = calibrate(predicted, stated, successes, trials)
    np.testing.assert_allclose(found.slope, slope, atol=0.06)
    np.testing.assert_allclose(found.slope * -4 + found.shift, slope * -4 + shift, atol=0.03)
    np.testing.assert_allclose(
        np.log(50.0) * found.concentration_slope + found.concentration_shift,
        np.log(concentration),
        atol=0.12,
    )


def test_calibration_of_the_spread_alone_leaves_the_means() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(-3.0, 0.5, (ROWS, 1))
    successes, trials = simulate(rng, predicted, 400.0)
    found = calibrate(predicted, np.zeros_like(predicted), successes, trials, mean=False)
    assert (found.slope[0], found.shift[0]) == (1.0, 0.0)
    assert found.concentration_shift[0] == pytest.approx(np.log(400.0), abs=0.1)


def test_calibration_never_turns_a_ranking_over() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(-3.0, 0.5, (200, 1))
    successes, trials = simulate(rng, -6.0 - predicted, 400.0)
    assert calibrate(predicted, np.full_like(predicted, 6.0), successes, trials).slope[0] > 0


def test_calibration_bears_rows_without_trials() -> None:
    found = calibrate(np.zeros((5, 1)), np.zeros((5, 1)), np.zeros((5, 1)), np.zeros((5, 1)))
    assert all(np.isfinite(getattr(found, name)).all() for name in found.__slots__)


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
        found = calibrate(
            predicted[seen], np.full((seen.sum(), 1), 6.0), successes[seen], trials[seen],
            groups[seen],
        )  # fmt: skip
        mean = expit(predicted[~seen] * found.slope + found.shift)[:, 0]
        spread = np.exp(np.full_like(mean, 6.0) + found.concentration_shift)
        covered.append(
            interval_coverage(mean, spread, successes[~seen, 0], trials[~seen, 0]) or 0.0
        )
    assert np.mean(covered) == pytest.approx(0.9, abs=0.03)
