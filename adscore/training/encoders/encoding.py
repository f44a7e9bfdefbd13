"""Runs encoders: headlines and pixels -> features that are equal to the last bit everywhere.

A graph's rounding depends on the shape of its batch. So a graph always gets `BATCH` rows, padded
with copies, and headlines with equal numbers of tokens: a row's features depend neither on the rows
beside it, nor on where a run was interrupted, nor on the machine.

Encodings can be pickled and sent to other machines; each opens its graph on first use.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from adscore.progress import SILENT, Progress
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import Pixels
from adscore.scoring.text import SubwordTokenizer
from adscore.training.encoders.feature_cache import FeatureCache, Stored
from adscore.training.encoders.published import ImageEncoder, TextEncoder

Floats = NDArray[np.float32]

# Larger batches are no faster, since their maps do not fit the CPU's caches.
BATCH = 16

EncoderT = TypeVar("EncoderT", TextEncoder, ImageEncoder)


class _Encoding(Generic[EncoderT]):
    """An encoder with its graph, which is opened on first use.

    Args:
        encoder: The encoder.
        threads: Threads for the graph; 0 means one per core.
    """

    def __init__(self, encoder: EncoderT, threads: int = 0) -> None:
        self.encoder: EncoderT = encoder
        self._threads = threads
        self._digest = encoder.digest()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.encoder, 1)  # on a cluster, a task has one core

    def _key_of(self, content: bytes) -> bytes:
        """SHA-256 of the encoder's digest and its input's bytes."""
        return hashlib.sha256(self._digest + hashlib.sha256(content).digest()).digest()

    @cached_property
    def _graph(self) -> Graph:
        return Graph(self.encoder.model.SerializeToString(), RuntimeOptions(self._threads))


class HeadlineEncoding(_Encoding[TextEncoder]):
    """Encodes normalised headlines; see `_Encoding`."""

    def key(self, headline: str) -> bytes:
        """Cache key of a headline's features."""
        return self._key_of(headline.encode())

    def encode(self, headlines: Sequence[str]) -> Floats:
        """Features of some headlines, (n, width)."""
        arrays, _ = self._tokenizer.encode(headlines)
        lengths = np.maximum(arrays["attention_mask"].sum(axis=1), 1)
        features = np.empty((len(headlines), self.encoder.width), np.float32)
        for length in np.unique(lengths).tolist():
            kept = slice(-length, None) if self.encoder.pads_left else slice(0, length)
            rows = np.flatnonzero(lengths == length)
            alike = {name: arrays[name][rows, kept] for name in self._graph.input_names}
            features[rows] = _in_batches(self._graph, alike, 1 if self.encoder.apart else BATCH)
        return features

    @cached_property
    def _tokenizer(self) -> SubwordTokenizer:
        one = self.encoder
        return SubwordTokenizer(
            one.tokenizer, one.tokens, padding_id=one.padding_id, pads_left=one.pads_left
        )


def headline_features(
    headlines: Sequence[str],
    encoding: HeadlineEncoding,
    cache: FeatureCache,
    progress: Progress = SILENT,
) -> Stored:
    """Features of distinct normalised headlines; missing ones are computed.

    `progress` receives the number of headlines with features.

    Raises:
        TrainingError: The cache cannot be used.
    """
    # Sort by length, so that most batches have equal numbers of tokens.
    order = np.argsort([len(text) for text in headlines], kind="stable")
    texts = [headlines[row] for row in order.tolist()]

    def compute(rows: Sequence[int]) -> Floats:
        features = encoding.encode([texts[row] for row in rows])
        done = rows[-1] + 1
        progress.advance(done / len(texts), f"{done:,} of {len(texts):,}")
        return features

    keys = [encoding.key(text) for text in texts]
    found = cache.features(keys, encoding.encoder.width, compute)
    index = np.empty_like(found.index)
    index[order] = found.index
    return Stored(found.values, index)


class ImageEncoding(_Encoding[ImageEncoder]):
    """Encodes pixels; see `_Encoding`."""

    def key(self, content: bytes) -> bytes:
        """Cache key of an image's features."""
        return self._key_of(content)

    def encode(self, pixels: Pixels) -> Floats:
        """Features of some images, (n, height, width, 3) uint8 -> (n, width)."""
        return _in_batches(self._graph, {"pixels": pixels}, BATCH)


def _in_batches(graph: Graph, inputs: Mapping[str, NDArray[np.generic]], size: int) -> Floats:
    """Runs a graph on batches of equal size; returns the features, (n, width)."""
    count = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        found = graph.run({name: array[rows] for name, array in inputs.items()})["features"]
        parts.append(found[: count - start])
    return np.concatenate(parts)
