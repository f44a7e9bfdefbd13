"""The towers in Keras: inputs -> trunk -> embedding.

b creatives, l token ids, h x w pixels, f features of the trunk, n n-gram ids, e width of the
embedding. The trunk's features describe the input; the embedding is the input of the head.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.scoring.text import HeadlineTokenizer
from adscore.training.encoders.statistics import WIDTHS as STATISTICS
from adscore.training.feature_rows import Moments
from adscore.training.inputs import Inputs
from adscore.training.presets import Preset
from adscore.training.problem import Problem

Array = NDArray[np.float32]
Tensor = Any  # keras.KerasTensor, of which mypy knows nothing

# Encoder features: a z-score beyond this is an outlier, not evidence.
MAX_DEVIATION = 3.0

# Lengths of a typical row of one block of an encoder's features, so that one penalty fits all;
# chosen on validation groups. The final output of a text encoder counts most, that of an image
# encoder no more than the maps in between.
FINAL_TEXT_LENGTH = 1.2
INNER_TEXT_LENGTH = 0.7
FINAL_IMAGE_LENGTH = 0.5
INNER_IMAGE_LENGTH = 0.25
STATISTICS_LENGTH = 1.0  # all statistics of a headline or an image together
MIN_LENGTH = 1e-6


@dataclass(frozen=True)
class KerasTower:
    """A tower and its parts.

    Attributes:
        trunk: Inputs by name -> features (b, f).
        wide: n-gram ids (b, n) int32 -> (b, e), added to the projection; None without n-grams.
        projection: features (b, f) -> (b, e).
        embedding: Inputs by name, n-gram ids among them -> {"embedding": (b, e)}.
        blocks: By name, the number of features in each block of the trunk, in order; empty if the
            trunk is trained.
    """

    trunk: keras.Model
    wide: keras.Model | None
    projection: keras.Model
    embedding: keras.Model
    blocks: Mapping[str, int] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The tower's inputs, by name."""
        return {tensor.name: tensor for tensor in self.embedding.inputs}

    def features(self, inputs: Inputs, rows: NDArray[np.int64]) -> Array:
        """Features of the trunk for some rows, (rows, f)."""
        return np.asarray(self.trunk(inputs.read_by(self.trunk, rows), training=False))


def build_towers(problem: Problem, inputs: Inputs) -> dict[str, KerasTower]:
    """Builds the untrained towers, by `headline` and `image`.

    Towers on encoders take scales and n-gram weights from the fitted rows.
    """
    build = {"headline": _headline_tower, "image": _image_tower}
    return {
        name: build[name](problem, inputs, problem.data.rows_with(name, problem.split.fitting))
        for name in problem.data.modalities
    }


def _headline_tower(problem: Problem, inputs: Inputs, fitted: NDArray[np.int64]) -> KerasTower:
    preset, encoder = problem.preset, problem.encoders.text
    name, projection_name = "headline_encoder", "headline_projection"
    if encoder is None and not problem.is_additive:
        tokenizer = HeadlineTokenizer(inputs.tokenizer, preset.preprocessing.headline_tokens)
        trunk = lstm_trunk(preset, tokenizer.vocabulary_size)
        return assemble_tower(name, trunk, trained_projection(preset, trunk, projection_name))
    names = inputs.columns.keys() & {"headline_features", "headline_statistics"}
    moments = {name: inputs.moments(name, fitted) for name in names}
    trunk, blocks = headline_feature_trunk(moments, () if encoder is None else encoder.blocks)
    weights = inverse_frequency(inputs.pieces("ngram_ids", fitted), preset.ngram_buckets)
    projection = _projection_on_features(problem, trunk, projection_name)
    wide = wide_branch(weights, projection.output.shape[1])
    return replace(assemble_tower(name, trunk, projection, wide), blocks=blocks)


def _image_tower(problem: Problem, inputs: Inputs, fitted: NDArray[np.int64]) -> KerasTower:
    preset, encoder = problem.preset, problem.encoders.image
    name, projection_name = "image_encoder", "image_projection"
    if encoder is None:
        trunk = conv_trunk(preset)
        return assemble_tower(name, trunk, trained_projection(preset, trunk, projection_name))
    trunk, blocks = image_feature_trunk(inputs.moments("image_features", fitted), encoder.blocks)
    projection = _projection_on_features(problem, trunk, projection_name)
    return replace(assemble_tower(name, trunk, projection), blocks=blocks)


def _projection_on_features(problem: Problem, trunk: keras.Model, name: str) -> keras.Model:
    if not problem.is_additive:
        return feature_projection(problem.preset, trunk, name)
    columns = problem.preset.members * len(problem.data.targets)
    return linear_projection(max(columns, 1), trunk, name)  # without targets it is not used


def inputs_like(tensors: Iterable[Tensor]) -> dict[str, Tensor]:
    """Inputs of a new model, by name, with the names, shapes and dtypes of another's."""
    return {t.name: keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in tensors}


def assemble_tower(
    name: str, trunk: keras.Model, projection: keras.Model, wide: keras.Model | None = None
) -> KerasTower:
    """Puts a tower together."""
    inputs = inputs_like(trunk.inputs)
    embedding = projection(trunk(dict(inputs)))
    if wide is not None:
        ids = keras.Input((None,), dtype="int32", name="ngram_ids")
        inputs["ngram_ids"] = ids
        embedding = keras.layers.Add(name="deep_and_wide")([embedding, wide(ids)])
    embedding = keras.layers.Identity(name="embedding")(embedding)
    model = keras.Model(inputs, {"embedding": embedding}, name=name)
    return KerasTower(trunk, wide, projection, model)


# === Trunks ===


def lstm_trunk(preset: Preset, vocabulary_size: int) -> keras.Model:
    """Builds token_ids (b, l) int32 -> state of an LSTM (b, f).

    Args:
        preset: Its sizes.
        vocabulary_size: Number of distinct token ids, padding included.
    """
    length = preset.preprocessing.headline_tokens
    token_ids = keras.Input((length,), dtype="int32", name="token_ids")
    # Ids are padded on the left and not masked, since a masked LSTM exports as a slow loop.
    tokens = keras.layers.Embedding(vocabulary_size, preset.token_width, name="tokens")(token_ids)
    state = keras.layers.LSTM(preset.lstm_width, name="lstm")(tokens)
    return keras.Model({"token_ids": token_ids}, state, name="headline_trunk")


def conv_trunk(preset: Preset) -> keras.Model:
    """Builds pixels (b, h, w, 3) uint8 -> pooled or flattened maps (b, f)."""
    size = preset.preprocessing
    pixels = keras.Input((size.image_height, size.image_width, 3), dtype="uint8", name="pixels")
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(pixels)
    for number, filters in enumerate(preset.conv_filters, start=1):
        maps = keras.layers.Conv2D(filters, 3, activation="relu", name=f"conv_{number}")(maps)
        maps = keras.layers.MaxPooling2D(name=f"pool_{number}")(maps)
    if preset.global_pooling:
        mean = keras.layers.GlobalAveragePooling2D(name="mean_of_maps")(maps)
        most = keras.layers.GlobalMaxPooling2D(name="maximum_of_maps")(maps)
        flat = keras.layers.Concatenate(name="pooled")([mean, most])
    else:
        flat = keras.layers.Flatten(name="flatten")(maps)
    return keras.Model({"pixels": pixels}, flat, name="image_trunk")


def headline_feature_trunk(
    moments: Mapping[str, Moments], widths: Sequence[int]
) -> tuple[keras.Model, dict[str, int]]:
    """Builds descriptions of headlines -> the same centred and scaled, block by block.

    Args:
        moments: Moments over the fitted rows: of encoder `headline_features`,
            `headline_statistics`, or both.
        widths: Widths of the encoder's outputs, the final one first; empty without an encoder.

    Returns:
        The trunk, and the widths of its blocks by name.
    """
    inputs, parts, blocks = {}, [], {}
    if widths:
        features = inputs["headline_features"] = keras.Input(
            (sum(widths),), name="headline_features"
        )
        centred = _standardised(features, moments["headline_features"], scale=False)
        final, *inner = _blocks(centred, widths)
        parts += [final * FINAL_TEXT_LENGTH, *map(_of_inner_length, inner)]
        blocks = {"encoder": widths[0], "inner layers": sum(widths[1:])}
    if "headline_statistics" in moments:
        known = moments["headline_statistics"]
        width = len(known.mean)
        given = inputs["headline_statistics"] = keras.Input((width,), name="headline_statistics")
        parts.append(_scores(given, known) * float(STATISTICS_LENGTH / np.sqrt(width)))
        blocks["statistics"] = width
    return keras.Model(inputs, _joined(parts), name="headline_trunk"), _kept(blocks)


def _of_inner_length(block: Tensor) -> Tensor:
    squares = keras.ops.sum(block * block, axis=1, keepdims=True)
    return block / keras.ops.maximum(keras.ops.sqrt(squares), MIN_LENGTH) * INNER_TEXT_LENGTH


def image_feature_trunk(
    moments: Moments, widths: Sequence[int]
) -> tuple[keras.Model, dict[str, int]]:
    """Builds image_features (b, f) -> z-scores, each block scaled to its typical norm.

    Args:
        moments: Moments over the fitted rows.
        widths: Widths of the outputs: final and inner ones of an encoder, if there is one, then the
            statistics.

    Returns:
        The trunk, and the widths of its blocks by name.
    """
    inputs = keras.Input((len(moments.mean),), name="image_features")
    count = len(widths) - len(STATISTICS)
    lengths = [FINAL_IMAGE_LENGTH] * min(1, count) + [INNER_IMAGE_LENGTH] * max(0, count - 1)
    lengths += [STATISTICS_LENGTH / np.sqrt(len(STATISTICS))] * len(STATISTICS)
    parts = [
        block * float(length / np.sqrt(width))
        for block, length, width in zip(
            _blocks(_scores(inputs, moments), widths), lengths, widths, strict=True
        )
    ]
    trunk = keras.Model({"image_features": inputs}, _joined(parts), name="image_trunk")
    blocks = {
        "encoder": sum(widths[: min(1, count)]),
        "inner layers": sum(widths[1:count]),
        "statistics": sum(STATISTICS),
    }
    return trunk, _kept(blocks)


def _kept(blocks: Mapping[str, int]) -> dict[str, int]:
    return {name: width for name, width in blocks.items() if width}


def _scores(inputs: Tensor, moments: Moments) -> Tensor:
    """Z-scores, clipped to exclude outliers."""
    scores = _standardised(inputs, moments, scale=True)
    return keras.ops.clip(scores, -MAX_DEVIATION, MAX_DEVIATION)


def _standardised(inputs: Tensor, moments: Moments, *, scale: bool) -> Tensor:
    """Centred features, optionally divided by their standard deviations."""
    # A frozen batch normalisation standardises with numbers that are weights, while
    # keras.layers.Normalization exports given numbers as inputs of the graph.
    layer = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name=f"standardised_{inputs.name}"
    )
    scores = layer(inputs)
    variance = moments.variance + 1e-8 if scale else np.ones_like(moments.mean)
    layer.set_weights([moments.mean.astype(np.float32), variance.astype(np.float32)])
    return scores


def _blocks(features: Tensor, widths: Sequence[int]) -> list[Tensor]:
    ends = np.cumsum(widths).tolist()
    return [features[:, end - width : end] for end, width in zip(ends, widths, strict=True)]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="joined")(parts)


# === Projections ===


def trained_projection(preset: Preset, trunk: keras.Model, name: str) -> keras.Model:
    """Builds features (b, f) -> embedding (b, e) of a tower that is trained from scratch."""
    features = keras.Input(trunk.output.shape[1:], name="features")
    if preset.projection_width is None:
        embedding = keras.layers.Identity()(features)
    else:
        embedding = keras.layers.Dense(preset.projection_width, activation="tanh")(features)
    return keras.Model(features, embedding, name=name)


def feature_projection(preset: Preset, trunk: keras.Model, name: str) -> keras.Model:
    """Builds features (b, f) -> embedding on an encoder, beside a tower trained from scratch."""
    features = keras.Input(trunk.output.shape[1:], name="features")
    kept = keras.layers.Dropout(preset.feature_dropout)(features)
    embedding = keras.layers.Dense(
        preset.projection_width,
        kernel_regularizer=keras.regularizers.L2(preset.feature_penalty),
    )(kept)
    return keras.Model(features, embedding, name=name)


def linear_projection(width: int, trunk: keras.Model, name: str) -> keras.Model:
    """Builds features (b, f) -> (b, e) of a linear head, without bias."""
    features = keras.Input(trunk.output.shape[1:], name="features")
    embedding = keras.layers.Dense(width, use_bias=False, kernel_initializer="zeros")(features)
    return keras.Model(features, embedding, name=name)


# === N-grams ===


def wide_branch(weights: Array, width: int) -> keras.Model:
    """Builds n-gram ids (b, n) -> (b, e): rare ones weigh more; each row's weights have norm 1.

    Args:
        weights: Weight of each id, (ids, 1); see `inverse_frequency`.
        width: Width of the output.
    """
    ids = keras.Input((None,), dtype="int32", name="ngram_ids")
    weight = keras.layers.Embedding(len(weights), 1, trainable=False, name="ngram_weight")
    table = keras.layers.Embedding(
        len(weights), width, embeddings_initializer="zeros", name="ngrams"
    )
    each = weight(ids)  # (b, n, 1)
    weight.set_weights([weights])
    total = keras.ops.sum(each * table(ids), axis=1)  # (b, e)
    length = keras.ops.sqrt(keras.ops.sum(each * each, axis=1) + MIN_LENGTH)  # (b, 1)
    return keras.Model(ids, total / length, name="wide")


def inverse_frequency(pieces: Iterable[NDArray[np.int32]], buckets: int) -> Array:
    """Weight of each n-gram id, (buckets, 1): log((1 + rows) / (1 + rows with it)) + 1.

    Args:
        pieces: Distinct ids of each row, padded with 0, (rows, n) each.
        buckets: Number of ids; padding has weight 0.
    """
    rows, count = 0, np.zeros(buckets, np.int64)
    for ids in pieces:
        rows += len(ids)
        count += np.bincount(ids.ravel(), minlength=buckets)
    weight = np.log((1 + rows) / (1 + np.minimum(count, rows))) + 1
    weight[0] = 0.0
    return weight[:, None].astype(np.float32)
