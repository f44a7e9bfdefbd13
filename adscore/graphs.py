"""The graphs of a bundle together: prepared creatives -> what the towers and the head say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adscore import bundle as files
from adscore.bundle import Bundle
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
from adscore.preparation import PreparedCreative


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

    Raises:
        BundleError: The installed libraries cannot open them.
    """

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        graphs = (files.HEADLINE_ENCODER, files.IMAGE_ENCODER, files.HEAD)
        try:
            headline, image, head = (_graph(bundle, name, options) for name in graphs)
            self.headline_encoder = (
                None if headline is None else _headline_encoder(bundle, headline)
            )
            self.image_encoder = None if image is None else ImageEncoder(image)
            self.head = None if head is None else Head(head)
        except Exception as error:  # tokenizers and onnxruntime have no common base class
            raise BundleError(
                f"model {bundle.name} version {bundle.version}: its graphs or tokenizer cannot be "
                f"opened by the installed libraries: {error}"
            ) from error

    def encode(self, creatives: Sequence[PreparedCreative]) -> EncodedCreatives:
        """Runs the towers on a batch."""
        has_headline = np.array([bool(creative.headline) for creative in creatives])
        has_image = np.array([creative.pixels is not None for creative in creatives])
        ids = np.array([creative.context_ids for creative in creatives], dtype=np.int32)
        truncated = np.zeros(len(creatives), dtype=bool)
        headline: Encodings = {}
        image: Encodings = {}
        if self.headline_encoder is not None:
            texts = [creative.headline for creative in creatives if creative.headline]
            found: Encodings = {}
            if texts:
                found, truncated[has_headline] = self.headline_encoder.encode(texts)
            headline = _on_rows(found, has_headline, self.headline_encoder.widths)
        if self.image_encoder is not None:
            pixels = [creative.pixels for creative in creatives if creative.pixels is not None]
            found = self.image_encoder.encode(np.stack(pixels)) if pixels else {}
            image = _on_rows(found, has_image, self.image_encoder.widths)
        present = np.stack([has_headline, has_image, ids.any(axis=1)], axis=1)
        return EncodedCreatives(headline, image, ids, present.astype(np.float32), truncated)

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


def _headline_encoder(bundle: Bundle, graph: Graph) -> HeadlineEncoder:
    read = bundle.manifest.preprocessing
    tokenizer = bundle.files[files.TOKENIZER].decode()
    reader = HeadlineReader(tokenizer, read, graph.input_names)
    return HeadlineEncoder(graph, reader, apart=read.headlines_apart)


def _on_rows(found: Encodings, rows: NDArray[np.bool_], widths: Mapping[str, int]) -> Encodings:
    """Encodings of some rows of a batch -> of all of them, zeros elsewhere."""
    if rows.all() and found:
        return found
    spread = {name: np.zeros((len(rows), width), np.float32) for name, width in widths.items()}
    for name, values in found.items():
        spread[name][rows] = values
    return spread
