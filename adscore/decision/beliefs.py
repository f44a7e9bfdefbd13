"""Beliefs about the arms' rates, or about their values if several targets have a value.

g groups of a arms each, j coarse nodes of the offset (of all combinations of offsets, if there are
several), n nodes of the quantity that is compared.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from adscore.creative import MIN_RATE
from adscore.decision.comparison import (
    MAX_ARMS_WITH_NODES,
    Table,
    antiderivative,
    common_nodes,
)
from adscore.decision.posterior import Posterior, crossing, log_miss, normal_scores
from adscore.decision.status import Counted

Array = NDArray[np.float64]

# Nodes of the logarithm of a value, on which its distribution is evaluated.
_VALUE_NODES = 161
_VALUE_REACH = 6.0
_MAX_LOGIT = 500.0  # its exponential does not overflow
# Arms times offset nodes in one table: each takes a kilobyte or more.
_TABLE_ARMS = 4_096


class Belief(ABC):
    """What is known about the arms of some groups."""

    @abstractmethod
    def mean(self) -> Array:
        """Expected rate or value, (g, a)."""

    @abstractmethod
    def quantile(self, probability: float) -> Array:
        """Quantile of each arm's rate or value, (g, a)."""

    @abstractmethod
    def counted(self) -> Counted:
        """What the counts alone say, without predictions."""

    @abstractmethod
    def resolved(self, trials: Array) -> Array:
        """The part of the variance that further trials of an arm would resolve, (g, a).

        Args:
            trials: Further trials, (g, a), at least 0.
        """

    @abstractmethod
    def tables(self, pull: Array | None = None) -> Iterator[Table]:
        """Yields densities on common nodes, for some offset nodes at a time.

        Args:
            pull: Factor on each arm's distance from its mean given the offset, above 0 and at
                most 1, (g, a); None means 1.
        """


@dataclass(frozen=True, slots=True)
class Rates(Belief):
    """Belief about the rates of one target.

    Attributes:
        posterior: Posterior of the rates.
        value: Value of a success.
    """

    posterior: Posterior
    value: float = 1.0

    def mean(self) -> Array:
        """See `Belief`."""
        return self.value * self.posterior.mean()

    def quantile(self, probability: float) -> Array:
        """See `Belief`."""
        return self.value * self.posterior.quantile(probability)

    def counted(self) -> Counted:
        """See `Belief`."""
        return Counted(self.value * observed_rate(self.posterior), squared_error(self.posterior))

    def resolved(self, trials: Array) -> Array:
        """See `Belief`."""
        return resolved_part(self.posterior, trials)

    def tables(self, pull: Array | None = None) -> Iterator[Table]:
        """See `Belief`; on nodes of u."""
        groups, arms, offsets = self.posterior.means.shape
        for part in _parts_of(offsets, groups * arms):
            yield self._table(part, pull)

    def _table(self, part: slice, pull: Array | None) -> Table:
        posterior = self.posterior
        deviations = np.swapaxes(posterior.deviations[..., part], 1, 2)
        centres = np.swapaxes(posterior.means[..., part], 1, 2)
        left = np.ones((1, 1, 1)) if pull is None else pull[:, None]
        nodes = common_nodes(centres, left * deviations)
        values = self.value * expit(nodes)
        weights = posterior.coarse_weights()[:, part]
        if centres.shape[2] > MAX_ARMS_WITH_NODES:
            # Too many arms for nodes of their own; in logits their densities are nearly normal.
            density, below = _normal(nodes, centres, left * deviations)
            return Table(weights, nodes, values, density, below)
        density, slope = self._density(nodes, part, pull)
        below = antiderivative(density, slope, nodes[:, :, None])
        total = below[..., -1:].copy()
        below /= total
        density /= total
        return Table(weights, nodes, values, density, below)

    def _density(self, nodes: Array, part: slice, pull: Array | None) -> tuple[Array, Array]:
        """Each arm's density up to a factor, and its slope, (g, j, a, n) each."""
        evidence = self.posterior.evidence
        means = np.swapaxes(self.posterior.means[..., part], 1, 2)[..., None]
        trials, successes = (x[:, None, :, None] for x in (evidence.trials, evidence.successes))
        precision = evidence.residual[:, None, :, None] ** -2
        offsets = self.posterior.offsets[:, self.posterior.coarse][:, part, None, None]
        prior = offsets + evidence.logits[:, None, :, None]

        u = nodes[:, :, None]
        if pull is not None:
            left = pull[:, None, :, None]
            u = u / left + means * (1 - 1 / left)
        # log f = successes * u + trials * log(1 - rate) - precision / 2 * (u - prior)^2, minus its
        # value at the mean. Its derivative is successes - trials * rate - precision * (u - prior).
        odds = np.exp(np.minimum(u, _MAX_LOGIT))  # with a pull, other arms' nodes lie far out
        missed = np.log1p(odds)
        missed += np.maximum(u - _MAX_LOGIT, 0)
        odds /= 1 + odds
        slope = u * -precision
        density = slope / 2
        density += successes + precision * prior
        density *= u
        density -= trials * missed
        at_mean = successes + precision * (prior - means / 2)
        density -= at_mean * means + trials * log_miss(means)
        np.exp(density, out=density)
        slope += successes + precision * prior
        slope -= trials * odds
        slope *= density
        if pull is not None:
            slope /= left
        return density, slope


@dataclass(frozen=True, slots=True)
class Values(Belief):
    """Belief about the sum of several targets' rates, each times the value of a success.

    To compare arms, the sum is taken as log-normal given all offsets, with its own mean and
    variance. This holds well for a sum of rates that are each known to a few tens of per cent
    (Fenton 1960, "The sum of log-normal probability distributions in scatter transmission
    systems").

    Attributes:
        posteriors: Posterior of each target's rates.
        worth: Value of a success of each target, above 0.
    """

    posteriors: Sequence[Posterior]
    worth: Sequence[float]

    def mean(self) -> Array:
        """See `Belief`."""
        pairs = zip(self.posteriors, self.worth, strict=True)
        return sum((worth * one.mean() for one, worth in pairs), np.zeros(1))

    def quantile(self, probability: float) -> Array:
        """See `Belief`; sums over the densities of the targets, which are independent."""
        first, *others = zip(self.posteriors, self.worth, strict=True)
        one, worth = first
        values, chances = worth * expit(one.nodes), one.density  # (g, a, k)
        for one, worth in others:
            logs, below = _sum(values, chances, one, worth)
            values, chances = np.exp(logs), np.gradient(below, axis=-1)
        quantile: Array = np.exp(crossing(logs, normal_scores(below), probability))
        return quantile

    def counted(self) -> Counted:
        """See `Belief`."""
        pairs = zip(self.posteriors, self.worth, strict=True)
        value = sum((worth * observed_rate(one) for one, worth in pairs), np.zeros(1))
        noise = self._parts([squared_error(one) for one in self.posteriors], power=2)
        return Counted(value, noise)

    def resolved(self, trials: Array) -> Array:
        """See `Belief`."""
        variances = [one.conditional_variance() for one in self.posteriors]
        parts = [resolved_part(one, trials) for one in self.posteriors]
        pairs = zip(variances, parts, strict=True)
        resolved = self._parts([variance * part for variance, part in pairs], power=2)
        return resolved / self._parts(variances, power=2)

    def tables(self, pull: Array | None = None) -> Iterator[Table]:
        """See `Belief`; on nodes of the value's logarithm."""
        weights, means, deviations = self._logarithms()
        if pull is not None:
            deviations = deviations * pull[:, None]
        groups, offsets, arms = means.shape
        for part in _parts_of(offsets, groups * arms):
            nodes = common_nodes(means[:, part], deviations[:, part])
            density, below = _normal(nodes, means[:, part], deviations[:, part])
            yield Table(weights[:, part], nodes, np.exp(nodes), density, below)

    def _parts(self, of_targets: Sequence[Array], power: int) -> Array:
        """Sum over targets, each weighted by a power of its share of the mean value."""
        whole = self.mean()
        rows = zip(self.posteriors, self.worth, of_targets, strict=True)
        return sum(
            ((worth * one.mean() / whole) ** power * part for one, worth, part in rows),
            np.zeros(1),
        )

    def _logarithms(self) -> tuple[Array, Array, Array]:
        """For each combination of offsets: weight (g, j), log mean and deviation (g, j, a)."""
        weights, mean, variance = np.ones((1, 1)), np.zeros((1, 1, 1)), np.zeros((1, 1, 1))
        for one, worth in zip(self.posteriors, self.worth, strict=True):
            rate, squares = one.rate_moments()  # (g, coarse, a)
            weights = _every_pair(weights[..., None], one.coarse_weights()[..., None], np.multiply)
            weights = weights[..., 0]
            mean = _every_pair(mean, worth * rate, np.add)
            variance = _every_pair(variance, worth**2 * squares, np.add)
        log_variance = np.log1p(variance / mean**2)
        return weights, np.log(mean) - log_variance / 2, np.sqrt(log_variance)


def _sum(values: Array, chances: Array, one: Posterior, worth: float) -> tuple[Array, Array]:
    """Distribution of the sum of a discrete value and the value of one more target.

    Args:
        values: Values, (g, a, k).
        chances: Probability of each value, (g, a, k); they sum to 1.
        one: Posterior of the further target's rates.
        worth: Value of a success of that target.

    Returns:
        Even nodes of the sum's logarithm, (g, a, n), and the probability to be below each.
    """
    further = worth * expit(one.nodes)
    means, variances = [], []
    for nodes, weights in ((values, chances), (further, one.density)):
        means.append((nodes * weights).sum(axis=-1))
        variances.append((nodes**2 * weights).sum(axis=-1) - means[-1] ** 2)
    mean = means[0] + means[1]
    deviation = np.sqrt(np.log1p((variances[0] + variances[1]) / mean**2))
    reach = np.linspace(-_VALUE_REACH, _VALUE_REACH, _VALUE_NODES)
    logs = np.log(mean)[..., None] + deviation[..., None] * reach
    whole, scores, below = np.exp(logs), one.scores(), np.zeros_like(logs)
    for place in range(values.shape[-1]):
        # Upper limit of the further target's rate, given one of the values.
        left = (whole - values[..., place, None]) / worth
        at = logit(np.clip(left, MIN_RATE**2, 1 - MIN_RATE))
        below += chances[..., place, None] * ndtr(_on_even_nodes(at, one.nodes, scores))
    return logs, below


def _on_even_nodes(at: Array, nodes: Array, values: Array) -> Array:
    """Interpolates a function on even nodes, (g, a, k), linearly at (g, a, n) places."""
    step = nodes[..., 1:2] - nodes[..., :1]
    place = np.clip((at - nodes[..., :1]) / step, 0, nodes.shape[-1] - 1 - 1e-9)
    left = place.astype(np.intp)
    low, high = (np.take_along_axis(values, left + one, axis=-1) for one in (0, 1))
    between: Array = low + (place - left) * (high - low)
    return between


def _parts_of(offsets: int, arms: int) -> Iterator[slice]:
    """Slices of the offset nodes, sized to bound the memory of a table."""
    size = max(1, _TABLE_ARMS // arms)
    for start in range(0, offsets, size):
        yield slice(start, start + size)


def _normal(nodes: Array, means: Array, deviations: Array) -> tuple[Array, Array]:
    """Density and distribution function of each arm, (g, j, a, n) each."""
    score = (nodes[:, :, None] - means[..., None]) / deviations[..., None]
    density = np.exp(-(score**2) / 2) / (np.sqrt(2 * np.pi) * deviations[..., None])
    return density, ndtr(score)


def _every_pair(first: Array, second: Array, combine: np.ufunc) -> Array:
    """(g, j, a) and (g, l, a) -> (g, j * l, a)."""
    pairs: Array = combine(first[:, :, None], second[:, None])
    return pairs.reshape(pairs.shape[0], -1, pairs.shape[-1])


def observed_rate(posterior: Posterior) -> Array:
    """Successes over trials, (g, a); NaN without trials."""
    evidence = posterior.evidence
    with np.errstate(invalid="ignore"):
        rate: Array = evidence.successes / evidence.trials
    return rate


def squared_error(posterior: Posterior) -> Array:
    """Squared error of a log rate by counts alone: 1 / expected successes, (g, a)."""
    with np.errstate(divide="ignore"):
        error: Array = 1 / (posterior.evidence.trials * posterior.mean())
    return error


def resolved_part(posterior: Posterior, trials: Array) -> Array:
    """Part of a logit's variance, given the offset, that more trials would resolve, (g, a)."""
    rate = posterior.mean()
    told = trials * posterior.conditional_variance() * rate * (1 - rate)
    part: Array = told / (1 + told)
    return part
