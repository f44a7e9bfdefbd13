"""The graphs of a bundle together: prepared creatives -> what the towers and the head say."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adscore import bundle as files
from adscore.bundle import Bundle
from adscore.cache import EncodingCache
from adscore.encoder import (
    Encodings,
    Graph,
    Head,
    HeadlineEncoder,
    ImageEncoder,
    RuntimeOptions,
)
from adscore.errors import BundleError
from adscore.headline_reader import HeadlineReader
from adscore.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.towers import Tower


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
