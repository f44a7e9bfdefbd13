"""How probable the model made what happened: log loss and deviance explained."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from adscore.evaluation.outcomes import Floats, read_outcomes

# A float32 sigmoid saturates at exactly 1; one such row must not turn the figure infinite.
_LEAST_RATE = 1e-12


def log_loss(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float | None:
    """Mean negative log likelihood of a trial under the predicted rate.

    The likelihood is Bernoulli's, of the mean alone: each trial counts once, models with
    and without a concentration compare, and 0/1 labels give the usual cross-entropy.

    Args:
        mean: (n,) predicted rate, from 0 to 1; taken as at least 1e-12 from both ends.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.

    Returns:
        Nats per trial, from 0; None without a trial.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = read_outcomes(mean, successes, trials)
    if not len(rows.trials):
        return None
    rate = np.clip(rows.mean, _LEAST_RATE, 1 - _LEAST_RATE)
    failures = rows.trials - rows.successes
    log_likelihood = rows.successes * np.log(rate) + failures * np.log1p(-rate)
    return float(-log_likelihood.sum() / rows.trials.sum())


def deviance_explained(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float | None:
    """Share of the binomial deviance of a constant rate that the prediction removes.

    1 - D(model) / D(constant), the constant being the overall observed rate of these rows,
    so the comparison is with a constant that has seen the answers. With one trial a row this
    is McFadden's R² (1974); in general that of Cameron and Windmeijer (1997).

    Args:
        mean: (n,) predicted rate, from 0 to 1; taken as at least 1e-12 from both ends.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.

    Returns:
        At most 1; 0 is as good as the constant, below 0 is worse. None where all observed
        rates are equal (all 0 or all 1 included): there is nothing to explain.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = read_outcomes(mean, successes, trials)
    if not len(rows.trials) or (rows.observed == rows.observed[0]).all():
        return None
    rate = np.clip(rows.mean, _LEAST_RATE, 1 - _LEAST_RATE)
    overall = np.full_like(rate, rows.successes.sum() / rows.trials.sum())
    of_model = _half_deviance(rate, rows.observed, rows.trials)
    of_constant = _half_deviance(overall, rows.observed, rows.trials)
    return 1 - of_model / of_constant


def _half_deviance(rate: Floats, observed: Floats, trials: Floats) -> float:
    """Trials times the Kullback-Leibler divergence from observed to predicted, summed."""
    divergence = special.rel_entr(observed, rate) + special.rel_entr(1 - observed, 1 - rate)
    return float((trials * divergence).sum())
