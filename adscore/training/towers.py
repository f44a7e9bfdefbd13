"""The trained towers on frozen encoders, in Keras: features -> embedding.

b creatives, f features, n n-gram ids, e width of the embedding.
"""

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.training.presets import Preset

Array = NDArray[np.float32]

# A feature further from its mean than this many deviations is an outlier, not evidence.
LARGEST_DEVIATION = 6.0

# Length of a typical vector of features, however many there are.
FEATURE_LENGTH = 1.0


def image_tower(preset: Preset, features: Array) -> keras.Model:
    """Builds image_features (b, f) -> embedding (b, e).

    Args:
        preset: Its sizes.
        features: Of the rows that are fitted to, (rows, f).
    """
    inputs = keras.Input(features.shape[1:], name="image_features")
    embedding = _projection(preset, inputs, features)
    return keras.Model(inputs, {"embedding": _named(embedding)}, name="image_encoder")


def headline_tower(preset: Preset, features: Array, ids: NDArray[np.int32]) -> keras.Model:
    """Builds headline_features (b, f) and ngram_ids (b, n) -> embedding (b, e).

    Args:
        preset: Its sizes.
        features: Of the rows that are fitted to, (rows, f).
        ids: N-gram ids of these rows, (rows, n).
    """
    inputs = keras.Input(features.shape[1:], name="headline_features")
    ngrams = keras.Input((None,), dtype="int32", name="ngram_ids")
    embedding = keras.layers.Add(name="deep_and_wide")(
        [_projection(preset, inputs, features), _wide(preset, ngrams, ids)]
    )
    return keras.Model(
        {"headline_features": inputs, "ngram_ids": ngrams},
        {"embedding": _named(embedding)},
        name="headline_encoder",
    )


def _projection(preset: Preset, inputs: keras.KerasTensor, features: Array) -> keras.KerasTensor:
    mean = features.mean(axis=0, dtype=np.float64)
    variance = features.var(axis=0, dtype=np.float64)
    # Most of a small model's features hardly vary; their noise is not blown up to the rest.
    variance = np.maximum(variance, 0.01 * variance.mean() + 1e-12)
    # Frozen, it is a standardisation whose numbers are weights; keras.layers.Normalization
    # with given numbers exports them as inputs of the graph.
    standardised = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name="standardised"
    )
    scaled = standardised(inputs)
    standardised.set_weights([mean.astype(np.float32), variance.astype(np.float32)])
    scaled = keras.ops.clip(scaled, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    scaled = scaled * float(FEATURE_LENGTH / np.sqrt(features.shape[1]))
    kept = keras.layers.Dropout(preset.feature_dropout, name="feature_dropout")(scaled)
    return keras.layers.Dense(
        preset.projection_width,
        kernel_regularizer=keras.regularizers.L2(preset.feature_penalty),
        name="projection",
    )(kept)


def _wide(
    preset: Preset, ids: keras.KerasTensor, fitted_ids: NDArray[np.int32]
) -> keras.KerasTensor:
    """Hashed n-grams weighted by how rare they are, scaled to unit length: (b, n) -> (b, e)."""
    weight = keras.layers.Embedding(preset.ngram_buckets, 1, trainable=False, name="ngram_weight")
    table = keras.layers.Embedding(
        preset.ngram_buckets,
        preset.ngram_width,
        embeddings_initializer="zeros",
        embeddings_regularizer=keras.regularizers.L2(preset.ngram_penalty),
        name="ngrams",
    )
    weights = weight(ids)  # (b, n, 1)
    weight.set_weights([inverse_frequency(fitted_ids, preset.ngram_buckets)])
    total = keras.ops.sum(weights * table(ids), axis=1)  # (b, width)
    length = keras.ops.sqrt(keras.ops.sum(weights * weights, axis=1) + 1e-6)  # (b, 1)
    return keras.layers.Dense(preset.projection_width, use_bias=False, name="wide")(total / length)


def inverse_frequency(ids: NDArray[np.int32], buckets: int) -> Array:
    """Weight of each n-gram id, (buckets, 1): log((1 + rows) / (1 + rows with it)) + 1.

    Args:
        ids: Distinct ids of each row, padded with 0, (rows, n).
        buckets: Number of ids; that of padding weighs nothing.
    """
    count = np.bincount(ids.ravel(), minlength=buckets)
    weight = np.log((1 + len(ids)) / (1 + np.minimum(count, len(ids)))) + 1
    weight[0] = 0.0
    return weight[:, None].astype(np.float32)


def _named(embedding: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.Identity(name="embedding")(embedding)
