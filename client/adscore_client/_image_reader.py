"""The caller's image -> the bytes to send, shrunk on request."""

import io
from typing import Any, NamedTuple

from adscore_client._creative import load_image
from adscore_client._results import InputLimits

# Twice the size that the model reads, which leaves the server pixels for its own resizing.
# docs/client.md shows how much scores still change.
_HEADROOM = 2
_JPEG_QUALITY = 95
_EXIF_ORIENTATION = 0x0112

# Position of the colour space in an ICC profile, and the colour space of the pixels sent.
_PROFILE_SPACE = slice(16, 20)
_RGB_SPACE = b"RGB "
_RGB_MODES = frozenset({"P", "RGB", "RGBA"})

# A frame whose channels all span less than this may be blank by the model's measure.
_MIN_SPAN_OF_A_PICTURE = 64


class ImageReader(NamedTuple):
    """Reads images.

    Attributes:
        max_bytes: Largest image, in bytes, that is read at all.
        shrink_for: What the model accepts and reads; None leaves images as they are.
    """

    max_bytes: int
    shrink_for: InputLimits | None = None

    def leaving(self, taken_bytes: int) -> "ImageReader":
        """Returns a reader with a limit lower by this many bytes."""
        return ImageReader(self.max_bytes - taken_bytes, self.shrink_for)

    def read(self, image: object) -> bytes:
        """Returns the encoded image.

        Raises:
            TypeError: The image is not of an accepted type.
            InvalidCreativeError: It cannot be read, is empty or is too long.
        """
        data = load_image(image, self.max_bytes)
        return data if self.shrink_for is None else shrink(data, self.shrink_for)

    def takes_time(self, image: object) -> bool:
        """Whether reading is slow: there is a file to read or an image to shrink."""
        if image is None:
            return False
        return self.shrink_for is not None or not isinstance(image, bytes | bytearray | memoryview)


def require_pillow() -> None:
    """Fails early if images must be shrunk and Pillow is missing.

    Raises:
        ImportError: Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError as exc:
        raise ImportError(
            "shrink_images: expected Pillow to be installed. Received: no such package. "
            "Install it with: pip install pillow"
        ) from exc


def shrink(data: bytes, limits: InputLimits) -> bytes:
    """Returns a smaller file of the same picture, or the file itself.

    A file that the server would refuse is left unchanged, so that the server says why.

    Args:
        data: One encoded image.
        limits: What the model accepts, and the size that it reads.
    """
    import PIL.Image

    if not limits.image_width:
        return data
    try:
        with PIL.Image.open(io.BytesIO(data), formats=limits.image_formats or None) as image:
            profile = image.info.get("icc_profile")
            smaller = _resized(image, limits)
            shrunk = data if smaller is None else _encoded(smaller, profile)
    except Exception:  # broken bytes can make Pillow raise anything
        return data
    return shrunk if len(shrunk) < len(data) else data


def _resized(image: Any, limits: InputLimits) -> Any:
    """Returns the picture upright at its new size; None if it must stay unchanged."""
    import PIL.ImageOps

    if not _is_plain(image) or image.width * image.height > limits.max_image_pixels:
        return None
    has_alpha = image.has_transparency_data
    is_turned = image.getexif().get(_EXIF_ORIENTATION, 1) >= 5  # width and height swap
    largest = (_HEADROOM * limits.image_width, _HEADROOM * limits.image_height)
    stored = largest[::-1] if is_turned else largest
    if image.width <= stored[0] and image.height <= stored[1]:
        return None
    is_animated = getattr(image, "is_animated", False)
    image.draft(None, stored)  # a JPEG is decoded at about this size, which saves most of the work
    upright = PIL.ImageOps.exif_transpose(image).convert("RGBA" if has_alpha else "RGB")
    size = (min(upright.width, largest[0]), min(upright.height, largest[1]))
    smaller = upright.resize(size, PIL.Image.Resampling.BILINEAR, reducing_gap=2.0)
    # The model decides which frame counts, unless it is clearly the first.
    read = (limits.image_width, limits.image_height)
    return None if is_animated and _may_be_blank(smaller.resize(read)) else smaller


def _is_plain(image: Any) -> bool:
    """Whether 8-bit RGB with transparency and profile loses nothing of the file."""
    if image.mode.startswith(("I", "F")):  # 16 bits and more, which the server scales
        return False
    if "transparency" in image.info and any("16" in str(tile.args) for tile in image.tile):
        return False  # a transparent colour of 16 bits is none of the 8-bit pixels
    profile = image.info.get("icc_profile")
    if not profile:
        return True
    return image.mode in _RGB_MODES and profile[_PROFILE_SPACE] == _RGB_SPACE


def _may_be_blank(picture: Any) -> bool:
    import PIL.Image

    on_white: Any = PIL.Image.new("RGBA", picture.size, "white")
    on_white.alpha_composite(picture.convert("RGBA"))
    spans: list[int] = [high - low for low, high in on_white.convert("RGB").getextrema()]
    return max(spans) < _MIN_SPAN_OF_A_PICTURE


def _encoded(picture: Any, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    if picture.mode == "RGBA":
        picture.save(buffer, format="PNG", icc_profile=profile)
    else:
        # Colour at full size: by default a JPEG keeps a quarter of it.
        quality = {"quality": _JPEG_QUALITY, "subsampling": 0}
        picture.save(buffer, format="JPEG", icc_profile=profile, **quality)
    return buffer.getvalue()
