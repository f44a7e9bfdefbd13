"""Compares the arms of a group by their densities: which is best, and what a wrong choice costs.

Given the group's offset m, the arms are independent. With f and F the density and distribution
function of an arm,

    P(i is best)    = E_m  integral of f_i * product over k != i of F_k
    E(best) - E(i)  = E_m  integral of F_i * (1 - product over k != i of F_k)  d value
    P(i above c)    = E_m  integral of f_i * F_c

all on one set of nodes for each offset, placed where the arms' densities have their mass.

g groups of a arms, j coarse nodes of the offset, n nodes of the quantity that is compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_REACH = 5.0
# Nodes of a group, shared equally by its arms; each arm spreads its share over its own density. For
# very unlike groups, chances were off by at most 0.0016 (`deciding_bench.exact`).
_NODES = 75
_MIN_NODES_OF_AN_ARM = 14
_SMOOTHED = 3
# A smaller chance is lost in rounding.
_NO_CHANCE = 1e-12
# Floor for distribution functions, so that their logarithms are finite.
_LEAST = 1e-300
# With more arms, only those that reach highest get nodes: the others are seldom the best.
MAX_ARMS_WITH_NODES = 32


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the arms of some groups compare.

    Attributes:
        chance_best: Chance that no other arm is better, (g, a); they sum to 1.
        loss: Expected loss of choosing the arm, in rates, (g, a).
        chance_above: Chance that the arm is above the control, (g, a); NaN for the control
            itself and in groups without one.
    """

    chance_best: Array
    loss: Array
    chance_above: Array


@dataclass(frozen=True, slots=True)
class Table:
    """Densities of all arms of some groups on shared nodes, for some offset nodes.

    Attributes:
        weights: Probability of each node of the offset, (g, j).
        nodes: Rising nodes, on a scale on which densities are smooth, (g, j, n).
        values: Rates or values at the nodes, (g, j, n).
        density: Density of each arm given the offset, (g, j, a, n).
        below: Distribution function of each arm, from 0 to 1, (g, j, a, n).
    """

    weights: Array
    nodes: Array
    values: Array
    density: Array
    below: Array


def common_nodes(means: Array, deviations: Array) -> Array:
    """Shared nodes for each offset, to which each arm contributes, (g, j, n).

    Args:
        means: Mean of each arm's density, (g, j, a).
        deviations: Standard deviation of each arm's density, (g, j, a).
    """
    arms = means.shape[2]
    if arms > MAX_ARMS_WITH_NODES:
        highest = np.argsort(-(means + 3 * deviations), axis=2, kind="stable")
        highest = highest[:, :, :MAX_ARMS_WITH_NODES]
        means, deviations = (np.take_along_axis(x, highest, axis=2) for x in (means, deviations))
        arms = MAX_ARMS_WITH_NODES
    reach = np.linspace(-_REACH, _REACH, max(_MIN_NODES_OF_AN_ARM, -(-_NODES // arms)))
    nodes = means[..., None] + deviations[..., None] * reach
    nodes = np.sort(nodes.reshape(*nodes.shape[:2], -1), axis=-1)
    # Averaging neighbouring nodes makes them more even where densities overlap, which halves the
    # error of all sums. Averaging more of them would leave too few to a narrow density.
    together = min(arms, _SMOOTHED)
    sums = np.cumsum(nodes, axis=-1)
    sums[..., together:] -= sums[..., :-together].copy()
    even: Array = sums[..., together - 1 :] / together
    return even


def compare(tables: Iterable[Table], control: NDArray[np.int64]) -> Comparison:
    """Compares the arms of each group.

    Args:
        tables: Densities of the arms, for all offset nodes.
        control: Index of the arm that others are compared with, (g,); -1 if there is none.
    """
    best, loss, above = np.zeros(1), np.zeros(1), np.full(1, np.nan)
    has_control = bool((control >= 0).any())
    for number, table in enumerate(tables):
        others = _product_of_others(table.below)
        best = best + _chance_best(table, others)
        np.subtract(1, others, out=others)
        others *= table.below
        loss = loss + _average(table, _integral(others, table.values))
        if has_control:
            chance = _chance_above(table, control)
            above = above + chance if number else chance
    return Comparison(best, loss, np.broadcast_to(above, best.shape))


def chance_best(tables: Iterable[Table]) -> Array:
    """Chance that no other arm is better, (g, a); they sum to 1."""
    parts = [_chance_best(table, _product_of_others(table.below)) for table in tables]
    return sum(parts, np.zeros(1))


def _chance_best(table: Table, others: Array) -> Array:
    best = _integral(table.density * others, table.nodes)
    best /= best.sum(axis=-1, keepdims=True)
    best[best < _NO_CHANCE] = 0
    return _average(table, best)


def _chance_above(table: Table, control: NDArray[np.int64]) -> Array:
    place = np.maximum(control, 0)[:, None, None, None]
    below = np.take_along_axis(table.below, place, axis=2)
    density = np.take_along_axis(table.density, place, axis=2)
    above = _integral(table.density * below, table.nodes)
    under = _integral(table.below * density, table.nodes)
    average = _average(table, above / (above + under))
    arms = np.arange(average.shape[1])
    without = (control[:, None] < 0) | (arms == control[:, None])
    return np.where(without, np.nan, average)


def _average(table: Table, given: Array) -> Array:
    """Averages over the offset nodes, (g, j, a) -> (g, a)."""
    average: Array = (given * table.weights[..., None]).sum(axis=1)
    return average


def _product_of_others(below: Array) -> Array:
    """For each arm, the product over all other arms, (g, j, a, n)."""
    product = np.maximum(below, _LEAST)
    np.log(product, out=product)
    np.subtract(product.sum(axis=2, keepdims=True), product, out=product)
    return np.exp(product, out=product)


def antiderivative(values: Array, slopes: Array, x: Array) -> Array:
    """Integral up to each node of values with known slopes; exact for cubics.

    The values are densities, so the integral is kept from falling: across the gap between two
    narrow densities, the slopes at its ends would make it fall.
    """
    step = np.diff(x, axis=-1)
    parts = values[..., :-1] + values[..., 1:]
    parts *= step / 2
    bend = slopes[..., :-1] - slopes[..., 1:]
    bend *= step**2 / 12
    parts += bend
    np.maximum(parts, 0, out=parts)
    integral = np.zeros_like(values)
    np.cumsum(parts, axis=-1, out=integral[..., 1:])
    return integral


def _integral(values: Array, x: Array) -> Array:
    """Integral by the trapezoid rule of each arm's values at its group's nodes, (g, j, a)."""
    half = np.diff(x, axis=-1) / 2
    weights = np.zeros_like(x)
    weights[..., 1:] += half
    weights[..., :-1] += half
    integral: Array = (values @ weights[..., None])[..., 0]
    return integral
