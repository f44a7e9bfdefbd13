"""Posterior of each arm's rate, from the predicted logits and counts of a group's arms.

    logit p_i = m + s_i + e_i,   m ~ N(0, between^2),   e_i ~ N(0, residual_i^2),
    successes_i ~ Binomial(trials_i, p_i)

m is the offset that all arms of the group share, s_i the model's prediction, e_i what the model
leaves unexplained. Given m the arms are independent, so every integral is a sum over even grids of
m and of each u_i = logit p_i. For smooth densities that vanish at both ends, the error of the
trapezoid rule falls exponentially with the number of nodes (Trefethen and Weideman 2014, "The
exponentially convergent trapezoidal rule").

g groups of a arms each; j nodes of m, k nodes of each u.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

Array = NDArray[np.float64]

# Half-width of grids, in standard deviations.
_REACH = 6.0
# Largest distance of nodes of m and of u, in standard deviations of the density they are summed
# with; the rule's error is below 1e-5 there.
_MAX_STEP = 1.2
_MAX_RATE_STEP = 0.8
_OFFSET_NODES = (13, 25, 49, 97)
# Of the nodes of m, those about a standard deviation apart from -3 to 3 are enough to average a
# smooth function of m.
_COARSE_REACH = 3
_RATE_NODES = (32, 64, 128, 256)
_NEWTON_STEPS = 50
_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence about groups with equal numbers of arms. Discounted counts may be fractional.

    Attributes:
        logits: Predicted logits, (g, a).
        residual: Standard deviation of what the model leaves unexplained, in logits, (g, a).
        between: Standard deviation of the groups' offsets, in logits, (g,).
        trials: Trials, (g, a), at least 0.
        successes: Successes, (g, a), from 0 to the trials.
    """

    logits: Array
    residual: Array
    between: Array
    trials: Array
    successes: Array

    def rows(self, chosen: slice | NDArray[np.intp]) -> "Evidence":
        """The evidence about some of the groups."""
        return Evidence(
            self.logits[chosen],
            self.residual[chosen],
            self.between[chosen],
            self.trials[chosen],
            self.successes[chosen],
        )


def sloped(logits: Array, slope: float) -> Array:
    """Predicted logits with differences inside each group scaled by `slope`, (g, a)."""
    centre = logits.mean(axis=1, keepdims=True)
    result: Array = centre + slope * (logits - centre)
    return result


@dataclass(frozen=True, slots=True)
class Posterior:
    """Posterior of the rates of some groups' arms.

    Attributes:
        evidence: What it was computed from.
        offsets: Nodes of m, (g, j).
        weights: Probability of each node of m, (g, j); they sum to 1.
        nodes: Nodes of u, (g, a, k).
        density: Probability of each node of u, (g, a, k); they sum to 1.
        coarse: Slice of the nodes of m that is enough to average smooth functions.
        means: Mean of u given each coarse node of m, (g, a, coarse).
        deviations: Standard deviation of u given each coarse node of m, (g, a, coarse).
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
        """Mean variance of each u given the offset, which is what sets the arms apart, (g, a)."""
        variance: Array = (self.deviations**2 * self.coarse_weights()[:, None]).sum(axis=-1)
        return variance

    def coarse_weights(self) -> Array:
        """Probability of each coarse node of m, (g, coarse); they sum to 1."""
        weights = self.weights[:, self.coarse]
        normed: Array = weights / weights.sum(axis=1, keepdims=True)
        return normed

    def rate_moments(self) -> tuple[Array, Array]:
        """Mean and variance of each rate given each coarse node of m, (g, coarse, a) each."""
        # Gauss-Hermite quadrature with nine nodes, over a density that is nearly normal in logits.
        reach, weights = np.polynomial.hermite_e.hermegauss(9)
        rates = expit(self.means[..., None] + self.deviations[..., None] * reach)
        weights = weights / weights.sum()
        mean = rates @ weights
        variance = ((rates - mean[..., None]) ** 2) @ weights
        return np.swapaxes(mean, 1, 2), np.swapaxes(variance, 1, 2)

    def quantile(self, probability: float) -> Array:
        """Quantile of each arm's rate, (g, a)."""
        rates: Array = expit(crossing(self.nodes, self.scores(), probability))
        return rates

    def scores(self) -> Array:
        """Normal score of the probability that u lies below each node, (g, a, k).

        Scores are nearly linear in u.
        """
        # A node's mass extends half a step to both sides; the slope term is the next of the
        # Euler-Maclaurin formula.
        below = np.cumsum(self.density, axis=-1) - self.density / 2
        below -= np.gradient(self.density, axis=-1) / 12
        return normal_scores(below)


def grid_sizes(evidence: Evidence) -> NDArray[np.int64]:
    """Number of nodes of m and of each u that each group needs, (g, 2).

    Work only on groups of one size together: otherwise the last digits of one group's answer would
    depend on the other groups.
    """
    peak = _find_peak(evidence)
    # Enough that the arms' densities given neighbouring nodes of m overlap.
    ratio = (peak.offset_deviation[:, None] / evidence.residual).max(axis=1)
    offsets = np.searchsorted(_OFFSET_NODES[:-1], 2 * _REACH * ratio / _MAX_STEP)
    # Enough that a density given m, narrower than the one over all m, spans several nodes.
    ratio = (peak.deviations / peak.conditional).max(axis=1)
    rates = np.searchsorted(_RATE_NODES[:-1], 2 * _REACH * ratio / _MAX_RATE_STEP)
    return np.stack([np.array(_OFFSET_NODES)[offsets], np.array(_RATE_NODES)[rates]], axis=1)


def find_posterior(evidence: Evidence, sizes: tuple[int, int] | None = None) -> Posterior:
    """Computes the posterior of all groups; deterministic.

    Memory grows with the number of groups: a few hundred at a time are fastest.

    Args:
        evidence: Evidence about the groups.
        sizes: Number of nodes of m and of each u; by default the most that a group needs.
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
    """log(1 - rate) from logits; three times as fast as SciPy, and exact enough for any counts."""
    missed: Array = -np.log1p(np.exp(u))
    return missed


# === Peak of the density ===


@dataclass(frozen=True, slots=True)
class _Peak:
    """The mode of the joint density of m and all u, and the curvature there.

    Attributes:
        offset: m at the mode, (g,).
        logits: u at the mode, (g, a).
        offset_deviation: Standard deviation of m by the curvature, (g,).
        deviations: Standard deviation of each u by the curvature, (g, a).
        conditional: Standard deviation of each u given m, (g, a).
    """

    offset: Array
    logits: Array
    offset_deviation: Array
    deviations: Array
    conditional: Array


def _find_peak(evidence: Evidence) -> _Peak:
    """Finds the mode by Newton's method, with steps up to one logit; the log density is concave.

    Each group stops on its own, so that other groups do not change its digits.
    """
    predicted, trials, successes = evidence.logits, evidence.trials, evidence.successes
    precision, between = evidence.residual**-2, evidence.between**-2
    rate = expit(predicted)
    worth = precision / (rate * (1 - rate))  # trials with as much information as the prediction
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
    """Normal scores of probabilities from 0 to 1."""
    scores: Array = ndtri(np.clip(below, 1e-12, 1 - 1e-12))
    return scores


def crossing(x: Array, scores: Array, probability: float) -> Array:
    """Where normal scores, rising over an even grid, reach a probability."""
    level = ndtri(probability)
    right = np.clip((scores < level).sum(axis=-1, keepdims=True), 1, x.shape[-1] - 1)
    low, high = (np.take_along_axis(scores, at, axis=-1) for at in (right - 1, right))
    left = np.take_along_axis(x, right - 1, axis=-1)
    step = np.take_along_axis(x, right, axis=-1) - left
    share = np.clip((level - low) / np.maximum(high - low, 1e-300), 0, 1)
    crossing: Array = (left + share * step)[..., 0]
    return crossing
