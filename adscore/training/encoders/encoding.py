"""Encoders at work: headlines and pixels -> features, the same to the last bit wherever they run.

How a graph rounds depends on the shape of its batch. So a graph always sees `BATCH` rows, the last
ones filled up with copies, and headlines of as many tokens together: neither what stands beside a
row, nor where a run was interrupted, nor the machine that runs it changes its features.

They travel to other machines; a graph is opened where it is first needed.
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

# Larger batches are no faster, and their maps no longer fit the processor's caches.
BATCH = 16

EncoderT = TypeVar("EncoderT", TextEncoder, ImageEncoder)


class _Encoding(Generic[EncoderT]):
    """An encoder at work; the graph is opened when it is first needed.

    Args:
        encoder: The encoder.
        threads: That work on its graph; 0 means one for each core.
    """

    def __init__(self, encoder: EncoderT, threads: int = 0) -> None:
        self.encoder: EncoderT = encoder
        self._threads = threads
        self._digest = encoder.digest()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.encoder, 1)  # elsewhere a task has one core

    def _key_of(self, content: bytes) -> bytes:
        """SHA-256 of the encoder's digest and its input's bytes."""
        return hashlib.sha256(self._digest + hashlib.sha256(content).digest()).digest()

    @cached_property
    def _graph(self) -> Graph:
        return Graph(self.encoder.model.SerializeToString(), RuntimeOptions(self._threads))


class HeadlineEncoding(_Encoding[TextEncoder]):
    """Encodes normalised headlines; see `_Encoding`."""

    def key(self, headline: str) -> bytes:
        """What the features of a headline are kept under."""
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
    """Features of distinct normalised headlines, of which those that are missing are computed.

    `progress` is told how many have theirs.

    Raises:
        TrainingError: The cache cannot be used.
    """
    # By length, so that most of a batch have as many tokens.
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
        """What the features of an image are kept under."""
        return self._key_of(content)

    def encode(self, pixels: Pixels) -> Floats:
        """Features of some images, (n, height, width, 3) uint8 -> (n, width)."""
        return _in_batches(self._graph, {"pixels": pixels}, BATCH)


def _in_batches(graph: Graph, inputs: Mapping[str, NDArray[np.generic]], size: int) -> Floats:
    """Runs a graph on batches that all have as many rows; gives its features, (n, width)."""
    count = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        found = graph.run({name: array[rows] for name, array in inputs.items()})["features"]
        parts.append(found[: count - start])
    return np.concatenate(parts)
