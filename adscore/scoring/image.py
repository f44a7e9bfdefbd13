"""A bound on the pixels that are decoded at once, whatever number of threads decodes."""

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason

# Images up to this many pixels pass freely: they are the rule, and take little memory.
FREE_PIXELS = 2_000_000


class PixelBudget:
    """Lets threads decode large images as long as these fit into it together; others wait.

    A small file may unpack into 20 bytes for each of its pixels, so that a few of the largest
    images that are accepted, decoded at once, would take the memory of many.

    Args:
        pixels: Pixels of the large images that are decoded at once; an image that alone has
            more is decoded alone.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Holds room for an image of so many pixels; waits until there is some."""
        if pixels <= FREE_PIXELS:
            yield
            return
        with self._changed:
            while self._taken and self._taken + pixels > self._pixels:
                self._changed.wait()
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


Pixels = NDArray[np.uint8]

# Shrunk by more than this along one side, small print is lost to the model.
DOWNSCALE_WARNING_FACTOR = 16

# Each scan of a progressive JPEG is a pass over all of its pixels and may take 73 bytes, so that
# a file of 10 MB could keep a core busy for hours. Encoders write some ten.
_MAX_JPEG_SCANS = 100
_JPEG_SCAN = b"\xff\xda"

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDES_KEPT = {None, *(_TURNS[orientation] for orientation in (2, 3, 4))}


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Height and width in pixels that a model reads; any image is stretched to it.

    Attributes:
        height: In pixels.
        width: In pixels.
        resampling: How it is stretched: a `PIL.Image.Resampling` number.
    """

    height: int
    width: int
    resampling: int = Image.Resampling.BILINEAR


def decode(
    data: bytes, size: ImageSize, limits: InputLimits, budget: PixelBudget | None = None
) -> tuple[Pixels, bool]:
    """Decodes one image file to what the model reads.

    Of an animation the first frame counts; EXIF orientation is applied; transparency
    is laid on white; CMYK, palette, grey and 16-bit images become RGB.

    Args:
        data: One encoded file of a format that the limits allow.
        size: Height and width of the result.
        limits: Largest file and image accepted.
        budget: What is decoded at once with others; waits for its turn. None bounds nothing.

    Returns:
        Pixels of shape (height, width, 3), uint8, RGB; and whether the image was shrunk so
        far (by more than `DOWNSCALE_WARNING_FACTOR`) that fine detail did not reach the model.

    Raises:
        InvalidCreativeError: The file is too large, has too many pixels, is of another
            format, or is broken.
    """
    image = _open(data, limits)
    if image.format == "JPEG":
        _require_few_scans(data)
    with budget.take(_pixels_in_memory(image)) if budget else contextlib.nullcontext():
        upright, downscaled = _decoded(image, data, size)
    return np.asarray(_on_white(upright)), downscaled


def _pixels_in_memory(image: Image.Image) -> int:
    """Pixels that are unpacked; a plain JPEG is shrunk while it is decoded, row by row."""
    if image.format == "JPEG" and not image.info.get("progressive"):
        return 0
    return image.width * image.height


def _decoded(image: Image.Image, data: bytes, size: ImageSize) -> tuple[Image.Image, bool]:
    try:
        return _shrunk_and_upright(image, size)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever the broken bytes lead to
        raise _refused(
            Reason.IMAGE_UNREADABLE,
            f"expected a whole {image.format} file. Received: {len(data)} bytes that "
            f"cannot be decoded ({type(error).__name__})",
        ) from error


def _open(data: bytes, limits: InputLimits) -> Image.Image:
    formats = ", ".join(limits.image_formats)
    if len(data) > limits.max_image_bytes:
        raise _refused(
            Reason.IMAGE_TOO_MANY_BYTES,
            f"expected at most {limits.max_image_bytes} bytes. Received: {len(data)} bytes",
        )
    try:
        image = Image.open(io.BytesIO(data), formats=limits.image_formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _refused(
            Reason.IMAGE_TOO_MANY_PIXELS,
            f"expected at most {limits.max_image_pixels} pixels. Received: {error}",
        ) from error
    except Exception as error:  # a header can be broken in as many ways as a body
        raise _refused(
            Reason.IMAGE_UNREADABLE,
            f"expected an encoded image ({formats}). Received: {len(data)} bytes "
            "that are none of these, or are cut short",
        ) from error
    width, height = image.size
    if width * height > limits.max_image_pixels:
        raise _refused(
            Reason.IMAGE_TOO_MANY_PIXELS,
            f"expected at most {limits.max_image_pixels} pixels. "
            f"Received: {width} x {height} = {width * height} pixels",
        )
    return image


def _require_few_scans(data: bytes) -> None:
    # Inside a scan the marker cannot stand for anything else.
    scans = data.count(_JPEG_SCAN)
    if scans > _MAX_JPEG_SCANS:
        raise _refused(
            Reason.IMAGE_UNREADABLE,
            f"expected a JPEG of at most {_MAX_JPEG_SCANS} scans. Received: {scans} scans",
        )


def _shrunk_and_upright(image: Image.Image, size: ImageSize) -> tuple[Image.Image, bool]:
    """The image at its final size and orientation; and whether it was shrunk too far."""
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    sides = (size.width, size.height) if turn in _SIDES_KEPT else (size.height, size.width)
    downscaled = max(image.width / sides[0], image.height / sides[1]) > DOWNSCALE_WARNING_FACTOR
    # JPEG decodes at 1/2, 1/4 or 1/8 in the frequency domain; twice the final size is
    # kept so that the last step still averages over neighbours.
    image.draft(None, (2 * sides[0], 2 * sides[1]))
    image.load()
    method = Image.Resampling(size.resampling)
    shrunk = _opaque_or_alpha(image).resize(sides, method, reducing_gap=2.0)
    return shrunk if turn is None else shrunk.transpose(turn), downscaled


def _opaque_or_alpha(image: Image.Image) -> Image.Image:
    """The same picture in mode RGB, or RGBA where it has transparency."""
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion clips at 255
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray((wide >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    has_alpha = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def _refused(reason: Reason, message: str) -> InvalidCreativeError:
    return InvalidCreativeError("image", reason, message)
