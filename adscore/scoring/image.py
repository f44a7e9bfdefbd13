"""An image file -> the pixels that a model reads; training and scoring share this path."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from adscore.bundle import PREPROCESSING_VERSION, Preprocessing
from adscore.creative import InputLimits, Warning
from adscore.scoring.colour_profile import to_srgb
from adscore.scoring.image_file import OpenImage, open_animation, open_image, unreadable
from adscore.scoring.jpeg import scale_for
from adscore.scoring.lazy import lazy
from adscore.scoring.pixel_budget import FREE_PIXELS, PixelBudget

Pixels: TypeAlias = NDArray[np.uint8]
Frame: TypeAlias = tuple[Image.Image, bool]  # RGB, on white; whether it has transparency

# If a side shrinks by more than this factor, the model cannot see small print.
DOWNSCALE_WARNING_FACTOR = 16
# Levels (of 255) by which the pixels of a blank picture may differ, since lossy formats add noise.
BLANK_LEVELS = 4
# How many frames of an animation to search for one that is not blank; longer fade-ins are rare.
MAX_FRAMES = 100
MAX_FRAME_PIXELS = 10_000_000


@dataclass(frozen=True, slots=True)
class ImageSize:
    """The size to which a model's images are stretched.

    Attributes:
        height: In pixels.
        width: In pixels.
        resampling: The resampling filter: a `PIL.Image.Resampling` number.
        version: Version of the preprocessing, see `bundle.Preprocessing`.
    """

    height: int
    width: int
    resampling: int = Image.Resampling.BILINEAR
    version: int = PREPROCESSING_VERSION

    @classmethod
    def of(cls, read: Preprocessing) -> "ImageSize":
        """The size in a bundle's preprocessing."""
        return cls(read.image_height, read.image_width, read.image_resampling, read.version)


class UndecodedImage:
    """An accepted image file whose pixels are not decoded yet; decode it once.

    Args:
        data: One encoded file of a format that the limits allow.
        size: What the model reads.
        limits: Largest file and image accepted.

    Attributes:
        pixels: Pixels that decoding keeps in memory, to claim of a `PixelBudget`.

    Raises:
        InvalidCreativeError: The file is too large, has too many pixels, is of another format, or
            is broken.
    """

    def __init__(self, data: bytes, size: ImageSize, limits: InputLimits) -> None:
        self._file = open_image(data, limits)
        self._size = size
        self._scale = 1
        if self._file.header is not None:  # a JPEG, which is scaled while it is decoded
            # Version 1 keeps twice the final size, so that the last step averages over more pixels.
            margin = 2 if size.version == 1 else 1
            with refusing_broken(self._file):
                width, height = self._sides
            self._scale = scale_for(self._file.header, margin * width, margin * height)
        self.pixels = self._file.pixels_in_memory(self._scale)

    @lazy
    def takes_long(self) -> bool:
        """Whether decoding takes more than about ten milliseconds, or may wait for its pixels.

        For a possible animation this decodes the first frame: if it is blank, up to
        `MAX_FRAMES` must be searched.
        """
        if self._file.takes_long or self.pixels > FREE_PIXELS:
            return True
        if self._size.version == 1 or not self._file.may_move:
            return False
        first = self._first
        return not isinstance(first, Exception) and _is_blank(first[0])

    def decode(self) -> tuple[Pixels, tuple[Warning, ...]]:
        """Decodes it to the pixels that the model reads.

        EXIF orientation is applied; transparency is laid on white; CMYK, palette, grey and 16-bit
        images become RGB. From version 2 on, colours are converted from the file's profile to sRGB,
        and the first frame of an animation that is not blank counts; before, the very first.

        Returns:
            Pixels of shape (height, width, 3), uint8, RGB; and warnings: that fine detail was lost
            for the model, or that nothing of the image shows on white.

        Raises:
            InvalidCreativeError: It is broken.
        """
        with refusing_broken(self._file):
            read = self._first_frame_of_version_1 if self._size.version == 1 else self._first_frame
            frame, has_alpha = read()
            if (turn := self._file.turn) is not None:
                frame = frame.transpose(turn)
        is_blank = has_alpha and min(low for low, _ in _extrema(frame)) >= 255 - BLANK_LEVELS
        noticed = ((Warning.IMAGE_DOWNSCALED, self._downscaled), (Warning.IMAGE_BLANK, is_blank))
        return np.asarray(frame), tuple(warning for warning, here in noticed if here)

    @property
    def _sides(self) -> tuple[int, int]:
        """Target width and height before rotation, which comes last."""
        width, height = self._size.width, self._size.height
        return (height, width) if self._file.is_lying else (width, height)

    @property
    def _downscaled(self) -> bool:
        ratios = (stored / read for stored, read in zip(self._file.size, self._sides, strict=True))
        return max(ratios) > DOWNSCALE_WARNING_FACTOR

    def _first_frame_of_version_1(self) -> Frame:
        """The first frame at its final size."""
        plain = _opaque_or_alpha(self._file.first_frame(self._scale))
        method = Image.Resampling(self._size.resampling)
        shrunk = plain.resize(self._sides, method, reducing_gap=2.0)
        return _on_white(shrunk), shrunk.mode == "RGBA"

    @lazy
    def _first(self) -> Frame | Exception:
        """The very first frame at its final size, or its error."""
        try:
            return self._shrunk(_resizable(self._file, self._scale))
        except Exception as error:
            return error.with_traceback(None)  # the traceback would keep the pixels alive

    def _first_frame(self) -> Frame:
        """The first frame that is not blank; otherwise the very first."""
        first = self._first
        if isinstance(first, Exception):
            raise first
        if self._file.header is not None or not _is_blank(first[0]):
            return first
        for later in _later_frames(self._file):
            frame = self._shrunk(_opaque_or_alpha(later))
            if not _is_blank(frame[0]):
                return frame
        return first

    def _shrunk(self, frame: Image.Image) -> Frame:
        if frame.size != self._sides:
            width, height = self._file.size
            # The last row and column may stand for less than a whole one.
            box = (0, 0, width / self._scale, height / self._scale) if self._scale > 1 else None
            method = Image.Resampling(self._size.resampling)
            frame = frame.resize(self._sides, method, box, reducing_gap=2.0)
        # Converting after scaling is cheaper, and differs by less than one level.
        frame = to_srgb(frame, self._file.info.get("icc_profile"))
        return _on_white(frame), frame.mode in ("LA", "RGBA")


def decode(
    data: bytes, size: ImageSize, limits: InputLimits, budget: PixelBudget | None = None
) -> tuple[Pixels, tuple[Warning, ...]]:
    """Decodes an image file once the budget allows it; see `UndecodedImage`."""
    image = UndecodedImage(data, size, limits)
    with budget.claim(image.pixels) if budget else contextlib.nullcontext():
        return image.decode()


@contextlib.contextmanager
def refusing_broken(file: OpenImage) -> Iterator[None]:
    """Turns any exception of a decoder on a broken file into an InvalidCreativeError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # broken bytes can make Pillow's decoders raise anything
        raise unreadable(
            f"a whole {file.format} file",
            f"{len(file.data)} bytes that cannot be decoded ({type(error).__name__})",
        ) from error


# === Frames ===


def _later_frames(file: OpenImage) -> Iterator[Image.Image]:
    """Frames after the first, as far as they are whole, up to the limit."""
    image = open_animation(file, MAX_FRAMES)
    if image is None:
        return
    for number in range(1, min(MAX_FRAMES, MAX_FRAME_PIXELS // (image.width * image.height))):
        try:
            image.seek(number)
            image.load()
        except Exception:  # there is none, or it is broken
            return
        yield image


def _is_blank(frame: Image.Image) -> bool:
    """Whether it is of one colour."""
    return all(high - low <= BLANK_LEVELS for low, high in _extrema(frame))


def _extrema(frame: Image.Image) -> list[tuple[int, int]]:
    """Minimum and maximum of each channel of an RGB image."""
    return [channel.getextrema() for channel in frame.split()]  # type: ignore[misc]


# === Modes ===


def _resizable(file: OpenImage, scale: int) -> Image.Image:
    """The first frame in mode L, LA, RGB, RGBA or CMYK, which are resized as they are."""
    image = file.first_frame(scale)
    is_key = file.format == "PNG" and image.mode != "P" and "transparency" in image.info
    if is_key and file.data[24] != 8:  # bits of a sample
        return _with_transparent_colour(image, file.data)
    if image.mode == "CMYK" or (image.mode in ("L", "LA") and not is_key):
        return image
    return _opaque_or_alpha(image)


def _with_transparent_colour(image: Image.Image, png: bytes) -> Image.Image:
    """A PNG of other than 8 bits, of which one colour is transparent; Pillow compares in 8."""
    key = image.info["transparency"]
    if image.mode == "RGB":  # the upper 8 of 16 bits
        lower = PngImageFile(io.BytesIO(png))
        lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
        lower.load()
        is_key = np.ones((image.height, image.width), dtype=bool)
        for channel, value in enumerate(key):
            is_key &= np.asarray(image.getchannel(channel)) == value >> 8
            is_key &= np.asarray(lower.getchannel(channel)) == value & 255
        plain = image.copy()
    elif image.mode.startswith("I"):
        is_key = np.asarray(image) == key
        plain = _upper_bits(image)
    else:
        plain = image.convert("L")
        is_key = np.asarray(plain) == key * 255 // ((1 << png[24]) - 1)
    plain.putalpha(Image.fromarray(np.where(is_key, np.uint8(0), np.uint8(255))))
    return plain


def _upper_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion clips at 255."""
    return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))


def _opaque_or_alpha(image: Image.Image) -> Image.Image:
    """The same picture in mode RGB, or RGBA where it has transparency."""
    if image.mode.startswith("I"):
        return _upper_bits(image).convert("RGB")
    has_alpha = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    mode = "RGBA" if has_alpha else "RGB"
    return image if image.mode == mode and not has_alpha else image.convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")
