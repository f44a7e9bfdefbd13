"""Predicted logits and counts of the arms of a group -> the posterior of each arm's rate.

    logit p_i = m + s_i + e_i,   m ~ N(0, between^2),   e_i ~ N(0, residual_i^2),
    successes_i ~ Binomial(trials_i, p_i)

m is what all arms of the group share, s_i what the model predicts, e_i what it leaves. Given m the
arms are independent, so that sums over even grids of m and of each u_i = logit p_i give every
integral: of smooth densities that vanish at both ends the trapezoid rule is exact but for an error
that falls exponentially with the number of nodes (Trefethen and Weideman 2014, "The exponentially
convergent trapezoidal rule").

g groups of a arms each; j nodes of m, k nodes of each u.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

Array = NDArray[np.float64]

# How far grids reach, in standard deviations.
_REACH = 6.0
# Nodes of m lie at most as far apart as this many standard deviations of what they are summed
# with; the rule's error is below 1e-5 there.
_MAX_STEP = 1.2
_MAX_RATE_STEP = 0.8
_OFFSET_NODES = (13, 25, 49, 97)
# Of these, some a standard deviation apart, from -3 to 3, are enough to average a smooth function
# of m.
_COARSE_REACH = 3
_RATE_NODES = (32, 64, 128, 256)
_NEWTON_STEPS = 50
_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of some groups of as many arms each. Discounted counts may be fractions.

    Attributes:
        logits: Predicted logits, (g, a).
        residual: Standard deviation of what the model leaves of each, in logits, (g, a).
        between: Standard deviation of the groups' offsets, in logits, (g,).
        trials: (g, a), at least 0.
        successes: (g, a), from 0 to the trials.
    """

    logits: Array
    residual: Array
    between: Array
    trials: Array
    successes: Array

    def rows(self, chosen: slice | NDArray[np.intp]) -> "Evidence":
        """That of some of the groups."""
        return Evidence(
            self.logits[chosen],
            self.residual[chosen],
            self.between[chosen],
            self.trials[chosen],
            self.successes[chosen],
        )


def sloped(logits: Array, slope: float) -> Array:
    """Predicted logits whose differences inside each group are multiplied by a slope, (g, a)."""
    centre = logits.mean(axis=1, keepdims=True)
    result: Array = centre + slope * (logits - centre)
    return result


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of the rates of some groups' arms.

    Attributes:
        evidence: Where it comes from.
        offsets: Nodes of m, (g, j).
        weights: Probability of each, (g, j); they sum to 1.
        nodes: Nodes of u, (g, a, k).
        density: Probability of each, (g, a, k); they sum to 1.
        coarse: Which nodes of m are enough for averages of smooth functions.
        means: Mean of u given each coarse node of m, (g, a, coarse).
        deviations: Standard deviation of the same.
        log_evidence: Log likelihood of the counts, without the binomial coefficients, (g,).
    """

    evidence: Evidence
    offsets: Array
    weights: Array
    nodes: Array
    density: Array
    coarse: slice
    means: Array
    deviations: Array
    log_evidence: Array

    def mean(self) -> Array:
        """Expected rate of each arm, (g, a)."""
        rates: Array = (self.density * expit(self.nodes)).sum(axis=-1)
        return rates

    def conditional_variance(self) -> Array:
        """Variance of each u given the offset, on average: what sets the arms apart, (g, a)."""
        variance: Array = (self.deviations**2 * self.coarse_weights()[:, None]).sum(axis=-1)
        return variance

    def coarse_weights(self) -> Array:
        """Probability of each coarse node of m, (g, coarse); they sum to 1."""
        weights = self.weights[:, self.coarse]
        normed: Array = weights / weights.sum(axis=1, keepdims=True)
        return normed

    def rate_moments(self) -> tuple[Array, Array]:
        """Mean and variance of each rate given each coarse node of m, (g, coarse, a) each."""
        # Gauss and Hermite's rule of nine nodes over a density that is nearly normal in logits.
        reach, weights = np.polynomial.hermite_e.hermegauss(9)
        rates = expit(self.means[..., None] + self.deviations[..., None] * reach)
        weights = weights / weights.sum()
        mean = rates @ weights
        variance = ((rates - mean[..., None]) ** 2) @ weights
        return np.swapaxes(mean, 1, 2), np.swapaxes(variance, 1, 2)

    def quantile(self, probability: float) -> Array:
        """The rate below which each arm's lies with some probability, (g, a)."""
        rates: Array = expit(crossing(self.nodes, self.scores(), probability))
        return rates

    def scores(self) -> Array:
        """Of each node, the normal score of the chance that u lies below it, (g, a, k).

        They are nearly linear in u.
        """
        # The mass of a node reaches half a step to both sides; the slope's part is the next term
        # of Euler and Maclaurin's.
        below = np.cumsum(self.density, axis=-1) - self.density / 2
        below -= np.gradient(self.density, axis=-1) / 12
        return normal_scores(below)


def grid_sizes(evidence: Evidence) -> NDArray[np.int64]:
    """Nodes that each group needs of m and of each u, (g, 2).

    Groups that are worked on together should need as many: else the answer for one would depend, in
    its last digits, on which others stand beside it.
    """
    peak = _find_peak(evidence)
    # So many that the arms' densities given neighbouring nodes of m run into each other.
    ratio = (peak.offset_deviation[:, None] / evidence.residual).max(axis=1)
    offsets = np.searchsorted(_OFFSET_NODES[:-1], 2 * _REACH * ratio / _MAX_STEP)
    # So many that a density given m, narrower than that over all m, spans several.
    ratio = (peak.deviations / peak.conditional).max(axis=1)
    rates = np.searchsorted(_RATE_NODES[:-1], 2 * _REACH * ratio / _MAX_RATE_STEP)
    return np.stack([np.array(_OFFSET_NODES)[offsets], np.array(_RATE_NODES)[rates]], axis=1)


def find_posterior(evidence: Evidence, sizes: tuple[int, int] | None = None) -> Posterior:
    """Finds the posterior of all groups; the same evidence gives the same posterior.

    Memory grows with the groups: a few hundred at a time are fastest.

    Args:
        evidence: What is known of them.
        sizes: Nodes of m and of each u; the most that `grid_sizes` says unless given.
    """
    if sizes is None:
        most = grid_sizes(evidence).max(axis=0)
        sizes = int(most[0]), int(most[1])
    peak = _find_peak(evidence)
    offsets = _grid(peak.offset, peak.offset_deviation, sizes[0])
    nodes = _grid(peak.logits, peak.deviations, sizes[1])
    trials, successes = evidence.trials[..., None], evidence.successes[..., None]
    log_likelihood = successes * nodes + trials * log_miss(nodes)  # (g, a, k)
    at_peak = log_likelihood.max(axis=-1, keepdims=True)
    centred = (nodes - evidence.logits[..., None]) / evidence.residual[..., None]
    shift = offsets[:, None, :] / evidence.residual[..., None]  # (g, a, j)
    joint = centred[..., None] - shift[:, :, None, :]  # (g, a, k, j)
    np.square(joint, out=joint)
    joint *= -0.5
    joint += (log_likelihood - at_peak)[..., None]
    highest = joint.max(axis=2, keepdims=True)
    joint -= highest
    np.exp(joint, out=joint)
    totals = joint.sum(axis=2)  # (g, a, j)
    log_arms = np.log(totals) + highest[:, :, 0]
    log_weights = -0.5 * (offsets / evidence.between[:, None]) ** 2 + log_arms.sum(axis=1)
    top = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - top)
    total = weights.sum(axis=1)
    weights /= total[:, None]
    steps = (nodes[..., 1] - nodes[..., 0]) / evidence.residual
    constants = np.log(steps / np.sqrt(2 * np.pi)) + at_peak[..., 0]
    offset_step = (offsets[:, 1] - offsets[:, 0]) / (evidence.between * np.sqrt(2 * np.pi))
    joint *= (1 / totals)[:, :, None, :]
    apart = (offsets.shape[1] - 1) // int(2 * _REACH)  # nodes a standard deviation apart
    first = apart * int(_REACH - _COARSE_REACH)
    coarse = slice(first, offsets.shape[1] - first, apart)
    given = joint[..., coarse]
    means = np.einsum("gakj,gak->gaj", given, nodes)
    squares = np.einsum("gakj,gak->gaj", given, nodes**2)
    return Posterior(
        evidence=evidence,
        offsets=offsets,
        weights=weights,
        nodes=nodes,
        density=np.einsum("gakj,gj->gak", joint, weights),
        coarse=coarse,
        means=means,
        deviations=np.sqrt(np.maximum(squares - means**2, 1e-18)),
        log_evidence=top[:, 0] + np.log(total * offset_step) + constants.sum(axis=1),
    )


def log_miss(u: Array) -> Array:
    """log(1 - rate) of logits; three times as fast as SciPy's, and exact enough for any counts."""
    missed: Array = -np.log1p(np.exp(u))
    return missed


# === Where the mass is ===


@dataclass(frozen=True, slots=True)
class _Peak:
    """The highest point of the joint density of m and all u, and its curvature there.

    Attributes:
        offset: m, (g,).
        logits: u, (g, a).
        offset_deviation: Of m, from the curvature, (g,).
        deviations: Of each u, (g, a).
        conditional: Of each u given m, (g, a).
    """

    offset: Array
    logits: Array
    offset_deviation: Array
    deviations: Array
    conditional: Array


def _find_peak(evidence: Evidence) -> _Peak:
    """Newton's method; the log density is concave, and steps are cut at one logit.

    Each group stops for itself: what the others need changes no digit of it.
    """
    predicted, trials, successes = evidence.logits, evidence.trials, evidence.successes
    precision, between = evidence.residual**-2, evidence.between**-2
    rate = expit(predicted)
    worth = precision / (rate * (1 - rate))  # trials that tell as much as the prediction
    u = logit((successes + worth * rate) / (trials + worth))
    m = (precision * (u - predicted)).sum(axis=1) / (between + precision.sum(axis=1))
    curvatures, schurs = np.empty_like(u), np.empty_like(m)
    moves = np.ones(len(m), bool)
    for _ in range(_NEWTON_STEPS):
        rate = expit(u)
        residual = precision * (u - m[:, None] - predicted)
        slope = successes - trials * rate - residual
        curvature = trials * rate * (1 - rate) + precision
        schur = between + (precision * (1 - precision / curvature)).sum(axis=1)
        slope_m = residual.sum(axis=1) - between * m + (precision / curvature * slope).sum(axis=1)
        step_m = np.clip(slope_m / schur, -1, 1)
        step = np.clip((slope + precision * step_m[:, None]) / curvature, -1, 1)
        curvatures[moves], schurs[moves] = curvature[moves], schur[moves]
        m = np.where(moves, m + step_m, m)
        u = np.where(moves[:, None], u + step, u)
        moves &= np.maximum(np.abs(step).max(axis=1, initial=0), np.abs(step_m)) >= _TOLERANCE
        if not moves.any():
            break
    variance = 1 / curvatures + (precision / curvatures) ** 2 / schurs[:, None]
    return _Peak(m, u, schurs**-0.5, np.sqrt(variance), curvatures**-0.5)


def _grid(centre: Array, deviation: Array, count: int) -> Array:
    reach = np.linspace(-_REACH, _REACH, count)
    grid: Array = centre[..., None] + deviation[..., None] * reach
    return grid


def normal_scores(below: Array) -> Array:
    """Of chances, from 0 to 1."""
    scores: Array = ndtri(np.clip(below, 1e-12, 1 - 1e-12))
    return scores


def crossing(x: Array, scores: Array, probability: float) -> Array:
    """Where normal scores, rising over an even grid, say that so much lies below."""
    level = ndtri(probability)
    right = np.clip((scores < level).sum(axis=-1, keepdims=True), 1, x.shape[-1] - 1)
    low, high = (np.take_along_axis(scores, at, axis=-1) for at in (right - 1, right))
    left = np.take_along_axis(x, right - 1, axis=-1)
    step = np.take_along_axis(x, right, axis=-1) - left
    share = np.clip((level - low) / np.maximum(high - low, 1e-300), 0, 1)
    crossing: Array = (left + share * step)[..., 0]
    return crossing
