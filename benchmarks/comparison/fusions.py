"""Ways to join headline, image and context, and losses to fit them by; one target each.

The first is what adscore does. The others lost to it or won nothing: they live here, where they
can be run again.

n rows, m members, k components.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, ndtr

from adscore.training.additive import (
    AdditiveFit,
    AdditiveOptions,
    Design,
    Objective,
    Outcomes,
    evidence,
    fit_additive,
    is_label,
)
from adscore.training.losses import Tensor
from comparison.heads import Floats, Part, Predict

Array = NDArray[np.float32]
Transform = Callable[[Design], Array]

SHARED_COMPONENTS = 32
OUTER_COMPONENTS = 8
GATE_COMPONENTS = 4
# L2 penalties of a gate's constant, and of what it reads of the creative.
GATE_PENALTIES = 0.3, 10.0
# Length of a typical row of the products, beside 0.5 of an image encoder's final output.
INTERACTION_LENGTH = 0.5


# === Sums ===


def additive(
    part: Part, options: AdditiveOptions, seed: int, objective: Objective | None = None
) -> Predict:
    """Concatenation under a linear head: what each part says is added up."""
    fit = fit_additive(part.design, part.outcomes, options, seed, objective)
    return partial(_sum_of_parts, fit)


def only(part: Part, options: AdditiveOptions, seed: int, *, names: Collection[str]) -> Predict:
    """The same with some of the parts alone."""
    few = Part(_only(part.design, names), part.outcomes)
    predict = additive(few, options, seed)
    return lambda design: predict(_only(design, names))


def _only(design: Design, names: Collection[str]) -> Design:
    dense = {name: features for name, features in design.dense.items() if name in names}
    return Design(dense, design.ngrams if "headline" in names else None)


def _sum_of_parts(fit: AdditiveFit, design: Design) -> Floats:
    total: Floats = (fit.bias + sum(fit.parts(design).values())).mean(axis=1).astype(np.float64)
    return total


# === Gates ===


def gated(part: Part, options: AdditiveOptions, seed: int, *, components: int = 0) -> Predict:
    """Each part times a gate, exp(a + b x): fitted to what members say of groups they left out.

    Args:
        part: Rows to fit to.
        options: How the parts are fitted.
        seed: Decides the folds.
        components: Principal components of the headlines and of the images that a gate reads;
            without them it is one number for all creatives.
    """
    fit = fit_additive(part.design, part.outcomes, options, seed)
    names = list(part.design.dense)
    axes = {name: _principal(part.design, name, components) for name in names}
    held_out = np.stack(
        [values[np.arange(len(values)), fit.folds] for values in fit.parts(part.design).values()]
    ).astype(np.float64)

    def read(design: Design) -> Floats:
        """What gates read, (n, 1 + k of every part)."""
        scores = [axes[name](design) for name in names] if components else []
        return np.column_stack([np.ones(len(design.dense[names[0]])), *scores])

    reading = read(part.design)
    loss = _loss_of_logits(part.outcomes)
    penalties = np.full(reading.shape[1], GATE_PENALTIES[1])
    penalties[0] = GATE_PENALTIES[0]

    def of_gates(flat: Floats) -> tuple[float, Floats]:
        gates = flat[1:].reshape(len(names), -1)
        factor = np.exp(np.clip(gates @ reading.T, -5, 5))  # (parts, n)
        value, slope = loss(flat[0] + (factor * held_out).sum(axis=0))
        gradient = (factor * held_out * slope) @ reading + 2 * penalties * gates
        penalty = float((penalties * gates**2).sum())
        return value + penalty, np.concatenate([[slope.sum()], gradient.ravel()])

    start = np.zeros(1 + len(names) * reading.shape[1])
    start[0] = fit.bias.mean()
    found = minimize(of_gates, start, jac=True, method="L-BFGS-B").x

    def predict(design: Design) -> Floats:
        factor = np.exp(np.clip(found[1:].reshape(len(names), -1) @ read(design).T, -5, 5))
        said = np.stack([values.mean(axis=1) for values in fit.parts(design).values()])
        total: Floats = found[0] + (factor * said).sum(axis=0)
        return total

    return predict


def _loss_of_logits(outcomes: Outcomes) -> Callable[[Floats], tuple[float, Floats]]:
    """Logits (n,) -> loss and its slope, as `centred_loss` has it."""
    weight, goal = (values[:, 0] for values in evidence(outcomes))
    if is_label(outcomes.trials)[0]:
        label = outcomes.successes[:, 0]
        return lambda logit: (
            float(4 * weight @ (np.logaddexp(0, logit) - label * logit)),
            4 * weight * (expit(logit) - label),
        )
    totals = np.bincount(outcomes.groups, weight)

    def centred(values: Floats) -> Floats:
        means = np.bincount(outcomes.groups, weight * values) / np.maximum(totals, 1e-9)
        result: Floats = values - means[outcomes.groups]
        return result

    def loss(logit: Floats) -> tuple[float, Floats]:
        error = centred(logit - goal)
        return float(weight @ error**2), 2 * weight * error

    return loss


# === Products and differences ===


def bilinear(
    part: Part, options: AdditiveOptions, seed: int, *, interact: Callable[[Design], Transform]
) -> Predict:
    """The sum and, beside it, a linear head on products or differences of both towers."""
    transform = interact(part.design)

    def joined(design: Design) -> Design:
        return replace(design, dense={**design.dense, "interaction": transform(design)})

    predict = additive(Part(joined(part.design), part.outcomes), options, seed)
    return lambda design: predict(joined(design))


def shared_space(design: Design) -> Callable[[Design], tuple[Array, Array]]:
    """Both towers in the space of their largest covariances (partial least squares)."""
    headline, image = design.dense["headline"], design.dense["image"]
    centre = headline.mean(axis=0), image.mean(axis=0)
    left, _, right = np.linalg.svd((headline - centre[0]).T @ (image - centre[1]), False)
    axes = left[:, :SHARED_COMPONENTS], right[:SHARED_COMPONENTS].T
    scale = [
        ((x - c) @ a).std(axis=0) + 1e-6
        for x, c, a in zip((headline, image), centre, axes, strict=True)
    ]

    def project(of: Design) -> tuple[Array, Array]:
        return (
            (of.dense["headline"] - centre[0]) @ axes[0] / scale[0],
            (of.dense["image"] - centre[1]) @ axes[1] / scale[1],
        )

    return project


def products(design: Design) -> Transform:
    """Products of the shared space's components."""
    project = shared_space(design)
    return _standardised(lambda of: np.multiply(*project(of)), design)


def differences(design: Design) -> Transform:
    """Distances of the shared space's components."""
    project = shared_space(design)
    return _standardised(lambda of: np.abs(np.subtract(*project(of))), design)


def outer_products(design: Design) -> Transform:
    """All products of the first principal components of either tower: low-rank bilinear."""
    headline = _principal(design, "headline", OUTER_COMPONENTS)
    image = _principal(design, "image", OUTER_COMPONENTS)

    def multiply(of: Design) -> Array:
        return np.einsum("na,nb->nab", headline(of), image(of)).reshape(len(headline(of)), -1)

    return _standardised(multiply, design)


def _standardised(transform: Transform, design: Design) -> Transform:
    values = transform(design)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1e-6
    length = INTERACTION_LENGTH / np.sqrt(values.shape[1])

    def scores(of: Design) -> Array:
        clipped = np.clip((transform(of) - mean) / deviation, -3, 3) * length
        return clipped.astype(np.float32)

    return scores


# === Ranking loss ===


def pairwise_loss(
    outcomes: Outcomes, kept: NDArray[np.float32], options: AdditiveOptions
) -> Callable[[Tensor], Tensor]:
    """Logistic loss of the pairs inside groups, weighted by the evidence that one is better.

    Pairs of all groups together weigh as much as the rows do, as in `centred_loss`.
    """
    better, worse, weight = _pairs(outcomes)
    weight *= len(kept) / max(weight.sum(), 1e-9)
    weights = tf.constant((weight[:, None] * kept[better]).astype(np.float32)[:, :, None])

    def loss(logit: Tensor) -> Tensor:
        gap = tf.gather(logit, better) - tf.gather(logit, worse)
        # 4 as in `centred_loss`: a logit near zero weighs as much as an error of a rate does.
        between = options.between * tf.reduce_mean(logit**2)
        return 4 * tf.reduce_sum(weights * tf.nn.softplus(-gap)) + between

    return loss


def _pairs(outcomes: Outcomes) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The better and the worse row of every pair, and the evidence: 0 for none, 1 for all."""
    order = np.argsort(outcomes.groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(outcomes.groups[order])) + 1)
    found = [np.stack(np.triu_indices(len(rows), 1)) for rows in members]
    first, second = np.concatenate(
        [rows[places] for rows, places in zip(members, found, strict=True)], axis=1
    )
    successes, trials = outcomes.successes[:, 0], np.maximum(outcomes.trials[:, 0], 1)
    rate = successes / trials
    pooled = (successes[first] + successes[second]) / (trials[first] + trials[second])
    variance = pooled * (1 - pooled) * (1 / trials[first] + 1 / trials[second])
    z = (rate[first] - rate[second]) / np.sqrt(np.maximum(variance, 1e-12))
    return (
        np.where(z >= 0, first, second),
        np.where(z >= 0, second, first),
        2 * ndtr(np.abs(z)) - 1,
    )


# === Principal components ===


def _principal(design: Design, name: str, count: int) -> Transform:
    """First principal components of one part, each of deviation 1, (n, k)."""
    features = design.dense[name]
    mean = features.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(features - mean, rowvar=False))
    scale = np.sqrt(np.maximum(values[::-1][:count], 1e-9))
    kept = axes[:, ::-1][:, :count] / scale
    return lambda of: ((of.dense[name] - mean) @ kept).astype(np.float32)
