"""Distinct images of a table, read in a stream: only what towers read of them is kept."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adscore.cores import usable_cores
from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.progress import SILENT, Progress
from adscore.scoring.image import ImageSize, Pixels, decode
from adscore.table import CreativeTable
from adscore.training.encoders.feature_cache import FeatureCache, ImageFeatures, cache_directory
from adscore.training.encoders.published import ImageEncoder

Broken: TypeAlias = list[tuple[int, str]]  # rows, each with the reason

# Decoded together, and encoded together: 40 MB of pixels, as large as encoders read them.
IMAGES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ReadImages:
    """What is kept of the images of a table.

    Attributes:
        values: Pixels of distinct images, (images, height, width, 3) uint8, or their features,
            (images, f) float16; where a row has no image, anything.
        index: Which of them each row has, (rows,) int64.
        broken: Rows whose image cannot be read.
    """

    values: NDArray[Any]
    index: NDArray[np.int64]
    broken: Broken


def read_images(
    table: CreativeTable,
    size: ImageSize,
    limits: InputLimits,
    encoder: ImageEncoder | None,
    progress: Progress = SILENT,
) -> ReadImages:
    """Reads every distinct image of a table.

    Args:
        table: The creatives.
        size: What is read of an image.
        limits: Largest file and image accepted.
        encoder: Makes features of them, which a training that was killed finds again; None keeps
            their pixels.
        progress: Is told how many images were read.

    Raises:
        TrainingError: The cache of features cannot be used.
    """
    first_row: dict[str | bytes, int] = {}
    for row, image in enumerate(table.images):
        if image:
            first_row.setdefault(image, row)
    number = {image: position for position, image in enumerate(first_row)}
    keeper = _Pixels(len(number), size) if encoder is None else _Features(encoder, size)
    rows, errors = list(first_row.values()), dict[str | bytes, str]()
    with ThreadPoolExecutor(usable_cores()) as pool:  # Pillow decodes without the GIL
        for start in range(0, len(rows), IMAGES_AT_ONCE):
            some = rows[start : start + IMAGES_AT_ONCE]
            files = list(pool.map(partial(_file, table, limits=limits), some))
            wanted = keeper.wanted([file if isinstance(file, bytes) else b"" for file in files])
            decoded = list(pool.map(partial(_decoded, size, limits), files, wanted))
            pixels = {}
            for place, found in enumerate(decoded):
                if isinstance(found, str):
                    errors[table.images[some[place]]] = found
                elif found is not None:
                    pixels[start + place] = found
            keeper.keep(pixels)
            done = start + len(some)
            progress.advance(done / len(rows), f"{done:,} of {len(rows):,} images")
    places = np.array([number.get(image, 0) for image in table.images], dtype=np.int64)
    if errors:
        broken = [(row, errors[image]) for row, image in enumerate(table.images) if image in errors]
        return ReadImages(np.empty((0, 0)), places, broken)
    values, index = keeper.kept()
    return ReadImages(values, index[places] if len(index) else places, [])


def _file(table: CreativeTable, row: int, *, limits: InputLimits) -> bytes | InvalidCreativeError:
    try:
        return table.creative(row, limits).image
    except InvalidCreativeError as error:
        return error


def _decoded(
    size: ImageSize, limits: InputLimits, file: bytes | InvalidCreativeError, is_wanted: bool
) -> Pixels | str | None:
    """The pixels of an image, why there are none, or None where they are not wanted."""
    if not isinstance(file, bytes):
        return str(file)
    if not is_wanted:
        return None
    try:
        pixels, _ = decode(file, size, limits)
    except InvalidCreativeError as error:
        return str(error)
    return pixels


class _Keeper(Protocol):
    """Keeps what is wanted of images, which come some at a time in the order of their numbers."""

    def wanted(self, files: Sequence[bytes]) -> Sequence[bool]:
        """Which of the next images must be decoded."""

    def keep(self, pixels: Mapping[int, Pixels]) -> None:
        """Keeps decoded images, by their numbers."""

    def kept(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Values, and which of them each image has."""


class _Pixels(_Keeper):
    def __init__(self, images: int, size: ImageSize) -> None:
        self._pixels = np.zeros((images, size.height, size.width, 3), dtype=np.uint8)

    def wanted(self, files: Sequence[bytes]) -> Sequence[bool]:
        return [True] * len(files)

    def keep(self, pixels: Mapping[int, Pixels]) -> None:
        for number, image in pixels.items():
            self._pixels[number] = image

    def kept(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return self._pixels, np.arange(len(self._pixels))


class _Features(_Keeper):
    """Known by file and size, so that an image whose features are there is not decoded either."""

    def __init__(self, encoder: ImageEncoder, size: ImageSize) -> None:
        self._features = ImageFeatures(encoder, FeatureCache(cache_directory()))
        self._size = repr(size).encode()
        self._keys: list[bytes] = []

    def wanted(self, files: Sequence[bytes]) -> Sequence[bool]:
        keys = [self._features.key(self._size + file) for file in files]
        self._keys += keys
        return [not known for known in self._features.known(keys)]

    def keep(self, pixels: Mapping[int, Pixels]) -> None:
        if pixels:
            keys = [self._keys[number] for number in pixels]
            self._features.keep(keys, np.stack(list(pixels.values())))

    def kept(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        stored = self._features.stored(self._keys)
        return stored.values, stored.index
