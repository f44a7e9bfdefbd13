import numpy as np
import pytest
from scipy.special import expit, gammaln
from scipy.stats import betabinom

from adscore.training.deep import beta_binomial_loss, binary_crossentropy_loss


def log_ways(successes: np.ndarray, trials: np.ndarray) -> np.ndarray:
    return gammaln(trials + 1) - gammaln(successes + 1) - gammaln(trials - successes + 1)


@pytest.mark.parametrize("most_trials", [1, 300, 200_000])
@pytest.mark.parametrize("log_concentration", [0.5, 4.0, 9.0])
def test_beta_binomial_loss_is_scipys_likelihood_without_its_coefficient(
    most_trials: int, log_concentration: float
) -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(-2.0, 1.0, (40, 2))
    trials = rng.integers(0, most_trials, (40, 2), endpoint=True)
    successes = rng.binomial(trials, expit(logit))
    spread = np.full_like(logit, log_concentration)
    loss = beta_binomial_loss(logit, spread, successes, trials).numpy()
    mean, concentration = expit(logit), np.exp(spread)
    expected = -betabinom.logpmf(
        successes, trials, mean * concentration, (1 - mean) * concentration
    ) + log_ways(successes, trials)
    # 1e-5 nats of two hundred thousand: what SciPy's own sum of logarithms leaves.
    np.testing.assert_allclose(loss, expected, rtol=1e-6, atol=1e-5)


def test_beta_binomial_loss_of_no_trials_is_nothing() -> None:
    loss = beta_binomial_loss([[-4.0]], [[6.0]], [[0]], [[0]]).numpy()
    np.testing.assert_allclose(loss, 0, atol=1e-9)


def test_beta_binomial_loss_of_millions_of_trials_keeps_its_digits() -> None:
    """A loss in float32 would be off by whole nats here, and its gradient would be noise."""
    trials, successes = np.array([[5_000_000.0]]), np.array([[50_000.0]])
    at, above = (
        beta_binomial_loss([[logit]], [[9.0]], successes, trials).numpy().astype(float)
        for logit in (-4.5951, -4.5)
    )
    concentration = np.exp(9.0)
    expected = [
        betabinom.logpmf(50_000, 5_000_000, m * concentration, (1 - m) * concentration)
        for m in expit([-4.5951, -4.5])
    ]
    assert above - at == pytest.approx(expected[0] - expected[1], abs=0.05)


def test_creatives_with_more_trials_pull_the_beta_binomial_loss_harder() -> None:
    def pull(trials: int) -> float:
        """Gain of moving the predicted rate from 1 % to the observed 2 %, in nats."""
        counts = [[0.02 * trials]], [[float(trials)]]
        low, right = (
            float(beta_binomial_loss([[logit]], [[5.0]], *counts)[0, 0]) for logit in (-4.6, -3.9)
        )
        return low - right

    assert 0 < pull(100) < pull(1_000) < pull(10_000)
    # Beyond the concentration more trials tell no more: the rate itself is spread.
    assert pull(1_000_000) < 1.5 * pull(100_000)


def test_binary_crossentropy_weighs_a_rate_by_its_trials() -> None:
    logit = np.array([[0.3], [-2.0], [1.0]])
    successes, trials = np.array([[3.0], [0.0], [0.0]]), np.array([[10.0], [4.0], [0.0]])
    loss = binary_crossentropy_loss(logit, successes, trials).numpy()
    rate = expit(logit)
    expected = -(successes * np.log(rate) + (trials - successes) * np.log(1 - rate))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
