"""Embeddings of frozen encoders, for the peer: what a public model's card tells to use."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from adscore.creative import InputLimits
from adscore.scoring.image import ImageSize, Pixels, decode
from adscore.table import CreativeTable
from adscore.training.encoders.encoding import (
    HeadlineEncoding,
    ImageEncoding,
    headline_features,
)
from adscore.training.encoders.feature_cache import FeatureCache, cache_directory
from adscore.training.encoders.folder import onnx_file, resolve_encoder
from adscore.training.encoders.published import open_image_encoder, open_text_encoder
from comparison.tasks import Prepared

IMAGES_AT_ONCE = 256  # 40 MB of pixels
COLOUR_SIZE, COLOUR_BINS, COLOUR_GRID = 64, 8, 4


def text_embeddings(prepared: Prepared, encoder: str) -> NDArray[np.float32]:
    """The encoder's final output for every headline, (rows, width)."""
    distinct, index = np.unique(np.array(prepared.headlines, dtype=object), return_inverse=True)
    opened = open_text_encoder(encoder)
    encoding, cache = HeadlineEncoding(opened), FeatureCache(cache_directory())
    stored = headline_features(distinct.tolist(), encoding, cache)
    return stored.read()[index, : _final_width(encoder, opened.width)]


def image_embeddings(prepared: Prepared, encoder: str) -> NDArray[np.float32]:
    """The encoder's final output for every image, (rows, width)."""
    opened = open_image_encoder(encoder)
    encoding, cache, keys = ImageEncoding(opened), FeatureCache(cache_directory()), list[bytes]()
    for pixels in _pixels(prepared.table, opened.size):
        some = [encoding.key(image.tobytes()) for image in pixels]
        there = cache.known(some, opened.width)
        missing = [key for key, known in zip(some, there.tolist(), strict=True) if not known]
        if missing:
            cache.keep(missing, encoding.encode(pixels[~there]))
        keys += some
    return cache.stored(keys, opened.width).read()[:, : _final_width(encoder, opened.width)]


def colours(prepared: Prepared) -> NDArray[np.float32]:
    """What a few lines of NumPy tell of every image: moments, histograms, a grid of means."""
    size = ImageSize(COLOUR_SIZE, COLOUR_SIZE)
    return np.concatenate([_colours(pixels) for pixels in _pixels(prepared.table, size)])


def _colours(pixels: Pixels) -> NDArray[np.float32]:
    scaled = pixels.astype(np.float32) / 255
    bins = (pixels // (256 // COLOUR_BINS))[..., None] == np.arange(COLOUR_BINS)
    places = COLOUR_SIZE // COLOUR_GRID
    grid = scaled.reshape(len(scaled), COLOUR_GRID, places, COLOUR_GRID, places, 3)
    parts = (
        scaled.mean(axis=(1, 2)),
        scaled.std(axis=(1, 2)),
        bins.mean(axis=(1, 2), dtype=np.float32),
        grid.mean(axis=(2, 4)),
    )
    return np.concatenate([part.reshape(len(scaled), -1) for part in parts], axis=1)


def _pixels(table: CreativeTable, size: ImageSize) -> Iterator[Pixels]:
    def load(row: int) -> Pixels:
        return decode(table.creative(row).image, size, InputLimits())[0]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(table), IMAGES_AT_ONCE):
            rows = range(start, min(start + IMAGES_AT_ONCE, len(table)))
            yield np.stack(list(pool.map(load, rows)))


def _final_width(encoder: str, width: int) -> int:
    """Width of the final output, which stands before the inner layers; all, where unknown."""
    path: Path = onnx_file(resolve_encoder(encoder))
    output = onnx.load(path, load_external_data=False).graph.output[0]
    sizes = [dimension.dim_value for dimension in output.type.tensor_type.shape.dim]
    channels = sizes[1:2] if len(sizes) == 4 else sizes[-1:]
    return channels[0] if channels and 0 < channels[0] <= width else width
