"""Likelihood of counts, in NumPy: where a fit starts, when it stops, how it is calibrated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit, logit, logsumexp

Array = NDArray[np.float64]

# Offsets at which a campaign's effect is integrated out, in logits: three deviations.
OFFSET_GRID = np.linspace(-3.0, 3.0, 61)


@dataclass(frozen=True, slots=True)
class Start:
    """What the counts say before any creative is looked at; each attribute (targets,).

    Attributes:
        logit: Logit of the overall rate.
        log_concentration: How narrowly rates spread around their group's.
    """

    logit: Array
    log_concentration: Array


def starting_point(successes: Array, trials: Array, groups: NDArray[np.int64] | None) -> Start:
    """Finds the start of a fit.

    A network that had to find the spread by small steps would spend its first passes on it.

    Args:
        successes: (rows, targets), with successes and failures for each target.
        trials: (rows, targets).
        groups: (rows,), or None.
    """
    overall = logit(successes.sum(axis=0) / trials.sum(axis=0))
    number = np.zeros(len(trials), dtype=np.int64)
    if groups is not None:
        number = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((2, number.max() + 1, trials.shape[1]))
    np.add.at(sums[0], number, successes)
    np.add.at(sums[1], number, trials)
    # Half a success and half a failure more keep a group of none or all inside (0, 1).
    by_row = logit((sums[0] + 0.5) / (sums[1] + 1))[number]
    spread = [
        minimize_scalar(
            lambda value, t=target: (
                -log_likelihood(by_row[:, t], value, successes[:, t], trials[:, t]).mean()
            ),
            bounds=(0.0, 14.0),
        ).x
        for target in range(trials.shape[1])
    ]
    return Start(overall, np.array(spread))


def log_likelihood(
    logit: Array, log_concentration: Array, successes: Array, trials: Array
) -> Array:
    """Beta-binomial log likelihood without its constant, in nats; arguments broadcast."""
    concentration = np.exp(np.asarray(log_concentration, dtype=np.float64))
    mean = expit(np.asarray(logit, dtype=np.float64))
    alpha, beta = mean * concentration, (1 - mean) * concentration
    values: Array = betaln(alpha + successes, beta + trials - successes) - betaln(alpha, beta)
    return values


def grouped_log_likelihood(
    logit: Array,
    log_concentration: Array,
    successes: Array,
    trials: Array,
    groups: NDArray[np.int64],
) -> float:
    """Log likelihood of groups never seen, their unknown offsets integrated out.

    Each group has one offset for each target, standard normal in logits; the integral is a
    sum over a grid.

    Args:
        logit: (rows, targets).
        log_concentration: (rows, targets).
        successes: (rows, targets).
        trials: (rows, targets).
        groups: (rows,).

    Returns:
        The sum over groups and targets, in nats.
    """
    _, number = np.unique(groups, return_inverse=True)
    by_offset = log_likelihood(
        logit[..., None] + OFFSET_GRID,
        log_concentration[..., None],
        successes[..., None],
        trials[..., None],
    )
    by_group = np.zeros((number.max() + 1, *by_offset.shape[1:]))
    np.add.at(by_group, number, by_offset)
    prior = -(OFFSET_GRID**2) / 2
    prior -= logsumexp(prior)
    return float(logsumexp(by_group + prior, axis=-1).sum())
