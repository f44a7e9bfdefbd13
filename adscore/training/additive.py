"""An ensemble of linear heads on fixed features, fitted by full-batch gradient descent.

The logit of a rate is a sum over headline, image and context. Each member of the ensemble leaves
out a part of the groups, so that every row has a logit from a member that never saw its group:
calibration needs these, and so no validation rows of its own.

n rows, f features, v n-gram ids, m members, t targets; a column is one member's of one target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy import sparse

from adscore.training.likelihood import Outcomes, starting_point
from adscore.training.presets import AdditiveOptions
from adscore.training.split import deal_groups

Tensor = Any  # tf.Tensor, of which the stubs know nothing
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Design:
    """Features of some rows.

    Attributes:
        dense: Features by part, ``"headline"``, ``"image"`` and ``"context"``, (n, f) float32
            each; rows of zeros where a part is absent.
        ngrams: Weighted n-grams of the headlines, (n, v) float32; None without them.
    """

    dense: Mapping[str, NDArray[np.float32]]
    ngrams: sparse.csr_matrix | None


@dataclass(frozen=True, slots=True)
class AdditiveHeads:
    """Fitted weights.

    Attributes:
        dense: By part, (f, m * t) float32.
        ngrams: (v, m * t) float32; None without n-grams.
        bias: (m * t,) float32.
        folds: The member that left a row out, (n,).
        losses: Loss after each step, penalty included.
    """

    dense: Mapping[str, NDArray[np.float32]]
    ngrams: NDArray[np.float32] | None
    bias: NDArray[np.float32]
    folds: NDArray[np.int64]
    losses: list[float]

    def parts(self, design: Design) -> dict[str, NDArray[np.float32]]:
        """What each part adds to the logits of some rows, (n, m * t) float32 each."""
        parts = {name: features @ self.dense[name] for name, features in design.dense.items()}
        if design.ngrams is not None:
            parts["headline"] = parts["headline"] + design.ngrams @ self.ngrams
        return parts


def fit_additive(
    design: Design, outcomes: Outcomes, options: AdditiveOptions, seed: int
) -> AdditiveHeads:
    """Fits all members at once; the same seed gives the same weights.

    Args:
        design: Features of the rows that are fitted to.
        outcomes: Counts of these rows.
        options: How the heads are fitted.
        seed: Decides which member leaves out which groups.
    """
    folds = deal_groups(outcomes.groups, options.members, seed)
    kept = (folds[:, None] != np.arange(options.members)).astype(np.float32)  # (n, m)
    if options.members == 1:
        kept[:] = 1
    predict, weights = _linear(design, outcomes, options)
    loss = _centred_loss(outcomes, kept, options)
    penalty = _penalty(outcomes, options)
    bias, *slopes = weights
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(weights)

    @tf.function  # type: ignore[untyped-decorator]
    def step() -> Tensor:
        with tf.GradientTape() as tape:
            squares = sum(tf.reduce_sum(slope**2, axis=0) for slope in slopes)
            value = loss(predict()) + tf.reduce_sum(penalty * squares)
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        return value

    losses = [float(step()) for _ in range(options.steps)]
    parts = dict(zip(design.dense, (slope.numpy() for slope in slopes), strict=False))
    ngrams = None if design.ngrams is None else slopes[-1].numpy()
    return AdditiveHeads(parts, ngrams, bias.numpy(), folds, losses)


def _linear(
    design: Design, outcomes: Outcomes, options: AdditiveOptions
) -> tuple[Callable[[], Tensor], list[tf.Variable]]:
    """The logits of all rows as a function of the weights, and the weights: bias first."""
    targets = outcomes.trials.shape[1]
    columns = options.members * targets
    rows = len(outcomes.trials)
    dense = [tf.constant(features) for features in design.dense.values()]
    weights = [tf.Variable(tf.zeros((features.shape[1], columns))) for features in dense]
    bias = tf.Variable(tf.zeros((columns,)))
    ngrams = None
    if design.ngrams is not None:
        weights.append(tf.Variable(tf.zeros((design.ngrams.shape[1], columns))))
        table = design.ngrams.tocoo()
        indices = np.stack([table.row, table.col], axis=1).astype(np.int64)
        ngrams = tf.sparse.SparseTensor(indices, table.data.astype(np.float32), table.shape)

    def predict() -> Tensor:
        logit = bias + sum(tf.matmul(x, w) for x, w in zip(dense, weights, strict=False))
        if ngrams is not None:
            logit += tf.sparse.sparse_dense_matmul(ngrams, weights[-1])
        return tf.reshape(logit, (rows, options.members, targets))

    return predict, [bias, *weights]


def _centred_loss(
    outcomes: Outcomes, kept: NDArray[np.float32], options: AdditiveOptions
) -> Callable[[Tensor], Tensor]:
    """Logits (n, m, t) -> the loss of all members, summed over the rows they keep.

    Rates: the squared error of the log rate, weighted by evidence and centred inside groups.
    Labels: the cross-entropy, not centred. A few labels hardly tell the rate of their group, so
    that a shrunken offset would hardly move; large groups of labels would gain by one.
    """
    weight, goal = _evidence(outcomes)
    labels = _is_label(outcomes.trials)
    rate = (outcomes.successes / np.maximum(outcomes.trials, 1)).astype(np.float32)[:, None, :]
    weights = tf.constant((weight[:, None, :] * kept[:, :, None]).astype(np.float32))  # (n, m, t)
    goals = tf.constant(goal.astype(np.float32)[:, None, :])
    groups = tf.constant(outcomes.groups)
    count = int(outcomes.groups.max()) + 1
    totals = tf.maximum(tf.math.unsorted_segment_sum(weights, groups, count), 1e-9)

    def of_rates(logit: Tensor) -> Tensor:
        error = logit - goals
        if not outcomes.grouped:
            return weights * error**2
        sums = tf.math.unsorted_segment_sum(weights * error, groups, count)
        common = tf.gather(sums / totals, groups)  # what a group's rows share, (n, m, t)
        return weights * ((error - common) ** 2 + options.between * common**2)

    def of_labels(logit: Tensor) -> Tensor:
        # 4 makes a logit near zero weigh as much as an error of a rate does.
        return 4 * weights * tf.nn.sigmoid_cross_entropy_with_logits(rate + 0 * logit, logit)

    def loss(logit: Tensor) -> Tensor:
        if labels.all():
            return tf.reduce_sum(of_labels(logit))
        if not labels.any():
            return tf.reduce_sum(of_rates(logit))
        return tf.reduce_sum(tf.where(labels, of_labels(logit), of_rates(logit)))

    return loss


def _is_label(trials: Array) -> NDArray[np.bool_]:
    """Which targets are 0/1 labels: no row has more than one trial, (t,)."""
    most: NDArray[np.bool_] = trials.max(axis=0) <= 1
    return most


def _evidence(outcomes: Outcomes) -> tuple[Array, Array]:
    """Weight of each row, 1 on average, and its log rate; both (n, t).

    A rate varies by chance and, whatever the trials, from one creative to the next: beyond the
    concentration of the rates, further trials add little.
    """
    successes, trials = outcomes.successes, outcomes.trials
    weight = trials / (1 + trials / np.exp(starting_point(outcomes).log_concentration))
    weight[:, _is_label(trials)] = trials[:, _is_label(trials)]
    rate = (successes + 0.5) / (trials + 1)
    return weight / weight.mean(axis=0), np.log(rate) - np.log1p(-rate)


def _penalty(outcomes: Outcomes, options: AdditiveOptions) -> NDArray[np.float32]:
    """Of each column, (m * t,)."""
    by_target = np.where(_is_label(outcomes.trials), options.label_penalty, options.rate_penalty)
    return np.tile(by_target, options.members).astype(np.float32)
