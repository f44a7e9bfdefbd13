"""Features of many rows: in memory or, beyond a limit, in a file that is read in pieces.

Linear heads need only products with the features, which are sums over rows. So features that do not
fit are processed in pieces, with the same steps and weights, in memory that does not grow with the
number of rows.

n rows, f features, c columns.
"""

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from adscore.training.encoders.feature_cache import cache_directory

Features = NDArray[np.float32]

# Per part in memory: 200,000 rows of image statistics, or 20,000 of encoder features.
MAX_BYTES = 200 * 1024 * 1024
# Rows for second moments: more cost time and change little.
MOMENT_ROWS = 20_000
# A piece of the widest features takes 40 MB.
ROWS_AT_ONCE = 2_048


class FeatureRows(Protocol):
    """Features (n, f) float32, in memory or on disk."""

    shape: tuple[int, int]

    def pieces(self) -> Iterator[tuple[slice, Features]]:
        """Yields slices of rows with their features; a piece is valid until the next."""

    def taken(self, rows: NDArray[np.int64]) -> Features:
        """The features of some rows, in memory."""


class InMemory:
    """All features in one array."""

    def __init__(self, features: Any) -> None:  # or sparse ones
        self._features, self.shape = features, features.shape

    def pieces(self) -> Iterator[tuple[slice, Features]]:
        """All rows as one piece."""
        yield slice(0, self.shape[0]), self._features

    def taken(self, rows: NDArray[np.int64]) -> Features:
        """The features of some rows."""
        found: Features = self._features[rows]
        return found


class OnDisk:
    """Features in an unnamed file beside the cache, which vanishes with the process.

    Args:
        pieces: All features, in order of the rows, as they are computed.
        shape: Number of rows and of features.

    Raises:
        OSError: The disk is full.
    """

    def __init__(self, pieces: Iterator[Features], shape: tuple[int, int]) -> None:
        self.shape = shape
        folder = cache_directory()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with this object
        for piece in pieces:
            self._file.write(np.ascontiguousarray(piece, np.float32).data)
        self._file.flush()

    def pieces(self) -> Iterator[tuple[slice, Features]]:
        """Reads the rows in order, piece by piece."""
        rows, width = self.shape
        # Read instead of mapping: mapped pages would count as this process's memory.
        buffer = np.empty((min(ROWS_AT_ONCE, rows), width), np.float32)
        for start in range(0, rows, ROWS_AT_ONCE):
            piece = buffer[: rows - start]
            self._read(piece, start)
            yield slice(start, start + len(piece)), piece

    def taken(self, rows: NDArray[np.int64]) -> Features:
        """Reads some rows."""
        found = np.empty((len(rows), self.shape[1]), np.float32)
        for place, row in enumerate(rows.tolist()):
            self._read(found[place : place + 1], row)
        return found

    def _read(self, into: Features, first_row: int) -> None:
        self._file.seek(first_row * self.shape[1] * into.itemsize)
        if self._file.readinto(into.data.cast("B")) != into.nbytes:
            raise OSError(f"{cache_directory()}: expected a file of features whole. Received: less")


def in_pieces(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Splits rows into pieces whose features fit in memory; at least one piece."""
    starts = range(0, max(1, len(rows)), ROWS_AT_ONCE)
    return [rows[start : start + ROWS_AT_ONCE] for start in starts]


def keep_rows(pieces: Iterator[Features], shape: tuple[int, int]) -> FeatureRows:
    """Stores features in memory if they fit, otherwise on disk."""
    if shape[0] * shape[1] * np.dtype(np.float32).itemsize > MAX_BYTES:
        return OnDisk(pieces, shape)
    features, end = np.empty(shape, np.float32), 0
    for piece in pieces:
        features[end : end + len(piece)] = piece
        end += len(piece)
    return InMemory(features)


def times(features: FeatureRows, weights: NDArray[Any]) -> Features:
    """Features times (f, c) -> (n, c)."""
    product = np.empty((features.shape[0], weights.shape[1]), np.float32)
    for rows, piece in features.pieces():
        product[rows] = piece @ weights
    return product


def transposed_times(features: FeatureRows, values: NDArray[Any]) -> Features:
    """The transpose of the features times (n, c) -> (f, c)."""
    product = np.zeros((features.shape[1], values.shape[1]), np.float32)
    for rows, piece in features.pieces():
        product += piece.T @ values[rows]
    return product


def second_moment(features: FeatureRows) -> Features:
    """Mean products of all pairs of features over an even sample of the rows, (f, f)."""
    rows, width = features.shape
    step = -(-rows // MOMENT_ROWS)
    total, count = np.zeros((width, width), np.float32), 0
    for _, piece in features.pieces():
        some = np.ascontiguousarray(piece[::step])
        total += some.T @ some
        count += len(some)
    return total / np.float32(count)


class Moments:
    """Mean and variance of features that come in pieces (Chan, Golub and LeVeque 1983).

    Args:
        pieces: Pieces of features, (n, f) each.
        width: Number of features.
    """

    def __init__(self, pieces: Iterable[NDArray[Any]], width: int) -> None:
        self.count, self.mean, self._squares = 0, np.zeros(width), np.zeros(width)
        for piece in pieces:
            self._add(piece)

    def _add(self, piece: NDArray[Any]) -> None:
        mean = piece.mean(axis=0, dtype=np.float64)
        squares = piece.var(axis=0, dtype=np.float64) * len(piece)
        total = self.count + len(piece)
        moved = mean - self.mean
        self._squares += squares + moved**2 * (self.count * len(piece) / total)
        self.mean += moved * (len(piece) / total)
        self.count = total

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance of each feature, (f,)."""
        return self._squares / max(1, self.count)
