"""Means and concentrations as rates: intervals and percentiles with known right values."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adscore.bundle import Manifest, read_bundle, resolve_bundle
from adscore.creative import Creative
from adscore.scoring.scorer import Scorer, rate_figures


@pytest.fixture(scope="module")
def manifest(scorer: Scorer) -> Manifest:
    return dataclasses.replace(scorer.manifest, targets=("ctr",))


def figures(manifest: Manifest, mean: float, concentration: float = 50.0) -> list[float]:
    """Mean, lower, upper, percentile of one prediction."""
    rates = rate_figures(manifest, np.array([[mean]]), np.array([[concentration]]))
    return rates[0, 0].tolist()


def percentile(manifest: Manifest, rates: np.ndarray, mean: float) -> float:
    reference = {"ctr": tuple(np.percentile(rates, np.arange(101)).tolist())}
    return figures(dataclasses.replace(manifest, reference=reference), mean)[3]


# === Intervals ===


def test_interval_is_the_central_one_of_the_beta_distribution(manifest: Manifest) -> None:
    mean, lower, upper, _ = figures(manifest, 0.02, 400.0)
    expected = stats.beta(0.02 * 400, 0.98 * 400).interval(0.9)
    assert (mean, lower, upper) == pytest.approx((0.02, *expected))


@pytest.mark.parametrize(("mean", "concentration"), [(0.01, 1.0), (0.001, 20.0), (0.99, 1.0)])
def test_interval_of_a_skewed_rate_is_widened_to_its_mean(
    manifest: Manifest, mean: float, concentration: float
) -> None:
    shown, lower, upper, _ = figures(manifest, mean, concentration)
    central = stats.beta(mean * concentration, (1 - mean) * concentration).interval(0.9)
    assert shown == mean
    assert (lower, upper) == pytest.approx((min(central[0], mean), max(central[1], mean)))


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_saturated_rate_has_an_interval_of_no_width(manifest: Manifest, mean: float) -> None:
    assert figures(manifest, mean, 100.0)[:3] == pytest.approx([mean] * 3, abs=1e-9)


@given(mean=st.floats(0, 1), concentration=st.floats(1e-3, 1e9))
def test_mean_lies_in_its_interval(manifest: Manifest, mean: float, concentration: float) -> None:
    shown, lower, upper, rank = figures(manifest, mean, concentration)
    assert 0 <= lower <= shown == mean <= upper <= 1
    assert 0 <= rank <= 100


# === Percentiles ===


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([10, 80, 10], 50),  # 10 % below, 80 % equal
        ([0, 100, 0], 50),
        ([0, 60, 40], 30),
        ([40, 60, 0], 70),
        ([98, 0, 2], 98),
    ],
)
def test_percentile_is_the_share_below_plus_half_of_the_ties(
    manifest: Manifest, counts: list[int], expected: float
) -> None:
    rates = np.repeat([0.01, 0.02, 0.03], counts)
    assert percentile(manifest, rates, 0.02) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("digits", [-3e-7, 3e-7])
def test_last_digits_of_a_rate_do_not_untie_it(manifest: Manifest, digits: float) -> None:
    rates = np.repeat([0.01, 0.02, 0.03], [10, 80, 10])
    assert percentile(manifest, rates, 0.02 * (1 + digits)) == percentile(manifest, rates, 0.02)


def test_rates_beyond_a_tie_are_above_or_below_all_of_it(manifest: Manifest) -> None:
    rates = np.repeat([0.01, 0.02, 0.03], [10, 80, 10])
    assert percentile(manifest, rates, 0.0199) <= 11
    assert percentile(manifest, rates, 0.0201) >= 89


@given(st.floats(0, 1))
def test_percentile_among_different_rates_is_interpolated(manifest: Manifest, mean: float) -> None:
    rates = np.linspace(0, 1, 1001)
    assert percentile(manifest, rates, mean) == pytest.approx(100 * mean)


def test_creatives_of_one_rate_have_one_percentile_in_any_batch(
    model_dir: Path, scorer: Scorer, creatives: list[Creative]
) -> None:
    """The reference was predicted in other batches than a creative is scored in."""
    mean = scorer.score([creatives[0]])[0].targets["ctr"].mean
    bundle = read_bundle(resolve_bundle(model_dir))
    manifest = dataclasses.replace(bundle.manifest, reference={"ctr": (mean,) * 101})
    tied = Scorer(dataclasses.replace(bundle, manifest=manifest))
    alone = tied.score(creatives[:1])[0].targets["ctr"].percentile
    together = tied.score(creatives[:16])[0].targets["ctr"].percentile
    assert alone == together == 50
