"""The towers of headline-image agreement, in Keras: what a trunk makes -> a shared space.

A trunk is any model of named inputs whose one output is (b, f): the scaled features of a
frozen encoder, or a tower that is trained from scratch.

b creatives, f features of a trunk, n n-gram ids, a width of the shared space.
"""

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.training.alignment_options import AlignmentOptions
from adscore.training.towers import inputs_like, inverse_frequency

Array = NDArray[np.float32]

# A feature further from its mean than this many deviations is an outlier, not evidence.
LARGEST_DEVIATION = 6.0

# Length of a typical vector of features, however many there are.
FEATURE_LENGTH = 1.5

# Deviation of an n-gram's row at the start.
NGRAM_SPREAD = 0.2


def feature_trunk(name: str, features: Array) -> keras.Model:
    """Builds features (b, f) of a frozen encoder -> the same, standardised, clipped and scaled.

    Nothing of it is fitted; its numbers are weights of the graph.

    Args:
        name: Of the input, `headline_features` or `image_features`.
        features: Of the rows that are fitted to, (rows, f).
    """
    inputs = keras.Input(features.shape[1:], name=name)
    mean = features.mean(axis=0, dtype=np.float64)
    variance = features.var(axis=0, dtype=np.float64)
    # Features that hardly vary are noise, which is not blown up to the rest.
    variance = np.maximum(variance, 0.01 * variance.mean() + 1e-12)
    standardised = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name="standardised"
    )
    scaled = standardised(inputs)
    standardised.set_weights([mean.astype(np.float32), variance.astype(np.float32)])
    scaled = keras.ops.clip(scaled, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    scaled = scaled * float(FEATURE_LENGTH / np.sqrt(features.shape[1]))
    return keras.Model({name: inputs}, scaled, name=f"scaled_{name}")


def aligned_image_tower(trunk: keras.Model, options: AlignmentOptions | None = None) -> keras.Model:
    """Builds a trunk's inputs -> {"aligned": (b, a)}, of unit length.

    Args:
        trunk: Named inputs -> (b, f); it is fitted too unless it is frozen.
        options: Sizes.
    """
    options = options or AlignmentOptions()
    inputs = inputs_like(trunk.inputs)
    place = _place(_output(trunk, inputs), options)
    return _tower(inputs, place, "aligned_image_tower")


def aligned_headline_tower(
    trunk: keras.Model,
    ngram_ids: NDArray[np.int32] | None = None,
    options: AlignmentOptions | None = None,
) -> keras.Model:
    """Builds a trunk's inputs, and ngram_ids (b, n) int32 -> {"aligned": (b, a)}, of unit length.

    Args:
        trunk: Named inputs -> (b, f); it is fitted too unless it is frozen.
        ngram_ids: N-gram ids of the rows that are fitted to, (rows, n); None leaves them out.
        options: Sizes.
    """
    options = options or AlignmentOptions()
    inputs = inputs_like(trunk.inputs)
    place = _place(_output(trunk, inputs), options)
    if ngram_ids is not None:
        ids = keras.Input((None,), dtype="int32", name="ngram_ids")
        place = keras.layers.Add(name="deep_and_wide")([place, _wide(ids, ngram_ids, options)])
        inputs = {**inputs, "ngram_ids": ids}
    return _tower(inputs, place, "aligned_headline_tower")


def _output(trunk: keras.Model, inputs: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    """What a trunk makes, (b, f)."""
    return trunk(dict(inputs))


def _place(features: keras.KerasTensor, options: AlignmentOptions) -> keras.KerasTensor:
    """A linear path and one of hidden units, summed: (b, f) -> (b, a)."""
    kept = keras.layers.Dropout(options.input_dropout, name="input_dropout")(features)
    linear = keras.layers.Dense(options.width, use_bias=False, name="linear")(kept)
    hidden = keras.layers.Dense(options.hidden_width, name="hidden")(kept)
    # By its approximation: the exact one has no form in ONNX here.
    hidden = keras.ops.gelu(hidden, approximate=True)
    hidden = keras.layers.Dropout(options.hidden_dropout, name="hidden_dropout")(hidden)
    curved = keras.layers.Dense(options.width, name="curved")(hidden)
    return keras.layers.Add(name="paths")([linear, curved])


def _wide(
    ids: keras.KerasTensor, fitted_ids: NDArray[np.int32], options: AlignmentOptions
) -> keras.KerasTensor:
    """Hashed n-grams weighted by how rare they are, scaled to unit length: (b, n) -> (b, a)."""
    weight = keras.layers.Embedding(options.ngram_buckets, 1, trainable=False, name="ngram_weight")
    weights = weight(ids)  # (b, n, 1)
    weight.set_weights([inverse_frequency(fitted_ids, options.ngram_buckets)])
    weights = keras.layers.Dropout(options.ngram_dropout, name="ngram_dropout")(weights)
    # A step of Adam has one size for every weight: a row that is stored smaller than it is
    # used moves faster.
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


def _tower(
    inputs: dict[str, keras.KerasTensor], place: keras.KerasTensor, name: str
) -> keras.Model:
    aligned = keras.layers.UnitNormalization(name="aligned")(place)
    return keras.Model(inputs, {"aligned": aligned}, name=name)
