"""The distance of a creative from those of the training, so that a score can warn of a guess."""

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

Array = NDArray[np.float32]

# Directions in which creatives differ most, each with a variance of its own; the rest share one.
DIRECTIONS = 32
ROWS_A_DIRECTION = 4  # fewer rows say nothing of a direction
MIN_VARIANCE = 1e-12
MAX_ROWS = 2_000  # that the directions are found on: more change nothing but the time

# Of creatives that were held out, this share is nearer than the limit.
FAMILIAR_SHARE = 0.99


def fit_familiarity(fitted: Array, held_out: Array, name: str) -> tuple[keras.Model, float]:
    """Fits a model of the distance, and the limit beyond which a creative is unfamiliar.

    Args:
        fitted: Features of the rows that are fitted to, (rows, f).
        held_out: Features of rows that are not, (rows, f).
        name: The model's.
    """
    model = distance_model(fitted, name)
    distances = np.asarray(model(held_out))
    return model, float(np.quantile(distances[:, 0], FAMILIAR_SHARE))


def distance_model(features: Array, name: str) -> keras.Model:
    """Builds features of a trunk (b, f) -> distance (b, 1), about 1 for what is familiar.

    The Mahalanobis distance over the root of f, under the covariance of a probabilistic
    principal component analysis (Tipping and Bishop 1999): Lee et al. (2018), "A simple unified
    framework for detecting out-of-distribution samples and adversarial attacks".

    Args:
        features: Of the rows that are fitted to, (rows, f).
        name: The model's.
    """
    rows = features[np.linspace(0, len(features) - 1, min(len(features), MAX_ROWS)).astype(int)]
    width = rows.shape[1]
    mean = rows.mean(axis=0, dtype=np.float64)
    directions, variances, rest = _principal(rows - mean, width)
    inputs = keras.Input((width,), name="features")
    centring = keras.layers.EinsumDense("bf,f->bf", (width,), bias_axes="f")
    centred = centring(inputs)
    centring.set_weights([np.ones(width), -mean])
    along = keras.layers.Dense(len(variances), use_bias=False)
    squares = along(centred) ** 2  # (b, directions)
    along.set_weights([directions.T])
    known = keras.layers.Dense(1, use_bias=False)
    # What these directions say counts by their own variances, and no longer by the others'.
    correction = known(squares)
    known.set_weights([(1 / variances - 1 / rest)[:, None]])
    total = keras.ops.sum(centred * centred, axis=1, keepdims=True) / float(rest)
    distance = keras.ops.sqrt(keras.ops.maximum(total + correction, 0.0) / width)
    return keras.Model(inputs, distance, name=name)


def _principal(centred: Array, width: int) -> tuple[Array, Array, float]:
    """Directions (k, f), the variance along each (k,), and that along any other."""
    count = max(1, min(DIRECTIONS, len(centred) // ROWS_A_DIRECTION, width - 1))
    if min(centred.shape) <= count:
        count = min(centred.shape) - 1
    if not centred.any():  # all rows are one
        nowhere = np.zeros((1, width), np.float32)
        return nowhere, np.array([MIN_VARIANCE], np.float32), MIN_VARIANCE
    start = np.random.default_rng(0).normal(size=min(centred.shape))  # svds's own would differ
    _, lengths, directions = svds(centred.astype(np.float64), k=count, v0=start)
    variances = lengths**2 / len(centred)
    total = float((centred.astype(np.float64) ** 2).sum() / len(centred))
    rest = max((total - variances.sum()) / (width - count), 1e-9 * total / width, MIN_VARIANCE)
    return directions, np.maximum(variances, rest), rest
