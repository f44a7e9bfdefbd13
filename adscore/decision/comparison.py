"""Densities of the arms of a group -> which is best, how surely, and what a wrong choice costs.

Given the group's offset the arms are independent. So, with f and F the density and distribution
of an arm,

    P(i is best)    = E_m  integral of f_i * product over k != i of F_k
    E(best) - E(i)  = E_m  integral of F_i * (1 - product over k != i of F_k)  d value
    P(i above c)    = E_m  integral of f_i * F_c

all on one set of nodes for each offset, which lie where any arm's density does.

g groups of a arms, j coarse nodes of the offset, n nodes of what is compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_REACH = 5.5
# Of a group. Each arm brings an equal part of them, spread over its own density.
_NODES = 90
_MIN_NODES_OF_AN_ARM = 17
# Of more arms, the nodes of those that reach highest are enough: the others are seldom the best.
MAX_ARMS_WITH_NODES = 32


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


@dataclass(frozen=True, slots=True)
class Table:
    """Densities of all arms of some groups on nodes that they share, for some nodes of the offset.

    Attributes:
        weights: Probability of each node of the offset, (g, j).
        nodes: Rising, on a scale on which densities are smooth, (g, j, n).
        values: What these are worth, in rates or in values, (g, j, n).
        density: Of each arm given the offset, (g, j, a, n).
        below: Its distribution function, from 0 to 1.
    """

    weights: Array
    nodes: Array
    values: Array
    density: Array
    below: Array


def common_nodes(means: Array, deviations: Array) -> Array:
    """Nodes for each offset, of which each arm brings its share, (g, j, n).

    Args:
        means: Of each arm's density, (g, j, a).
        deviations: The same.
    """
    arms = means.shape[2]
    if arms > MAX_ARMS_WITH_NODES:
        highest = np.argsort(-(means + 3 * deviations), axis=2, kind="stable")
        highest = highest[:, :, :MAX_ARMS_WITH_NODES]
        means, deviations = (np.take_along_axis(x, highest, axis=2) for x in (means, deviations))
        arms = MAX_ARMS_WITH_NODES
    reach = np.linspace(-_REACH, _REACH, max(_MIN_NODES_OF_AN_ARM, -(-_NODES // arms)))
    nodes = means[..., None] + deviations[..., None] * reach
    return np.sort(nodes.reshape(*nodes.shape[:2], -1), axis=-1)


def compare(tables: Iterable[Table], control: NDArray[np.int64]) -> Comparison:
    """Compares the arms of each group.

    Args:
        tables: Their densities, for all nodes of the offset.
        control: Place of the arm that others are compared with, (g,); -1 where there is none.
    """
    best, loss, above = np.zeros(1), np.zeros(1), np.full(1, np.nan)
    has_control = bool((control >= 0).any())
    for number, table in enumerate(tables):
        others = _product_of_others(table.below)
        lost = integral(table.below * (1 - others), table.values[:, :, None])
        loss = loss + (lost * table.weights[..., None]).sum(axis=1)
        best = best + _chance_best(table, others)
        if has_control:
            chance = _chance_above(table, control)
            above = above + chance if number else chance
    return Comparison(best, loss, np.broadcast_to(above, best.shape))


def chance_best(tables: Iterable[Table]) -> Array:
    """Chance that no other arm is better, (g, a); they sum to 1."""
    parts = [_chance_best(table, _product_of_others(table.below)) for table in tables]
    return sum(parts, np.zeros(1))


def _chance_best(table: Table, others: Array) -> Array:
    best = integral(table.density * others, table.nodes[:, :, None])
    best /= best.sum(axis=-1, keepdims=True)
    average: Array = (best * table.weights[..., None]).sum(axis=1)
    return average


def _chance_above(table: Table, control: NDArray[np.int64]) -> Array:
    place = np.maximum(control, 0)[:, None, None, None]
    below = np.take_along_axis(table.below, place, axis=2)
    density = np.take_along_axis(table.density, place, axis=2)
    above = integral(table.density * below, table.nodes[:, :, None])
    under = integral(table.below * density, table.nodes[:, :, None])
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


def antiderivative(values: Array, slopes: Array, x: Array) -> Array:
    """The integral up to each node, of values whose slopes are known: exact for cubics.

    The values are densities, so that it never falls: across the gap between two narrow ones the
    slopes at its ends would say otherwise.
    """
    step = np.diff(x, axis=-1)
    parts = step / 2 * (values[..., :-1] + values[..., 1:])
    parts += step**2 / 12 * (slopes[..., :-1] - slopes[..., 1:])
    np.maximum(parts, 0, out=parts)
    integral = np.zeros(np.broadcast_shapes(values.shape, x.shape))
    np.cumsum(parts, axis=-1, out=integral[..., 1:])
    return integral


def integral(values: Array, x: Array) -> Array:
    """By the trapezoid rule, over the last axis."""
    half = np.diff(x, axis=-1) / 2
    integral: Array = (half * (values[..., :-1] + values[..., 1:])).sum(axis=-1)
    return integral
