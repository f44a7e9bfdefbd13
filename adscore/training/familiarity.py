"""Measures how far a creative is from those of the training, to warn about guesses.

A part is described by numbers that were not fitted to results: features of a published encoder;
statistics of pixels, or of a headline's writing with its n-grams; otherwise token frequencies, or
an image's colours by place. What a network has learned from clicks says little about inputs unlike
any it has seen.

b parts, f features, l token ids, k directions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.training.inputs import Inputs
from adscore.training.problem import Problem
from adscore.training.towers import KerasTower

Array = NDArray[Any]

UNFAMILIAR_SHARE = 0.01  # share of held-out creatives flagged, by any part

# Main directions of variation, each with its own variance; all others share one.
DIRECTIONS = 32
ROWS_A_DIRECTION = 4  # fewer rows cannot determine a direction
MAX_FITTED_ROWS = 2_000  # rows to find directions; more only cost time
MAX_ROWS = 5_000  # rows to find the limit
SPARE, POWER_ITERATIONS = 10, 2
# Rows that repeat a few texts vary in few directions, while float32 rounds in all of them. So:
# least deviation relative to the features' size, and least variance after scaling.
MIN_DEVIATION = 1e-4
MIN_VARIANCE = 1e-5
FREQUENT_TOKENS = 63  # all others count as one: a class for each would be costly
GRID = 8  # cells along each side of an image
PAIR_BUCKETS = 65_521  # buckets for hashed token pairs; a prime
FOLDS = 5


def fit_familiarity(
    problem: Problem, inputs: Inputs, towers: Mapping[str, KerasTower]
) -> tuple[dict[str, keras.Model], dict[str, float]]:
    """Fits a distance model per tower, and the limit beyond which a part is unfamiliar.

    Limits come from fitted rows whose groups were held out in turn, so that about
    `UNFAMILIAR_SHARE` of the creatives of new groups exceed the limit of any part.

    Returns:
        By tower, a model: inputs by name -> distance (b, 1); and by tower its limit, near 1.
    """
    models, limits = {}, {}
    share = UNFAMILIAR_SHARE / len(towers)
    for name, tower in towers.items():
        rows = problem.data.rows_with(name, problem.fitted)
        if not rows.size:
            continue
        rows = rows[_spread(len(rows), MAX_ROWS)]
        description = describe(tower, inputs, rows)
        described = inputs.predict(description, rows)
        distance, limits[name] = fit_distance(described, problem.data.groups[rows], share)
        models[name] = distance_model(description, distance, f"{name}_distance")
    return models, limits


# === Descriptions ===


def describe(tower: KerasTower, inputs: Inputs, rows: NDArray[np.int64]) -> keras.Model:
    """Builds a tower's inputs by name -> features (b, f), and `pairs` for n-grams or token ids.

    Args:
        tower: Its inputs determine the description.
        inputs: Inputs of every row.
        rows: Rows whose frequent tokens are counted separately.
    """
    given = {tensor.name: tensor for tensor in tower.trunk.inputs}
    # An encoder says more about a headline than statistics of its writing.
    name = "headline_features" if "headline_features" in given else next(iter(given))
    read = keras.Input(given[name].shape[1:], dtype=given[name].dtype, name=name)
    known, outputs = {name: read}, {"features": read}
    if name == "headline_statistics":
        known["ngram_ids"] = outputs["pairs"] = keras.Input(
            (None,), dtype="int32", name="ngram_ids"
        )
    if name == "token_ids":
        vocabulary = tower.trunk.get_layer("tokens").input_dim
        ids = inputs.batch(rows, [name])[name]
        features = _frequencies(read, _frequent(ids, vocabulary))
        outputs = {"features": features, "pairs": _pairs(read, vocabulary)}
    if name == "pixels":
        outputs = {"features": _colours(read)}
    return keras.Model(known, outputs)


def _frequent(ids: NDArray[np.int32], vocabulary: int) -> NDArray[np.int32]:
    """Class of each token, (vocabulary,): from 1 by falling frequency; all rare ones share one."""
    count = np.bincount(ids.ravel(), minlength=vocabulary)
    count[0] = 0  # padding, number 0
    number = np.full(vocabulary, FREQUENT_TOKENS, dtype=np.int32)
    most = np.argsort(-count, kind="stable")[: FREQUENT_TOKENS - 1]
    number[most] = np.arange(1, len(most) + 1)
    number[0] = 0
    return number


def _frequencies(ids: keras.KerasTensor, numbers: NDArray[np.int32]) -> keras.KerasTensor:
    """Square roots of the frequencies of token classes, (b, FREQUENT_TOKENS)."""
    numbered = keras.ops.take(numbers, ids, axis=0)
    counts = keras.ops.sum(keras.ops.one_hot(numbered, FREQUENT_TOKENS + 1), axis=1)[:, 1:]
    total = keras.ops.sum(counts, axis=1, keepdims=True)
    return keras.ops.sqrt(counts / keras.ops.maximum(total, 1.0))


def _pairs(ids: keras.KerasTensor, vocabulary: int) -> keras.KerasTensor:
    """Hashed pairs of neighbouring tokens, from 1, (b, l - 1); 0 where there is no pair."""
    first, second = ids[:, :-1], ids[:, 1:]
    there = keras.ops.cast((first > 0) & (second > 0), "int32")
    return ((first * vocabulary + second) % PAIR_BUCKETS + 1) * there


def _colours(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Mean colour of each cell of a grid, from -1 to 1, (b, f)."""
    height, width, _ = pixels.shape[1:]
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    places = (max(1, height // GRID), max(1, width // GRID))
    return keras.layers.Flatten()(keras.layers.AveragePooling2D(places)(scaled))


# === Distances ===


@dataclass(frozen=True)
class Distance:
    """Distance of descriptions from those that it was fitted to.

    The principal components of the features (probabilistic principal component analysis, Tipping
    and Bishop 1999) split the Mahalanobis distance (Lee et al. 2018, "A simple unified framework
    for detecting out-of-distribution samples and adversarial attacks") into two: along the
    directions in which creatives differ, and off them (Wang et al. 2022, "ViM: out-of-distribution
    with virtual-logit matching"). Text in another script is unusual along them, text of another
    kind off them. For token ids, rare pairs of tokens are a third measure. The largest measure
    counts, each in units of its value at a share of held-out rows.

    Attributes:
        mean: Mean of the features, (f,).
        scale: Factor of centred features, (f,).
        directions: Main directions, (k, f).
        variances: Variance along each direction, (k,).
        rest: Variance along any other direction.
        rarity: Of each pair, log((1 + rows) / (1 + rows with it)), (PAIR_BUCKETS + 1,); None
            without pairs.
        units: Unit of each measure.
    """

    mean: Array
    scale: Array
    directions: Array
    variances: Array
    rest: float
    rarity: Array | None
    units: Array

    @classmethod
    def fit(cls, described: Mapping[str, Array]) -> "Distance":
        """Fits everything except the units, which are 1."""
        features = described["features"]
        mean, deviation = (f(axis=0, dtype=np.float64) for f in (features.mean, features.std))
        size = np.sqrt(np.mean(features.astype(np.float64) ** 2))
        typical = max(np.sqrt(np.mean(deviation**2)), MIN_DEVIATION * size, MIN_DEVIATION)
        scale = 1 / np.maximum(deviation, typical)
        fitted = features[_spread(len(features), MAX_FITTED_ROWS)]
        directions, variances, rest = _principal((fitted - mean) * scale)
        rarity = _rarity(described["pairs"]) if "pairs" in described else None
        units = np.ones(2 if rarity is None else 3)
        return cls(mean, scale, directions, variances, rest, rarity, units)

    def measures(self, described: Mapping[str, Array]) -> Array:
        """Distance along the directions, off them, and rarity of pairs, (b, 2 or 3)."""
        centred = (described["features"] - self.mean) * self.scale
        along = centred @ self.directions.T
        # Computed directly: a difference of two large squares would be mostly rounding error.
        off = centred - along @ self.directions
        others = max(1, centred.shape[1] - len(self.variances))
        found = [
            np.sqrt((along**2 / self.variances).mean(axis=1)),
            np.sqrt((off**2).sum(axis=1) / (self.rest * others)),
        ]
        if self.rarity is not None:
            pairs = described["pairs"]
            found.append(self.rarity[pairs].sum(axis=1) / np.maximum((pairs > 0).sum(axis=1), 1))
        return np.stack(found, axis=1) / self.units


def fit_distance(
    described: Mapping[str, Array], groups: NDArray[np.int64], share: float
) -> tuple[Distance, float]:
    """Fits a distance, and the limit that a share of the rows of new groups exceeds.

    Args:
        described: `features` (rows, f) and, for token ids, `pairs` (rows, l - 1).
        groups: Group of each row, (rows,).
        share: Share of held-out rows, above 0.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    fold = np.random.default_rng(0).permutation(np.arange(count) % FOLDS)[numbers]
    held_out = np.concatenate(
        [
            Distance.fit(_taken(described, fold != k)).measures(_taken(described, fold == k))
            for k in np.unique(fold)
            if (fold != k).any()
        ]
        or [Distance.fit(described).measures(described)]
    )
    # Rows that repeat fitted ones have a distance that is only rounding error.
    units = np.maximum(np.quantile(held_out, 1 - share, axis=0), 1.0)
    limit = max(1.0, float(np.quantile((held_out / units).max(axis=1), 1 - share)))
    fitted = Distance.fit(described)
    return Distance(**{**vars(fitted), "units": units}), limit


def distance_model(description: keras.Model, distance: Distance, name: str) -> keras.Model:
    """Builds a description's inputs by name -> distance (b, 1): `Distance.measures` in Keras."""
    described = description.output
    features = described["features"]
    standardised = keras.layers.EinsumDense("bf,f->bf", features.shape[1:], bias_axes="f")
    centred = standardised(features)
    standardised.set_weights([distance.scale, -distance.mean * distance.scale])
    along = _linear(distance.directions.T, centred)
    off = centred - _linear(distance.directions, along)
    others = max(1, centred.shape[1] - len(distance.variances))
    variances = distance.variances.astype(np.float32)
    measures = [
        keras.ops.sqrt(keras.ops.mean(along * along / variances, axis=1, keepdims=True)),
        keras.ops.sqrt(
            keras.ops.sum(off * off, axis=1, keepdims=True) / float(distance.rest * others)
        ),
    ]
    if distance.rarity is not None:
        measures.append(_mean_rarity(distance.rarity, described["pairs"]))
    units = distance.units.astype(np.float32)
    farthest = keras.ops.max(keras.ops.concatenate(measures, axis=1) / units, axis=1, keepdims=True)
    return keras.Model(description.input, farthest, name=name)


def _mean_rarity(rarity: Array, pairs: keras.KerasTensor) -> keras.KerasTensor:
    table = keras.layers.Embedding(len(rarity), 1, name="rarity")
    total = keras.ops.sum(table(pairs), axis=1)
    table.set_weights([rarity[:, None]])
    there = keras.ops.sum(keras.ops.cast(pairs > 0, "float32"), axis=1, keepdims=True)
    return total / keras.ops.maximum(there, 1.0)


def _linear(weights: Array, inputs: keras.KerasTensor) -> keras.KerasTensor:
    layer = keras.layers.Dense(weights.shape[1], use_bias=False)
    outputs = layer(inputs)
    layer.set_weights([weights])
    return outputs


def _taken(described: Mapping[str, Array], rows: NDArray[np.bool_]) -> dict[str, Array]:
    return {name: values[rows] for name, values in described.items()}


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` numbers below a count, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def _rarity(pairs: NDArray[np.int32]) -> Array:
    each = np.unique(pairs, axis=0)  # count each distinct text once
    rows = np.concatenate([np.unique(row) for row in each])
    count = np.bincount(rows, minlength=PAIR_BUCKETS + 1)
    rarity: Array = np.log((1 + len(each)) / (1 + count))
    rarity[0] = 0.0
    return rarity


def _principal(centred: Array) -> tuple[Array, Array, float]:
    """Main directions (k, f), the variance along each (k,), and along any other.

    Power iterations on a random block (Halko, Martinsson and Tropp 2011), ten times as fast as
    Lanczos with thousands of features.
    """
    rows, width = centred.shape
    count = max(1, min(DIRECTIONS, rows // ROWS_A_DIRECTION, width - 1))
    count = min(count, min(rows, width) - 1)
    total = float((centred**2).sum() / rows)
    if count < 1 or not centred.any():  # one feature, one row, or all rows are one
        rest = max(total / width, MIN_VARIANCE)
        return np.zeros((1, width)), np.array([rest]), rest
    block = np.random.default_rng(0).normal(size=(width, min(count + SPARE, width)))
    for _ in range(POWER_ITERATIONS):
        block, _ = np.linalg.qr(centred.T @ (centred @ block))
    _, lengths, turned = np.linalg.svd(centred @ block, full_matrices=False)
    directions, variances = (turned @ block.T)[:count], lengths[:count] ** 2 / rows
    rest = max((total - variances.sum()) / (width - count), MIN_VARIANCE)
    return directions, np.maximum(variances, rest), rest
