"""The quadrature against brute force: the same integrals on dense grids, and another library."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_expit

from adscore.decision.beliefs import Rates
from adscore.decision.comparison import compare
from adscore.decision.posterior import Evidence, find_posterior

CASES: dict[str, Any] = {
    "nothing counted": ([-4, -4.2, -4.1], [0.3, 0.3, 0.3], 0.5, [0, 0, 0], [0, 0, 0]),
    "unlike arms": ([-4, -4.2, -4.1], [0.3, 0.3, 0.6], 0.7, [50, 20, 3000], [0, 0, 33]),
    "one narrow": ([-4, -4.2], [0.2, 0.2], 1.0, [1e6, 2e3], [15_000, 40]),
    "no success": ([-4.0] * 4, [0.15] * 4, 1.0, [500] * 4, [0] * 4),
    "close race": ([-4, -3.8, -4.4, -4.1], [0.25] * 4, 0.5, [3e4] * 4, [450, 460, 420, 480]),
}  # fmt: skip


def brute_force(logits, residual, between, trials, successes):
    """Mean, chance of being best, loss and chance above the first, (arms,) each."""
    offsets = np.linspace(-6 * between, 6 * between, 401)
    u = np.linspace(-12, 4, 16_001)
    rates = expit(u)
    rows = list(zip(logits, residual, trials, successes, strict=True))
    log_weights, densities = [], []
    for m in offsets:
        logs = [c * u + n * log_expit(-u) - ((u - m - s) / r) ** 2 / 2 for s, r, n, c in rows]
        tops = [log.max() for log in logs]
        raw = [np.exp(log - top) for log, top in zip(logs, tops, strict=True)]
        evidence = sum(top + np.log(d.sum()) for top, d in zip(tops, raw, strict=True))
        log_weights.append(evidence - (m / between) ** 2 / 2)
        densities.append([d / d.sum() for d in raw])
    weights = np.exp(np.array(log_weights) - max(log_weights))
    weights /= weights.sum()
    arms = len(rows)
    mean, best, loss, above = (np.zeros(arms) for _ in range(4))
    for weight, density in zip(weights, densities, strict=True):
        if weight < 1e-9:
            continue
        below = [np.cumsum(d) - d / 2 for d in density]
        for arm in range(arms):
            others = np.prod([below[k] for k in range(arms) if k != arm], axis=0)
            mean[arm] += weight * (density[arm] * rates).sum()
            best[arm] += weight * (density[arm] * others).sum()
            gap = below[arm] * (1 - others)
            loss[arm] += weight * ((gap[1:] + gap[:-1]) / 2 * np.diff(rates)).sum()
            above[arm] += weight * (density[arm] * below[0]).sum()
    return mean, best, loss, above


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_figures_are_those_of_brute_force(case):
    logits, residual, between, trials, successes = case
    columns = (np.array([values], float) for values in (logits, residual, trials, successes))
    first, second, third, fourth = columns
    posterior = find_posterior(Evidence(first, second, np.array([between]), third, fourth))
    found = compare(Rates(posterior).tables(), np.array([0]))
    mean, best, loss, above = brute_force(*case)
    assert posterior.mean()[0] == pytest.approx(mean, rel=1e-3)
    assert found.chance_best[0] == pytest.approx(best, abs=2e-3)
    assert found.loss[0] == pytest.approx(loss, abs=1e-3 * mean.max())
    assert np.isnan(found.chance_above[0, 0])
    assert found.chance_above[0, 1:] == pytest.approx(above[1:], abs=2e-3)


def test_interval_holds_rates_that_are_drawn_as_the_model_says():
    rng = np.random.default_rng(0)
    groups, arms = 400, 4
    logits = rng.normal(-4, 0.2, (groups, arms))
    rates = expit(logits + rng.normal(0, 0.6, (groups, 1)) + rng.normal(0, 0.3, (groups, arms)))
    for trials in (0, 400, 5_000):
        counted = np.full((groups, arms), float(trials))
        evidence = Evidence(
            logits, np.full((groups, arms), 0.3), np.full(groups, 0.6), counted,
            rng.binomial(trials, rates).astype(float),
        )  # fmt: skip
        posterior = find_posterior(evidence)
        held = (posterior.quantile(0.05) < rates) & (rates < posterior.quantile(0.95))
        assert held.mean() == pytest.approx(0.9, abs=0.03)


def test_log_evidence_is_that_of_brute_force():
    logits, residual, between, trials, successes = CASES["unlike arms"]
    offsets = np.linspace(-6 * between, 6 * between, 2_001)
    u = np.linspace(-12, 4, 8_001)
    likelihood = np.zeros_like(offsets)
    for s, r, n, c in zip(logits, residual, trials, successes, strict=True):
        density = np.exp(-(((u - offsets[:, None] - s) / r) ** 2) / 2) / (r * np.sqrt(2 * np.pi))
        arm = density @ np.exp(c * u + n * log_expit(-u)) * (u[1] - u[0])
        likelihood += np.log(arm)
    prior = np.exp(-((offsets / between) ** 2) / 2) / (between * np.sqrt(2 * np.pi))
    total = np.log((prior * np.exp(likelihood)).sum() * (offsets[1] - offsets[0]))
    columns = (np.array([values], float) for values in (logits, residual, trials, successes))
    first, second, third, fourth = columns
    evidence = Evidence(first, second, np.array([between]), third, fourth)
    assert find_posterior(evidence).log_evidence[0] == pytest.approx(total, abs=1e-3)
