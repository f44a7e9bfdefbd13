"""A creative's image, small enough to live inside a page."""

import base64
import io

from PIL import Image

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.scoring.image import ImageSize, decode
from adscore.scoring.image_file import open_image

THUMBNAIL_SIDE = 160  # pixels, of the longer side
_QUALITY = 65


def thumbnail_uri(data: bytes, limits: InputLimits, side: int = THUMBNAIL_SIDE) -> str | None:
    """An image as a ``data:`` URI of a WebP file; None where there is none that can be shown.

    It goes through the checks and conversions of scoring.

    Args:
        data: One encoded image file, or nothing.
        limits: Largest file and image accepted.
        side: Of the longer side, in pixels.
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
    """Sides that keep their ratio."""
    shrink = min(1.0, side / max(width, height))
    return ImageSize(max(1, round(height * shrink)), max(1, round(width * shrink)))
