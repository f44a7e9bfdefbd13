"""Thumbnails of images, small enough to embed in a page."""

import base64
import io

from PIL import Image

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.scoring.image import ImageSize, decode
from adscore.scoring.image_file import open_image

THUMBNAIL_SIDE = 160  # longer side, in pixels
_QUALITY = 65


def thumbnail_uri(data: bytes, limits: InputLimits, side: int = THUMBNAIL_SIDE) -> str | None:
    """An image as a WebP ``data:`` URI; None if it is absent or cannot be shown.

    Uses the checks and conversions of scoring.

    Args:
        data: An encoded image file, or nothing.
        limits: Limits on file and image size.
        side: Length of the longer side, in pixels.
    """
    if not data:
        return None
    try:
        size = open_image(data, limits).upright_size
        pixels, _ = decode(data, _thumbnail_size(*size, side), limits)
    except (InvalidCreativeError, OSError, ValueError):
        return None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _thumbnail_size(width: int, height: int, side: int) -> ImageSize:
    """The size scaled down to a longer side, keeping the ratio."""
    shrink = min(1.0, side / max(width, height))
    return ImageSize(max(1, round(height * shrink)), max(1, round(width * shrink)))
