"""Likelihood of counts, in NumPy: for the start of a fit, early stopping and calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit, logit, logsumexp

Array = NDArray[np.float64]

# Range of integration over a group's offset: five standard deviations, in logits.
MAX_OFFSET = 5.0
# Nodes of the integral. They are narrowed twice to where the integrand is above e^-30 of its peak,
# since with millions of impressions the peak is only thousandths of a logit wide.
NODES = 41
NARROWINGS = 2
MIN_LOG_DENSITY = -30.0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Observed counts of some rows.

    Attributes:
        successes: Successes, (rows, targets).
        trials: Trials, (rows, targets).
        groups: Group of each row, numbered from 0 without gaps, (rows,).
        grouped: Whether rows share groups.
    """

    successes: Array
    trials: Array
    groups: NDArray[np.int64]
    grouped: bool

    def of(self, rows: NDArray[np.int64]) -> "Outcomes":
        """The counts of some of the rows, with groups renumbered."""
        groups = np.unique(self.groups[rows], return_inverse=True)[1]
        return Outcomes(self.successes[rows], self.trials[rows], groups, self.grouped)


@dataclass(frozen=True, slots=True)
class Start:
    """Starting values from the counts alone, without the creatives; arrays are (targets,).

    Attributes:
        logit: Logit of the overall rate.
        log_concentration: Log concentration of rates around their group's rate.
    """

    logit: Array
    log_concentration: Array


def starting_point(outcomes: Outcomes) -> Start:
    """Finds the starting values of a fit.

    Gradient descent would need its first passes just to find the spread.

    Args:
        outcomes: Counts, with successes and failures for each target.
    """
    successes, trials = outcomes.successes, outcomes.trials
    overall = logit(successes.sum(axis=0) / trials.sum(axis=0))
    number = outcomes.groups if outcomes.grouped else np.zeros(len(trials), dtype=np.int64)
    sums = np.zeros((2, number.max() + 1, trials.shape[1]))
    np.add.at(sums[0], number, successes)
    np.add.at(sums[1], number, trials)
    # Add half a success and half a failure, so that every group's rate is inside (0, 1).
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


def evidence(successes: Array, trials: Array, concentration: float | Array) -> tuple[Array, Array]:
    """Precision and regression target of each row for a linear model of one target; (n,) each.

    For rates, the target is the log rate: it varies by chance and, whatever the trials, between
    creatives, so that beyond the concentration further trials add little. For 0/1 labels, it is
    that of the first step of a logistic regression from the mean.
    """
    if trials.max() <= 1:
        mean = successes.sum() / trials.sum()
        precision = mean * (1 - mean) * trials
        return precision, (successes - mean * trials) / (mean * (1 - mean))
    weight = trials / (1 + trials / concentration)
    rate = (successes + 0.5) / (trials + 1)
    return weight / weight.mean(), np.log(rate) - np.log1p(-rate)


def sums_inside_groups(
    logit: Array, goal: Array, precision: Array, groups: NDArray[np.int64], offsets: float
) -> tuple[float, float, float]:
    """Sums of logit^2, logit * goal and goal^2, net of the mean and the groups' offsets.

    The second over the first is the slope of generalised least squares (Aitken 1936); the part it
    explains is the second squared over the first.

    Args:
        logit: Predicted logits, (n,).
        goal: Regression targets, (n,).
        precision: Precision of each row, (n,).
        groups: Group of each row, numbered from 0, (n,).
        offsets: Variance of the groups' offsets.
    """
    share = offsets / (1 + offsets * np.bincount(groups, precision))

    def seen(values: Array) -> Array:
        weighted = precision * values
        left: Array = weighted - precision * (share * np.bincount(groups, weighted))[groups]
        return left

    ones = seen(np.ones_like(goal))
    total = max(float(ones.sum()), 1e-12)
    logit, goal = (values - ones @ values / total for values in (logit, goal))
    weighted = seen(logit)
    return float(weighted @ logit), float(weighted @ goal), float(seen(goal) @ goal)


def log_likelihood(
    logit: Array, log_concentration: Array, successes: Array, trials: Array
) -> Array:
    """Beta-binomial log likelihood without its constant, in nats; arguments broadcast."""
    concentration = np.exp(np.asarray(log_concentration, dtype=np.float64))
    mean = expit(np.asarray(logit, dtype=np.float64))
    alpha, beta = mean * concentration, (1 - mean) * concentration
    values: Array = betaln(alpha + successes, beta + trials - successes) - betaln(alpha, beta)
    return values


def grouped_log_likelihood(logit: Array, log_concentration: Array, outcomes: Outcomes) -> float:
    """Log likelihood of unseen groups, with their unknown offsets integrated out.

    Each group has one offset for each target, standard normal in logits.

    Args:
        logit: Predicted logits, (rows, targets).
        log_concentration: Predicted log concentrations, (rows, targets).
        outcomes: Counts of these rows.

    Returns:
        The sum over groups and targets, in nats.
    """
    number = outcomes.groups
    shape = (number.max() + 1, logit.shape[1])

    def log_integrand(offset: Array) -> Array:
        """Log integrand of each group and target at its own offsets, (groups, targets, nodes)."""
        by_row = log_likelihood(
            logit[..., None] + offset[number],
            log_concentration[..., None],
            outcomes.successes[..., None],
            outcomes.trials[..., None],
        )
        by_group: Array = -(offset**2 + np.log(2 * np.pi)) / 2
        np.add.at(by_group, number, by_row)
        return by_group

    offset = np.broadcast_to(np.linspace(-MAX_OFFSET, MAX_OFFSET, NODES), (*shape, NODES))
    for _ in range(NARROWINGS):
        offset = _around_peak(offset, log_integrand(offset))
    step = offset[..., 1] - offset[..., 0]
    return float((logsumexp(log_integrand(offset), axis=-1) + np.log(step)).sum())


def _around_peak(nodes: Array, values: Array) -> Array:
    """The same number of nodes over the part that matters, plus one step at both ends."""
    counts = values > values.max(axis=-1, keepdims=True) + MIN_LOG_DENSITY
    low = np.where(counts, nodes, np.inf).min(axis=-1)
    high = np.where(counts, nodes, -np.inf).max(axis=-1)
    step = nodes[..., 1] - nodes[..., 0]
    return np.linspace(low - step, high + step, nodes.shape[-1], axis=-1)
