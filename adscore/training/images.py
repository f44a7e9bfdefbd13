"""Streams the distinct images of a table, and keeps only the towers' inputs."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adscore.cores import in_order, usable_cores
from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.progress import SILENT, Progress
from adscore.scoring.image import ImageSize, Pixels, decode
from adscore.table import CreativeTable, ImageSource
from adscore.training.encoders.encoding import ImageEncoding
from adscore.training.encoders.feature_cache import FeatureCache, cache_directory
from adscore.training.encoders.published import ImageEncoder

Broken: TypeAlias = list[tuple[int, str]]  # rows, each with the reason
Image: TypeAlias = str | bytes  # a path or URL, or the file itself
Known: TypeAlias = Callable[[Sequence[bytes]], Sequence[bool] | NDArray[np.bool_]]

# Decoded together, and encoded together: 40 MB of pixels, as large as encoders read them.
IMAGES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ReadImages:
    """The towers' inputs from the images of a table.

    Attributes:
        values: Pixels of distinct images, (images, height, width, 3) uint8, or their features,
            (images, f) float16; where a row has no image, anything.
        index: Which of them each row has, (rows,) int64.
        broken: Rows whose image cannot be read.
    """

    values: NDArray[Any]
    index: NDArray[np.int64]
    broken: Broken


@dataclass(frozen=True, slots=True)
class ImageReader:
    """Files and their pixels; it travels to other machines.

    Attributes:
        root: Folder, a path or URL, to which paths are relative.
        size: What is read of an image.
        limits: Largest file and image accepted.
    """

    root: str
    size: ImageSize
    limits: InputLimits

    def file(self, image: Image) -> bytes | InvalidCreativeError:
        """The bytes of an image, or the error."""
        if isinstance(image, bytes):
            return image
        try:
            return ImageSource(self.root, self.limits.max_image_bytes).read(image)
        except InvalidCreativeError as error:
            return error

    def pixels(self, file: bytes | InvalidCreativeError) -> Pixels | str:
        """The pixels of a file, (height, width, 3) uint8, or why it has none."""
        if not isinstance(file, bytes):
            return str(file)
        try:
            return decode(file, self.size, self.limits)[0]
        except InvalidCreativeError as error:
            return str(error)


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Features of some images.

    Attributes:
        keys: What they are kept under; ``b""`` of an image that cannot be read.
        errors: Why an image cannot be read; ``""`` of one that can.
        computed: Images whose features were not known.
        features: Of these, (computed, width) float32.
    """

    keys: list[bytes]
    errors: list[str]
    computed: list[int]
    features: NDArray[np.float32]


def encode_images(
    images: Sequence[Image],
    reader: ImageReader,
    encoding: ImageEncoding,
    known: Known,
    pool: Executor,
) -> EncodedImages:
    """Reads and encodes some images; one whose features are known is not even decoded.

    Args:
        images: At most `IMAGES_AT_ONCE`, whose pixels are held together.
        reader: Reads them.
        encoding: Encodes them.
        known: Keys -> whether features are kept under them.
        pool: Reads and decodes.
    """
    files = list(pool.map(reader.file, images))  # Pillow decodes without the GIL
    # The size is a part of the key: no file need be decoded to find its features.
    size = repr(reader.size).encode()
    keys = [encoding.key(size + file) if isinstance(file, bytes) else b"" for file in files]
    wanted = [number for number, there in enumerate(known(keys)) if not there]
    errors, computed, pixels = [""] * len(files), list[int](), list[Pixels]()
    decoded = pool.map(reader.pixels, [files[number] for number in wanted])
    for number, found in zip(wanted, decoded, strict=True):
        if isinstance(found, str):
            keys[number], errors[number] = b"", found
        else:
            computed.append(number)
            pixels.append(found)
    features = np.empty((0, encoding.encoder.width), np.float32)
    if pixels:
        features = encoding.encode(np.stack(pixels))
    return EncodedImages(keys, errors, computed, features)


# What encodes all images, and keeps their features: their keys and errors, as `EncodedImages` has
# them. On this machine `encode_here`.
EncodeAll: TypeAlias = Callable[
    [Sequence[Image], ImageReader, ImageEncoding, FeatureCache, Progress],
    tuple[list[bytes], list[str]],
]


def encode_here(
    images: Sequence[Image],
    reader: ImageReader,
    encoding: ImageEncoding,
    cache: FeatureCache,
    progress: Progress,
) -> tuple[list[bytes], list[str]]:
    """Encodes images on this machine, on all of its cores."""
    keys, errors = list[bytes](), list[str]()
    known = partial(cache.known, width=encoding.encoder.width)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(images), IMAGES_AT_ONCE):
            some = images[start : start + IMAGES_AT_ONCE]
            found = encode_images(some, reader, encoding, known, pool)
            cache.keep([found.keys[number] for number in found.computed], found.features)
            keys += found.keys
            errors += found.errors
            tell_images(progress, len(keys), len(images))
    return keys, errors


def tell_images(progress: Progress, done: int, images: int) -> None:
    """Reports how many images were read."""
    progress.advance(done / images, f"{done:,} of {images:,} images")


def read_images(
    table: CreativeTable,
    size: ImageSize,
    encoder: ImageEncoder | None,
    progress: Progress = SILENT,
    encode_all: EncodeAll = encode_here,
) -> ReadImages:
    """Reads every distinct image of a table.

    Args:
        table: The creatives.
        size: What is read of an image.
        encoder: Makes features of them, which a training that was killed finds again; None keeps
            their pixels.
        progress: Is told how many images were read.
        encode_all: Where features are computed.

    Raises:
        TrainingError: The cache of features cannot be used.
    """
    number: dict[Image, int] = {}
    for image in table.images:
        if image:
            number.setdefault(image, len(number))
    images, reader = list(number), ImageReader(table.image_root, size, InputLimits())
    index = np.array([number.get(image, 0) for image in table.images], np.int64)
    values: NDArray[Any]
    if encoder is None:
        values, errors = _pixels(images, reader, progress)
    else:
        encoding, cache = ImageEncoding(encoder), FeatureCache(cache_directory())
        keys, errors = encode_all(images, reader, encoding, cache, progress)
        values = np.empty((0, encoder.width), np.float16)
        if images and not any(errors):
            stored = cache.stored(keys, encoder.width)
            values, index = stored.values, stored.index[index]
    of_image = {image: error for image, error in zip(images, errors, strict=True) if error}
    broken = [(row, of_image[image]) for row, image in enumerate(table.images) if image in of_image]
    return ReadImages(values, index, broken)


def _pixels(
    images: Sequence[Image], reader: ImageReader, progress: Progress
) -> tuple[Pixels, list[str]]:
    pixels = np.zeros((len(images), reader.size.height, reader.size.width, 3), np.uint8)
    errors = [""] * len(images)
    with ThreadPoolExecutor(usable_cores()) as pool:
        read = in_order(
            pool, lambda image: reader.pixels(reader.file(image)), images, IMAGES_AT_ONCE
        )
        for place, found in enumerate(read):
            if isinstance(found, str):
                errors[place] = found
            else:
                pixels[place] = found
            tell_images(progress, place + 1, len(images))
    return pixels, errors
