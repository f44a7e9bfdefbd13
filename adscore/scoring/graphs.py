"""The graphs of a bundle on ONNX Runtime: two towers, each with its cache, and a head."""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from adscore import bundle as files
from adscore.bundle import Bundle
from adscore.errors import BundleError
from adscore.scoring.cache import EncodedPart, EncodingCache
from adscore.scoring.image import Pixels
from adscore.scoring.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.scoring.text import HeadlineReader

# From 1.29 on, ONNX Runtime tells its maker which models it runs, by name and hash, and keeps
# a database for that in the home folder. It reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

# What a tower says of a batch, by name: `embedding` (batch, width) for the head; `aligned`
# (batch, width) of unit length, for agreement; `distance` (batch, 1) from what it was trained on.
Encodings = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How graphs are run.

    Attributes:
        threads: Threads that work on one graph; 0 means one for each core.
    """

    threads: int = 0


class Graph:
    """One ONNX graph with named inputs and outputs; safe to run from many threads.

    Args:
        data: The graph, serialised.
        options: How it is run.

    Raises:
        onnxruntime's own exceptions: The bytes are no graph that this runtime knows.
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


class HeadlineEncoder:
    """The text tower: normalised headlines -> encodings.

    Args:
        graph: Its graph.
        reader: Makes the graph's inputs.
        apart: Whether headlines are run one by one; see `bundle.Preprocessing`.
    """

    def __init__(self, graph: Graph, reader: HeadlineReader, *, apart: bool = False) -> None:
        self.widths = graph.output_widths
        self._graph = graph
        self._reader = reader
        self._apart = apart

    def encode(self, headlines: Sequence[str]) -> tuple[Encodings, NDArray[np.bool_]]:
        """Encodes a batch.

        Returns:
            The encodings; and whether each headline was cut, (batch,).
        """
        batches = [[headline] for headline in headlines] if self._apart else [headlines]
        encodings, truncated = zip(*map(self._encode_together, batches), strict=True)
        joined = {
            name: np.concatenate([encoding[name] for encoding in encodings]) for name in self.widths
        }
        return joined, np.concatenate(truncated)

    def _encode_together(self, headlines: Sequence[str]) -> tuple[Encodings, NDArray[np.bool_]]:
        inputs, truncated = self._reader.read(headlines)
        return self._graph.run(inputs), truncated


class ImageEncoder:
    """The image tower: pixels -> encodings."""

    def __init__(self, graph: Graph) -> None:
        self.widths = graph.output_widths
        self._graph = graph

    def encode(self, pixels: Pixels) -> Encodings:
        """Encodes a batch of shape (batch, height, width, 3), uint8."""
        return self._graph.run({"pixels": pixels})


class Head:
    """Fusion, feature extraction and output: what is known of a creative -> rates."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def predict(
        self, known: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predicts from row i of every input that the graph names.

        Args:
            known: `headline_embedding` and `image_embedding`, (batch, width) float32;
                `context_ids` (batch, names) int32; `present` (batch, 3) float32, whether
                headline, image and any context are known.

        Returns:
            Mean rate and concentration of a beta distribution, both (batch, targets): the
            rate is Beta(mean * concentration, (1 - mean) * concentration).
        """
        outputs = self._graph.run({name: known[name] for name in self._graph.input_names})
        return outputs["mean"], outputs["concentration"]


# Larger batches are no faster, and their intermediate results no longer fit the caches.
LARGEST_BATCH = 64


class _Part(Protocol):
    @property
    def encoded(self) -> EncodedPart | None: ...


PartT = TypeVar("PartT", bound=_Part)


class Tower(Generic[PartT]):
    """Encodes parts of creatives of one kind; safe to use from many threads.

    Args:
        widths: Width of each output of its graph, by name.
        run: Encodes parts, at least one; gives the encodings, and for each part whether
            something was noticed (see `cache.EncodedPart`).
        key: What a part is known by, see `cache`; empty where that is not known.
        cache: Keeps what the tower said; None means that nothing is kept.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        run: Callable[[Sequence[PartT]], tuple[Encodings, NDArray[np.bool_]]],
        key: Callable[[PartT], str | bytes],
        cache: EncodingCache | None,
    ) -> None:
        self.widths = widths
        self._run = run
        self._content_key = key
        self._cache = cache

    def encode(self, parts: Sequence[PartT | None]) -> tuple[Encodings, NDArray[np.bool_]]:
        """Encodes a batch.

        Returns:
            For each part a row of every encoding, zeros for what is absent; and whether something
            was noticed, (batch,).
        """
        fresh = {self._key(p): p for p in parts if p is not None and p.encoded is None}
        if not fresh:
            return self._spread(parts, {}, {}, np.zeros(0, dtype=bool))
        encodings, noticed = self._encode_all(list(fresh.values()))
        if len(fresh) == len(parts):  # all of them, in their order
            return encodings, noticed
        rows = {key: row for row, key in enumerate(fresh)}
        return self._spread(parts, rows, encodings, noticed)

    def _key(self, part: PartT) -> Hashable:
        """Equal for parts that are known to be equal, which are run once."""
        return self._content_key(part) or id(part)

    def _encode_all(self, parts: Sequence[PartT]) -> tuple[Encodings, NDArray[np.bool_]]:
        batches = [parts[at : at + LARGEST_BATCH] for at in range(0, len(parts), LARGEST_BATCH)]
        results = [self._run(batch) for batch in batches]
        if len(results) > 1:
            encodings = {
                name: np.concatenate([encoded[name] for encoded, _ in results])
                for name in self.widths
            }
            noticed = np.concatenate([noticed for _, noticed in results])
        else:
            [(encodings, noticed)] = results
        if self._cache is not None:
            self._remember(self._cache, parts, encodings, noticed)
        return encodings, noticed

    def _remember(
        self,
        cache: EncodingCache,
        parts: Sequence[PartT],
        encodings: Encodings,
        noticed: NDArray[np.bool_],
    ) -> None:
        rows = np.concatenate([encodings[name] for name in self.widths], axis=1)
        for part, row, notice in zip(parts, rows, noticed.tolist(), strict=True):
            if key := self._content_key(part):
                # A copy: a view would keep the whole batch.
                cache.put(key, EncodedPart(row.copy(), notice))

    def _spread(
        self,
        parts: Sequence[PartT | None],
        rows: Mapping[Hashable, int],
        encodings: Encodings,
        noticed: NDArray[np.bool_],
    ) -> tuple[Encodings, NDArray[np.bool_]]:
        """Lays out, a row a part, what was encoded (at `rows`) and what was known before."""
        spread = {
            name: np.zeros((len(parts), width), np.float32) for name, width in self.widths.items()
        }
        all_noticed = np.zeros(len(parts), dtype=bool)
        for position, part in enumerate(parts):
            if part is None:
                continue
            if part.encoded is None:
                row = rows[self._key(part)]
                all_noticed[position] = noticed[row]
                for name, values in encodings.items():
                    spread[name][position] = values[row]
            else:
                all_noticed[position] = part.encoded.noticed
                start = 0
                for name, width in self.widths.items():
                    spread[name][position] = part.encoded.row[start : start + width]
                    start += width
        return spread, all_noticed


@dataclass(frozen=True, slots=True)
class EncodedCreatives:
    """What the towers say of a batch; rows of what is absent hold zeros.

    Attributes:
        headline: By the text tower; empty for a model without one.
        image: By the image tower; empty for a model without one.
        context_ids: (batch, names) int32.
        present: Whether headline, image and any context are known, (batch, 3) float32.
        truncated: Whether the headline was cut, (batch,).
    """

    headline: Encodings
    image: Encodings
    context_ids: NDArray[np.int32] = field(repr=False)
    present: NDArray[np.float32] = field(repr=False)
    truncated: NDArray[np.bool_] = field(repr=False)


class Graphs:
    """The towers and the head of one model; safe to run from many threads.

    Args:
        bundle: The model; which graphs it has depends on what it reads and predicts.
        options: How they are run.
        cache: Keeps what the towers say; None means that nothing is kept.

    Raises:
        BundleError: The installed libraries cannot open them.
    """

    def __init__(
        self, bundle: Bundle, options: RuntimeOptions, cache: EncodingCache | None = None
    ) -> None:
        graphs = (files.HEADLINE_ENCODER, files.IMAGE_ENCODER, files.HEAD)
        try:
            headline, image, head = (_graph(bundle, name, options) for name in graphs)
            self.headlines = None if headline is None else _headline_tower(bundle, headline, cache)
            self.images = None if image is None else _image_tower(image, cache)
            self.head = None if head is None else Head(head)
        except Exception as error:  # tokenizers and onnxruntime have no common base class
            raise BundleError(
                f"model {bundle.name} version {bundle.version}: its graphs or tokenizer cannot be "
                f"opened by the installed libraries: {error}"
            ) from error

    def encode(self, creatives: Sequence[PreparedCreative]) -> EncodedCreatives:
        """Runs the towers on a batch."""
        headline, truncated = self.encode_headlines([c.headline for c in creatives])
        image = self.encode_images([c.image for c in creatives])
        ids = np.array([c.context_ids for c in creatives], dtype=np.int32)
        known = [
            (c.headline is not None, c.image is not None, any(c.context_ids)) for c in creatives
        ]
        return EncodedCreatives(headline, image, ids, np.array(known, np.float32), truncated)

    def encode_headlines(
        self, headlines: Sequence[PreparedHeadline | None]
    ) -> tuple[Encodings, NDArray[np.bool_]]:
        """Runs the text tower; gives the encodings, and whether each headline was cut, (batch,)."""
        if self.headlines is None:
            return {}, np.zeros(len(headlines), dtype=bool)
        return self.headlines.encode(headlines)

    def encode_images(self, images: Sequence[PreparedImage | None]) -> Encodings:
        """Runs the image tower."""
        return {} if self.images is None else self.images.encode(images)[0]

    def predict(self, encoded: EncodedCreatives) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and concentration of each target, (batch, targets); see `encoder.Head`."""
        if self.head is None:
            nothing = np.empty((len(encoded.present), 0))
            return nothing, nothing
        known = {"context_ids": encoded.context_ids, "present": encoded.present}
        for tower, encodings in (("headline", encoded.headline), ("image", encoded.image)):
            if encodings:
                known[f"{tower}_embedding"] = encodings["embedding"]
        mean, concentration = self.head.predict(known)
        return mean.astype(np.float64), concentration.astype(np.float64)


def _graph(bundle: Bundle, name: str, options: RuntimeOptions) -> Graph | None:
    data = bundle.files.get(name)
    return None if data is None else Graph(data, options)


def _headline_tower(
    bundle: Bundle, graph: Graph, cache: EncodingCache | None
) -> Tower[PreparedHeadline]:
    read = bundle.manifest.preprocessing
    tokenizer = bundle.files[files.TOKENIZER].decode()
    reader = HeadlineReader(tokenizer, read, graph.input_names)
    encoder = HeadlineEncoder(graph, reader, apart=read.headlines_apart)

    def run(headlines: Sequence[PreparedHeadline]) -> tuple[Encodings, NDArray[np.bool_]]:
        return encoder.encode([headline.text for headline in headlines])

    return Tower(encoder.widths, run, lambda headline: headline.text, cache)


def _image_tower(graph: Graph, cache: EncodingCache | None) -> Tower[PreparedImage]:
    encoder = ImageEncoder(graph)

    def run(images: Sequence[PreparedImage]) -> tuple[Encodings, NDArray[np.bool_]]:
        pixels = [image.pixels for image in images if image.pixels is not None]
        return encoder.encode(np.stack(pixels)), np.array([image.downscaled for image in images])

    return Tower(encoder.widths, run, lambda image: image.digest, cache)
