"""The quadrature against brute force: the same integrals on dense grids, and another library."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_expit

from adscore.decision.posterior import Evidence, find_posterior
from deciding_bench import exact

CASES: dict[str, Any] = {
    "nothing counted": ([-4, -4.2, -4.1], [0.3, 0.3, 0.3], 0.5, [0, 0, 0], [0, 0, 0]),
    "unlike arms": ([-4, -4.2, -4.1], [0.3, 0.3, 0.6], 0.7, [50, 20, 3000], [0, 0, 33]),
    "one narrow": ([-4, -4.2], [0.2, 0.2], 1.0, [1e6, 2e3], [15_000, 40]),
    "no success": ([-4.0] * 4, [0.15] * 4, 1.0, [500] * 4, [0] * 4),
    "close race": ([-4, -3.8, -4.4, -4.1], [0.25] * 4, 0.5, [3e4] * 4, [450, 460, 420, 480]),
}  # fmt: skip


def evidence(logits, residual, between, trials, successes):
    first, second, third, fourth = (
        np.array([values], float) for values in (logits, residual, trials, successes)
    )
    return Evidence(first, second, np.array([between]), third, fourth)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_figures_are_those_of_brute_force(case):
    found, expected = (
        exact.figures_of_one([evidence(*case)], [1.0]),
        exact.brute_force(evidence(*case)),
    )
    loss = found.relative_loss[0] * (expected.mean + expected.loss).max()
    assert found.mean[0] == pytest.approx(expected.mean, rel=1e-3)
    assert found.chance_best[0] == pytest.approx(expected.chance_best, abs=2e-3)
    assert loss == pytest.approx(expected.loss, abs=1e-3 * expected.mean.max())
    assert np.isnan(found.chance_above[0, 0])
    assert found.chance_above[0, 1:] == pytest.approx(expected.chance_above[1:], abs=2e-3)


def test_ends_of_the_interval_are_those_of_brute_force():
    for case in (CASES["unlike arms"], CASES["no success"]):
        found = find_posterior(evidence(*case))
        draws = exact.drawn_values([evidence(*case)], [1.0], 100_000, seed=0)
        for end in (0.05, 0.95):
            assert found.quantile(end)[0] == pytest.approx(np.quantile(draws, end, 0), rel=0.02)


def test_values_of_several_targets_are_those_of_draws():
    clicks = evidence([-4, -4.2, -4.1], [0.3, 0.3, 0.6], 0.7, [50, 20, 3000], [0, 0, 33])
    sales = evidence([-7, -6.5, -6.8], [0.3, 0.3, 0.6], 0.4, [50, 20, 3000], [0, 0, 2])
    leads = evidence([-5, -5.5, -5.2], [0.2] * 3, 1.0, [50, 20, 3000], [0, 0, 12])
    targets, worth = [clicks, sales, leads], [1.0, 20.0, 3.0]
    found = exact.figures_of_one(targets, worth)
    values = exact.drawn_values(targets, worth, 100_000, seed=0)
    best = np.bincount(values.argmax(axis=1), minlength=3) / len(values)
    loss = 1 - values.mean(axis=0) / values.max(axis=1).mean()
    assert found.mean[0] == pytest.approx(values.mean(axis=0), rel=5e-3)
    assert found.lower[0] == pytest.approx(np.quantile(values, 0.05, 0), rel=0.02)
    assert found.upper[0] == pytest.approx(np.quantile(values, 0.95, 0), rel=0.02)
    assert found.chance_best[0] == pytest.approx(best, abs=0.01)
    assert found.relative_loss[0] == pytest.approx(loss, abs=0.01)


def test_interval_holds_rates_that_are_drawn_as_the_model_says():
    rng = np.random.default_rng(0)
    groups, arms = 400, 4
    logits = rng.normal(-4, 0.2, (groups, arms))
    rates = expit(logits + rng.normal(0, 0.6, (groups, 1)) + rng.normal(0, 0.3, (groups, arms)))
    for trials in (0, 400, 5_000):
        counted = np.full((groups, arms), float(trials))
        told = Evidence(
            logits, np.full((groups, arms), 0.3), np.full(groups, 0.6), counted,
            rng.binomial(trials, rates).astype(float),
        )  # fmt: skip
        posterior = find_posterior(told)
        held = (posterior.quantile(0.05) < rates) & (rates < posterior.quantile(0.95))
        assert held.mean() == pytest.approx(0.9, abs=0.03)


def test_log_evidence_is_that_of_brute_force():
    logits, residual, between, trials, successes = CASES["unlike arms"]
    offsets = np.linspace(-6 * between, 6 * between, 501)
    u = np.linspace(-12, 4, 4_001)
    likelihood = np.zeros_like(offsets)
    for s, r, n, c in zip(logits, residual, trials, successes, strict=True):
        density = np.exp(-(((u - offsets[:, None] - s) / r) ** 2) / 2) / (r * np.sqrt(2 * np.pi))
        arm = density @ np.exp(c * u + n * log_expit(-u)) * (u[1] - u[0])
        likelihood += np.log(arm)
    prior = np.exp(-((offsets / between) ** 2) / 2) / (between * np.sqrt(2 * np.pi))
    total = np.log((prior * np.exp(likelihood)).sum() * (offsets[1] - offsets[0]))
    found = find_posterior(evidence(*CASES["unlike arms"])).log_evidence[0]
    assert found == pytest.approx(total, abs=1e-3)
