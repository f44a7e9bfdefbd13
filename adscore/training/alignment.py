"""Agreement: fits towers so that each headline lies near its own image and away from others.

Radford et al. (2021), "Learning transferable visual models from natural language supervision".

b creatives, f features of a trunk, n n-gram ids, a width of the shared space.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.training.early_stopping import (
    VALIDATION_LOSS,
    Batches,
    Rows,
    best_epoch,
    run_epochs,
    run_passes,
)
from adscore.training.inputs import Inputs
from adscore.training.presets import AlignmentOptions
from adscore.training.problem import Problem
from adscore.training.towers import KerasTower, inputs_like, inverse_frequency

Tensor = Any  # of Keras and TensorFlow, of which mypy knows nothing
Array = NDArray[np.float32]

# A feature further from its mean than this many deviations is an outlier, not evidence.
MAX_DEVIATION = 6.0
# Norm of a typical feature vector, whatever its width.
FEATURE_LENGTH = 1.5
# Initial standard deviation of an n-gram's row.
NGRAM_SPREAD = 0.2


# === Loss ===


def contrastive_loss(headline: Tensor, image: Tensor, alike: Tensor, logit_scale: Tensor) -> Tensor:
    """Cross-entropy of finding the image of a headline and the headline of an image, in nats.

    If several pairs of a batch are alike, any of them is a correct match: the target is shared
    equally among them.

    Args:
        headline: Embeddings of headlines, (b, a), of unit length.
        image: Embeddings of their images, (b, a), of unit length.
        alike: Which pairs count as equal, (b, b) bool, symmetric, true on the diagonal.
        logit_scale: Scalar factor of cosines.

    Returns:
        Mean of both directions for each pair, (b,).
    """
    logits = logit_scale * tf.matmul(headline, image, transpose_b=True)
    share = tf.cast(alike, logits.dtype)
    share /= tf.reduce_sum(share, axis=1, keepdims=True)
    to_image = tf.nn.softmax_cross_entropy_with_logits(share, logits)
    to_headline = tf.nn.softmax_cross_entropy_with_logits(share, tf.transpose(logits))
    return (to_image + to_headline) / 2


def alike_pairs(names: Tensor, images: Tensor) -> Tensor:
    """Pairs of a batch that are not negatives of each other: equal in name or image.

    Args:
        names: Number of each headline, equal for equal headlines, (b,).
        images: Number of each image, equal for equal images, (b,).

    Returns:
        (b, b) bool.
    """
    return (names[:, None] == names[None, :]) | (images[:, None] == images[None, :])


# === Towers ===


def scaled_features(name: str, features: Array) -> keras.Model:
    """Builds a graph: encoder features (b, f) -> the same standardised, clipped and scaled.

    Nothing is trained; mean and variance are stored as weights of the graph.

    Args:
        name: Name of the input, `headline_features` or `image_features`.
        features: Features of the fitted rows, (rows, f).
    """
    inputs = keras.Input(features.shape[1:], name=name)
    mean = features.mean(axis=0, dtype=np.float64)
    variance = features.var(axis=0, dtype=np.float64)
    # Features that hardly vary are noise, so do not scale them up fully.
    variance = np.maximum(variance, 0.01 * variance.mean() + 1e-12)
    standardised = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name="standardised"
    )
    scaled = standardised(inputs)
    standardised.set_weights([mean.astype(np.float32), variance.astype(np.float32)])
    scaled = keras.ops.clip(scaled, -MAX_DEVIATION, MAX_DEVIATION)
    scaled = scaled * float(FEATURE_LENGTH / np.sqrt(features.shape[1]))
    return keras.Model({name: inputs}, scaled, name=f"scaled_{name}")


def aligned_image_tower(trunk: keras.Model, options: AlignmentOptions) -> keras.Model:
    """Builds a tower: inputs of the trunk -> {"aligned": (b, a)}, of unit length.

    Args:
        trunk: Named inputs -> (b, f); trained too unless it is frozen.
        options: Sizes.
    """
    inputs = inputs_like(trunk.inputs)
    place = _place(trunk(dict(inputs)), options)
    return _tower(inputs, place, "aligned_image_tower")


def aligned_headline_tower(
    trunk: keras.Model, ngram_weights: Array | None, options: AlignmentOptions
) -> keras.Model:
    """Builds a tower: inputs of the trunk, ngram_ids (b, n) int32 -> {"aligned": (b, a)}.

    Args:
        trunk: Named inputs -> (b, f); trained too unless it is frozen.
        ngram_weights: Weight of each n-gram id, (buckets, 1); None leaves n-grams out.
        options: Sizes.
    """
    inputs = inputs_like(trunk.inputs)
    place = _place(trunk(dict(inputs)), options)
    if ngram_weights is not None:
        ids = keras.Input((None,), dtype="int32", name="ngram_ids")
        place = keras.layers.Add(name="deep_and_wide")([place, _wide(ids, ngram_weights, options)])
        inputs = {**inputs, "ngram_ids": ids}
    return _tower(inputs, place, "aligned_headline_tower")


def _place(features: Tensor, options: AlignmentOptions) -> Tensor:
    """Sum of a linear path and a path with hidden units: (b, f) -> (b, a)."""
    kept = keras.layers.Dropout(options.input_dropout, name="input_dropout")(features)
    linear = keras.layers.Dense(options.width, use_bias=False, name="linear")(kept)
    hidden = keras.layers.Dense(options.hidden_width, name="hidden")(kept)
    # The tanh approximation, since the exact form has no ONNX export here.
    hidden = keras.ops.gelu(hidden, approximate=True)
    hidden = keras.layers.Dropout(options.hidden_dropout, name="hidden_dropout")(hidden)
    curved = keras.layers.Dense(options.width, name="curved")(hidden)
    return keras.layers.Add(name="paths")([linear, curved])


def _wide(ids: Tensor, ngram_weights: Array, options: AlignmentOptions) -> Tensor:
    """Hashed n-grams, weighted by rarity and scaled to unit length: (b, n) -> (b, a)."""
    weight = keras.layers.Embedding(options.ngram_buckets, 1, trainable=False, name="ngram_weight")
    weights = weight(ids)  # (b, n, 1)
    weight.set_weights([ngram_weights])
    weights = keras.layers.Dropout(options.ngram_dropout, name="ngram_dropout")(weights)
    # Adam's steps have the same size for every weight, so rows stored in smaller units than they
    # are used in move faster.
    rows = keras.layers.Embedding(
        options.ngram_buckets,
        options.width,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=NGRAM_SPREAD / options.ngram_step
        ),
        name="ngrams",
    )(ids)
    total = keras.ops.sum(weights * rows, axis=1)  # (b, a)
    length = keras.ops.sqrt(keras.ops.sum(weights * weights, axis=1) + 1e-6)  # (b, 1)
    return total * options.ngram_step / length


def _tower(inputs: dict[str, Tensor], place: Tensor, name: str) -> keras.Model:
    aligned = keras.layers.UnitNormalization(name="aligned")(place)
    return keras.Model(inputs, {"aligned": aligned}, name=name)


# === Fitting ===


def fit_agreement(
    problem: Problem, inputs: Inputs, towers: Mapping[str, KerasTower], share: float | None = None
) -> tuple[dict[str, keras.Model], float]:
    """Builds and fits towers of agreement.

    They share the trunks of the towers for rates, which are trained further only if there are no
    rates; encoder features get their own scaling.

    Returns:
        The towers, by `headline` and `image`; and the best share of planned passes, see `align`.

    Raises:
        TrainingError: See `align`.
    """
    fitted = _both(problem, problem.split.fitting)
    trunks = {name: _trunk(name, tower, inputs, fitted) for name, tower in towers.items()}
    for trunk in trunks.values():
        trunk.trainable = trunk.trainable and not problem.data.targets
    options, weights = problem.preset.alignment, None
    if "ngram_ids" in inputs.columns:
        weights = inverse_frequency(inputs.pieces("ngram_ids", fitted), options.ngram_buckets)
    aligned = {
        "headline": aligned_headline_tower(trunks["headline"], weights, options),
        "image": aligned_image_tower(trunks["image"], options),
    }
    return aligned, align(problem, inputs, aligned, share)


def _both(problem: Problem, rows: Rows) -> Rows:
    """The rows that have both headline and image."""
    return problem.data.rows_with("image", problem.data.rows_with("headline", rows))


def _trunk(name: str, tower: KerasTower, inputs: Inputs, rows: Rows) -> keras.Model:
    features = inputs.batch(rows, (f"{name}_features",))
    return scaled_features(*features.popitem()) if features else tower.trunk


def align(
    problem: Problem,
    inputs: Inputs,
    aligned: Mapping[str, keras.Model],
    share: float | None = None,
) -> float:
    """Fits both towers in place, and keeps the weights that were best on the validation groups.

    Deterministic for a seed if Keras's seed is set and TensorFlow is deterministic. Rows with equal
    headlines or images are not negatives of each other; rows without either are left out.

    Args:
        problem: The rows to fit, and the options.
        inputs: Inputs of all rows.
        aligned: By `headline` and `image`, named inputs -> {"aligned": (b, a)}, of unit length.
        share: Share of the planned passes after which to stop; None lets the validation groups
            choose.

    Returns:
        The share of the planned passes after which the weights were best.

    Raises:
        TrainingError: There are fewer than two distinct pairs to fit, or the loss is not
            finite.
    """
    options, rng = problem.preset.alignment, np.random.default_rng(problem.seed)
    fitting, validation = (
        _both(problem, rows) for rows in (problem.split.fitting, problem.split.validation)
    )
    pairs = _Pairs(problem, inputs, aligned)
    pairs.require_negatives(fitting)
    if len(validation) > options.max_validation_rows:
        validation = np.sort(rng.choice(validation, options.max_validation_rows, replace=False))
    # A small last batch would be a step with few negatives but full weight.
    count = max(1, round(len(fitting) / options.batch_size))
    batches = Batches(fitting, count, pairs.read, rng)
    planned = _epochs(options, count)
    trainer = _Trainer(aligned, options.logit_scale)
    trainer.compile(optimizer=_optimizer(options, planned * count))
    if share is not None:
        run_passes(trainer, batches, max(1, round(share * planned)), problem.progress)
        return share
    loss = partial(pairs.loss, validation, trainer.logit_scale)
    history = run_epochs(trainer, batches, loss, problem.progress, max_epochs=planned)
    return best_epoch(history[VALIDATION_LOSS]) / planned


def _epochs(options: AlignmentOptions, batches: int) -> int:
    low = math.ceil(options.min_steps / batches)
    high = max(1, options.max_steps // batches)
    return min(max(options.epochs, low), high)


def _optimizer(options: AlignmentOptions, steps: int) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(options.learning_rate, steps),
        weight_decay=options.weight_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "log_logit_scale"])
    return optimizer


def places(inputs: Inputs, tower: keras.Model, rows: Rows) -> Array:
    """Embeddings by a tower of the headlines or images of some rows, (n, a)."""
    aligned: Array = inputs.predict(tower, rows)["aligned"]
    return aligned


class _Pairs:
    """Reads pairs: inputs of some rows, and which rows are alike."""

    def __init__(
        self, problem: Problem, inputs: Inputs, aligned: Mapping[str, keras.Model]
    ) -> None:
        self._inputs, self._towers = inputs, aligned
        self._needed = {t.name for tower in aligned.values() for t in tower.inputs}
        names = np.array(problem.data.headlines, dtype=str)
        self._names = np.unique(names, return_inverse=True)[1]
        self._images = problem.data.image_index

    def require_negatives(self, rows: Rows) -> None:
        """Raises a TrainingError if all rows are the same pair."""
        distinct = min(len(np.unique(self._names[rows])), len(np.unique(self._images[rows])))
        if distinct < 2:
            raise TrainingError(
                "expected at least 2 distinct headlines and images to align. Received: "
                f"{distinct} among {len(rows)} rows"
            )

    def read(self, rows: Rows) -> tuple[dict[str, NDArray[Any]], dict[str, Rows]]:
        """Inputs of both towers, and the numbers of headlines and images, (n,) each; by name."""
        labels = {"name": self._names[rows], "image": self._images[rows]}
        return self._inputs.batch(rows, self._needed), labels

    def loss(self, rows: Rows, logit_scale: Tensor) -> float:
        """Mean over all pairs of some rows, in nats."""
        headline, image = (
            places(self._inputs, self._towers[name], rows) for name in ("headline", "image")
        )
        alike = alike_pairs(self._names[rows], self._images[rows])
        return float(tf.reduce_mean(contrastive_loss(headline, image, alike, logit_scale())))


def _of(tower: keras.Model, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {tensor.name: inputs[tensor.name] for tensor in tower.inputs}


class _Trainer(keras.Model):
    """Both towers, and the logit scale, which does not become part of the model."""

    def __init__(self, aligned: Mapping[str, keras.Model], logit_scale: float) -> None:
        super().__init__(name="alignment")
        self.headline, self.image = aligned["headline"], aligned["image"]
        self._log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(logit_scale)),
            name="log_logit_scale",
        )
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return {
            "headline": self.headline(_of(self.headline, inputs), training=training)["aligned"],
            "image": self.image(_of(self.image, inputs), training=training)["aligned"],
        }

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Mean loss per pair of a batch, in nats."""
        alike = alike_pairs(y["name"], y["image"])
        return tf.reduce_mean(
            contrastive_loss(y_pred["headline"], y_pred["image"], alike, self.logit_scale())
        )

    def logit_scale(self) -> Tensor:
        """Scalar factor of cosines."""
        return tf.exp(tf.convert_to_tensor(self._log_scale))
