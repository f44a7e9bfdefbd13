"""The graphs of a bundle on ONNX Runtime: two towers, each with its cache, and a head."""

import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from adscore import bundle as files
from adscore.bundle import Bundle, Present
from adscore.creative import Warning
from adscore.errors import BundleError
from adscore.scoring.cache import EncodedPart, EncodingCache
from adscore.scoring.pixel_budget import PixelBudget
from adscore.scoring.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.scoring.text import HeadlineReader

# From 1.29 on, ONNX Runtime reports the models it runs to its maker, by name and hash, and keeps a
# database for that in the home folder. It reads this variable at import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

# Larger batches are no faster: their intermediate results no longer fit the processor's caches.
MAX_BATCH = 64

# The outputs of a tower for a batch, by name: `embedding` (batch, width) for the head; `aligned`
# (batch, width) of unit length, for agreement; `distance` (batch, 1) from the training's creatives.
Encodings = dict[str, NDArray[np.float32]]
Warnings = tuple[Warning, ...]
_TRUNCATED = (Warning.HEADLINE_TRUNCATED,)


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How to run a model.

    Attributes:
        threads: Threads that work on one graph; 0 means one for each core.
        cache_bytes: Memory for the cache of encoded headlines and images, in bytes; a cache hit
            saves decoding and encoding. 0 turns the cache off.
        max_headline_characters: Longest headline accepted, unless the model's own limit is
            lower; None applies the model's limit alone.
        max_image_bytes: Largest encoded image accepted, likewise.
        max_image_pixels: Maximum number of pixels of an image, likewise.
        budget: Bounds the pixels decoded at once, shared with other models; None creates a
            separate one.
    """

    threads: int = 0
    cache_bytes: int = 0
    max_headline_characters: int | None = None
    max_image_bytes: int | None = None
    max_image_pixels: int | None = None
    budget: PixelBudget | None = None


class Graph:
    """One ONNX graph with named inputs and outputs; thread-safe.

    Args:
        data: The graph, serialised.
        options: How to run it.

    Raises:
        onnxruntime's own exceptions: This runtime cannot open the bytes as a graph.
    """

    def __init__(self, data: bytes, options: RuntimeOptions) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3  # errors; its warnings are about its own optimiser
        self._session = onnxruntime.InferenceSession(
            data, settings, providers=["CPUExecutionProvider"]
        )
        self.input_names = [node.name for node in self._session.get_inputs()]
        self.output_names = [node.name for node in self._session.get_outputs()]
        self.output_widths = {node.name: node.shape[-1] for node in self._session.get_outputs()}

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Runs the graph on a batch and returns its outputs by name."""
        outputs = self._session.run(self.output_names, inputs)
        return dict(zip(self.output_names, outputs, strict=True))


# === Towers ===

PartT = TypeVar("PartT", PreparedHeadline, PreparedImage)


class Tower(ABC, Generic[PartT]):
    """Encodes headlines or images; thread-safe.

    A part that repeats within a batch, or that the cache holds, is encoded only once.

    Args:
        graph: Its graph.
        cache: Cache of encoded parts; None turns it off.
    """

    def __init__(self, graph: Graph, cache: EncodingCache | None) -> None:
        self._graph = graph
        self._cache = cache
        ends = list(itertools.accumulate(graph.output_widths.values(), initial=0))
        self._columns = {
            name: slice(*ends[number : number + 2])
            for number, name in enumerate(graph.output_widths)
        }
        self._width = ends[-1]

    @property
    def is_aligned(self) -> bool:
        """Whether it was trained for agreement."""
        return "aligned" in self._columns

    def encode(self, parts: Sequence[PartT | None]) -> tuple[Encodings, list[Warnings]]:
        """Encodes a batch.

        Returns:
            For each part, a row of every output, zeros if it is absent; and its warnings.
        """
        fresh = {self._identity(p): p for p in parts if p is not None and p.encoded is None}
        encoded = dict(zip(fresh, self._encode_fresh(list(fresh.values())), strict=True))
        rows = np.zeros((len(parts), self._width), np.float32)
        noticed: list[Warnings] = [()] * len(parts)
        for position, part in enumerate(parts):
            if part is not None:
                known = part.encoded or encoded[self._identity(part)]
                rows[position], noticed[position] = known.row, known.warnings
        return {name: rows[:, columns] for name, columns in self._columns.items()}, noticed

    def _encode_fresh(self, parts: Sequence[PartT]) -> list[EncodedPart]:
        encoded: list[EncodedPart] = []
        for start in range(0, len(parts), MAX_BATCH):
            outputs, noticed = self._run(parts[start : start + MAX_BATCH])
            rows = np.concatenate([outputs[name] for name in self._columns], axis=1)
            # Copies: a view in the cache would keep the whole batch.
            encoded += map(EncodedPart, map(np.copy, rows), noticed)
        if self._cache is not None:
            for part, result in zip(parts, encoded, strict=True):
                if key := self._key(part):
                    self._cache.put(key, result)
        return encoded

    def _identity(self, part: PartT) -> Hashable:
        """A key that is equal only for equal parts."""
        return self._key(part) or id(part)

    @abstractmethod
    def _key(self, part: PartT) -> str | bytes:
        """The cache key of a part; empty if it has none."""

    @abstractmethod
    def _run(self, parts: Sequence[PartT]) -> tuple[Encodings, list[Warnings]]:
        """Runs the graph on at least one part; returns its outputs, and the warnings of each."""


class HeadlineTower(Tower[PreparedHeadline]):
    """The text tower."""

    def __init__(self, graph: Graph, bundle: Bundle, cache: EncodingCache | None) -> None:
        super().__init__(graph, cache)
        read = bundle.manifest.preprocessing
        tokenizer = bundle.files.get(files.TOKENIZER)
        self._reader = HeadlineReader(
            None if tokenizer is None else tokenizer.decode(), read, graph.input_names
        )
        self._apart = read.headlines_apart

    def _key(self, part: PreparedHeadline) -> str:
        return part.text

    def _run(self, parts: Sequence[PreparedHeadline]) -> tuple[Encodings, list[Warnings]]:
        if self._apart and len(parts) > 1:
            outputs, noticed = zip(*(self._run([part]) for part in parts), strict=True)
            joined = {name: np.concatenate([o[name] for o in outputs]) for name in self._columns}
            return joined, list(itertools.chain(*noticed))
        inputs, truncated = self._reader.read([part.text for part in parts])
        return self._graph.run(inputs), [_TRUNCATED if cut else () for cut in truncated.tolist()]


class ImageTower(Tower[PreparedImage]):
    """The image tower."""

    def _key(self, part: PreparedImage) -> bytes:
        return part.digest

    def _run(self, parts: Sequence[PreparedImage]) -> tuple[Encodings, list[Warnings]]:
        pixels = np.stack([part.pixels for part in parts if part.pixels is not None])
        return self._graph.run({"pixels": pixels}), [part.warnings for part in parts]


# === A model's graphs ===


@dataclass(frozen=True, slots=True)
class EncodedCreatives:
    """The towers' outputs for a batch; rows of absent parts are zero.

    Attributes:
        headline: From the text tower; empty for a model without one.
        image: From the image tower; empty for a model without one.
        context_ids: (batch, names) int32.
        present: Which parts of each creative are known, (batch, 3) float32; see `bundle.Present`.
        truncated: Whether the headline was cut, (batch,).
    """

    headline: Encodings
    image: Encodings
    context_ids: NDArray[np.int32] = field(repr=False)
    present: NDArray[np.float32] = field(repr=False)
    truncated: NDArray[np.bool_] = field(repr=False)


class Graphs:
    """The towers and the head of one model; thread-safe.

    Args:
        bundle: The model; which graphs it has depends on what it reads and predicts.
        options: How to run them.
        cache: Cache of the towers' outputs; None turns it off.

    Raises:
        BundleError: The installed libraries cannot open them.
    """

    def __init__(
        self, bundle: Bundle, options: RuntimeOptions, cache: EncodingCache | None = None
    ) -> None:
        names = (files.HEADLINE_ENCODER, files.IMAGE_ENCODER, files.HEAD)
        try:
            headline, image, self._head = (
                Graph(bundle.files[name], options) if name in bundle.files else None
                for name in names
            )
            self._headlines = HeadlineTower(headline, bundle, cache) if headline else None
            self._images = ImageTower(image, cache) if image else None
        except Exception as error:  # tokenizers and onnxruntime have no common base class
            raise BundleError(
                f"model {bundle.name} version {bundle.version}: its graphs or tokenizer cannot be "
                f"opened by the installed libraries: {error}"
            ) from error
        self._means = _mean_embeddings(bundle, {"headline": headline, "image": image})

    @property
    def has_agreement(self) -> bool:
        """Whether the towers were trained to say how well headline and image fit together."""
        return all(tower and tower.is_aligned for tower in (self._headlines, self._images))

    def encode(self, creatives: Sequence[PreparedCreative]) -> EncodedCreatives:
        """Runs the towers on a batch."""
        headline, truncated = self.encode_headlines([c.headline for c in creatives])
        image = self.encode_images([c.image for c in creatives])
        present = np.zeros((len(creatives), len(Present)), np.float32)
        present[:, Present.HEADLINE] = [c.headline is not None for c in creatives]
        present[:, Present.IMAGE] = [c.image is not None for c in creatives]
        present[:, Present.CONTEXT] = [any(c.context_ids) for c in creatives]
        ids = np.array([c.context_ids for c in creatives], dtype=np.int32)
        return EncodedCreatives(headline, image, ids, present, truncated)

    def encode_headlines(
        self, headlines: Sequence[PreparedHeadline | None]
    ) -> tuple[Encodings, NDArray[np.bool_]]:
        """Runs the text tower; returns its outputs, and whether each headline was cut, (batch,)."""
        if self._headlines is None:
            return {}, np.zeros(len(headlines), dtype=bool)
        encodings, noticed = self._headlines.encode(headlines)
        return encodings, np.array([one == _TRUNCATED for one in noticed])

    def encode_images(self, images: Sequence[PreparedImage | None]) -> Encodings:
        """Runs the image tower."""
        return {} if self._images is None else self._images.encode(images)[0]

    def mean_embedding(self, tower: str) -> NDArray[np.float32]:
        """The mean embedding of the training's headlines or images by their tower, (e,).

        Zeros, which a head reads as an absent part, for bundles of adscore 0.2 or earlier, which
        do not have it.
        """
        return self._means[tower]

    def predict_members(
        self, encoded: EncodedCreatives
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Runs the head and returns the predictions of its ensemble.

        Returns:
            Mean rate, (batch, targets); and the calibrated logits of the members, (batch, members,
            targets), None for bundles of adscore 0.2 or earlier, which do not have them.
        """
        outputs = self._run_head(encoded)
        members = outputs.get(files.MEMBER_LOGITS)
        return (
            outputs["mean"].astype(np.float64),
            None if members is None else members.astype(np.float64),
        )

    def predict(self, encoded: EncodedCreatives) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Runs the head.

        Returns:
            Mean rate and concentration of a beta distribution, (batch, targets) each: the rate
            is Beta(mean * concentration, (1 - mean) * concentration).
        """
        if self._head is None:
            nothing = np.empty((len(encoded.present), 0))
            return nothing, nothing
        outputs = self._run_head(encoded)
        return outputs["mean"].astype(np.float64), outputs["concentration"].astype(np.float64)

    def _run_head(self, encoded: EncodedCreatives) -> dict[str, NDArray[np.float32]]:
        assert self._head is not None
        known: dict[str, NDArray[np.generic]] = {
            "context_ids": encoded.context_ids,
            "present": encoded.present,
        }
        for tower, encodings in (("headline", encoded.headline), ("image", encoded.image)):
            if encodings:
                known[f"{tower}_embedding"] = encodings["embedding"]
        return self._head.run({name: known[name] for name in self._head.input_names})


def _mean_embeddings(
    bundle: Bundle, graphs: Mapping[str, Graph | None]
) -> dict[str, NDArray[np.float32]]:
    """The training's mean embedding by tower; zeros if the bundle does not have it."""
    data = bundle.files.get(files.MEAN_EMBEDDINGS, b"{}")
    widths = {name: graph.output_widths.get("embedding") for name, graph in graphs.items() if graph}
    try:
        known = msgspec.json.decode(data, type=dict[str, list[float]])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(
            f"{files.MEAN_EMBEDDINGS}: expected lists of numbers. Received: {error}"
        ) from error
    means = {}
    for name, width in widths.items():
        mean = np.array(known.get(name, [0.0] * (width or 0)), np.float32)
        if width and (len(mean) != width or not np.isfinite(mean).all()):
            raise BundleError(
                f"{files.MEAN_EMBEDDINGS}: expected {width} finite numbers for {name}. "
                f"Received: {len(mean)}. Train again"
            )
        means[name] = mean
    return means
