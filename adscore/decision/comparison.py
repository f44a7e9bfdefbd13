"""Posteriors of the arms of a group -> which is best, how surely, and what a wrong choice costs.

Given the group's offset the arms are independent. So, with f and F the density and distribution
of an arm,

    P(i is best)      = E_m  integral of f_i * product over k != i of F_k
    E(best) - E(i)    = E_m  integral of F_i * (1 - product over k != i of F_k)  d rate
    P(i above c)      = E_m  integral of f_i * F_c

all on one set of nodes for each offset, which lie where any arm's density does.

g groups of a arms, j coarse nodes of the offset, n nodes of u.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from adscore.decision.posterior import Posterior

Array = NDArray[np.float64]

_REACH = 5.5
# Of a group. Each arm brings an equal part of them, spread over its own density.
_NODES = 110
_MIN_NODES_OF_AN_ARM = 17


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the arms of some groups compare.

    Attributes:
        chance_best: Chance that no other arm is better, (g, a); they sum to 1.
        loss: Expected loss of choosing the arm, in rates, (g, a).
        chance_above: Chance that the arm is above the control, (g, a); NaN without a control, and
            of the control.
    """

    chance_best: Array
    loss: Array
    chance_above: Array


def compare(posterior: Posterior, control: NDArray[np.int64] | None = None) -> Comparison:
    """Compares the arms of each group.

    Args:
        posterior: Of their rates.
        control: Place of the arm that others are compared with, (g,); -1 where there is none.
    """
    table = tabulate(posterior)
    others = _product_of_others(table.below)
    best = _integral(table.density * others, table.nodes[:, :, None])
    best /= best.sum(axis=-1, keepdims=True)
    rates = expit(table.nodes)[:, :, None]
    loss = _integral(table.below * (1 - others), rates)
    above = np.full(best.shape[::2], np.nan)
    if control is not None:
        above = _chance_above(table, control)
    average = table.weights[..., None]
    return Comparison((best * average).sum(axis=1), (loss * average).sum(axis=1), above)


@dataclass(frozen=True, slots=True)
class Table:
    """Densities of all arms of some groups on nodes that they share.

    Attributes:
        weights: Probability of each coarse node of the offset, (g, j); they sum to 1.
        nodes: Rising, (g, j, n).
        density: Of each arm's u given the offset, (g, j, a, n).
        below: Its distribution function, from 0 to 1.
    """

    weights: Array
    nodes: Array
    density: Array
    below: Array


def tabulate(posterior: Posterior) -> Table:
    """Lays the arms' densities on common nodes, of which each arm brings its share."""
    evidence = posterior.evidence
    arms = evidence.logits.shape[1]
    reach = np.linspace(-_REACH, _REACH, max(_MIN_NODES_OF_AN_ARM, -(-_NODES // arms)))
    means = np.swapaxes(posterior.means, 1, 2)[..., None]  # (g, j, a, 1)
    nodes = means + np.swapaxes(posterior.deviations, 1, 2)[..., None] * reach
    nodes = np.sort(nodes.reshape(*nodes.shape[:2], -1), axis=-1)
    # log f = successes * u + trials * log(1 - rate) - (u - centre)^2 / 2 residual^2
    trials = evidence.trials[:, None, :, None]
    successes = evidence.successes[:, None, :, None]
    precision = evidence.residual[:, None, :, None] ** -2
    offsets = posterior.offsets[:, posterior.coarse]
    centre = offsets[:, :, None, None] + evidence.logits[:, None, :, None]

    def log_density(u: Array, log_miss: Array) -> Array:
        value: Array = successes * u + trials * log_miss - precision / 2 * (u - centre) ** 2
        return value

    u = nodes[:, :, None]
    density = log_density(u, -np.logaddexp(0, u)) - log_density(means, -np.logaddexp(0, means))
    np.exp(density, out=density)
    slope = density * (successes - trials * expit(u) - precision * (u - centre))
    below = _antiderivative(density, slope, nodes[:, :, None])
    total = below[..., -1:].copy()
    below /= total
    density /= total
    np.clip(below, 0, 1, out=below)
    weights = posterior.weights[:, posterior.coarse]
    return Table(weights / weights.sum(axis=1, keepdims=True), nodes, density, below)


def _chance_above(table: Table, control: NDArray[np.int64]) -> Array:
    place = np.maximum(control, 0)[:, None, None, None]
    below = np.take_along_axis(table.below, place, axis=2)
    density = np.take_along_axis(table.density, place, axis=2)
    above = _integral(table.density * below, table.nodes[:, :, None])
    under = _integral(table.below * density, table.nodes[:, :, None])
    average = (above / (above + under) * table.weights[..., None]).sum(axis=1)
    arms = np.arange(average.shape[1])
    without = (control[:, None] < 0) | (arms == control[:, None])
    return np.where(without, np.nan, average)


def _product_of_others(below: Array) -> Array:
    """For each arm the product over all others, (g, j, a, n)."""
    arms = below.shape[2]
    product = np.empty_like(below)
    product[:, :, 0] = 1
    for arm in range(1, arms):
        np.multiply(product[:, :, arm - 1], below[:, :, arm - 1], out=product[:, :, arm])
    after = np.ones_like(below[:, :, 0])
    for arm in range(arms - 2, -1, -1):
        after = after * below[:, :, arm + 1]
        product[:, :, arm] *= after
    return product


def _antiderivative(values: Array, slopes: Array, x: Array) -> Array:
    """The integral up to each node, of values whose slopes are known: exact for cubics."""
    step = np.diff(x, axis=-1)
    parts = step / 2 * (values[..., :-1] + values[..., 1:])
    parts += step**2 / 12 * (slopes[..., :-1] - slopes[..., 1:])
    integral = np.zeros(np.broadcast_shapes(values.shape, x.shape))
    np.cumsum(parts, axis=-1, out=integral[..., 1:])
    return integral


def _integral(values: Array, x: Array) -> Array:
    """By the trapezoid rule, over the last axis."""
    half = np.diff(x, axis=-1) / 2
    integral: Array = (half * (values[..., :-1] + values[..., 1:])).sum(axis=-1)
    return integral
