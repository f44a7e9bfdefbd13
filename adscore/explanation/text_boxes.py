"""Finds the text on a banner as elements, together with the button or badge behind it."""

import math
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from adscore.errors import Reason, UnanswerableError
from adscore.explanation.elements import Canvas
from adscore.explanation.question import Box

# Each costs an encoding.
MAX_TEXTS = 16

# Colour range of a button, of 255 levels; the second is for ground of nearly the same colour.
_SAME_COLOUR = (20, 10)
# A larger patch of one colour is the banner's ground, not a button.
_MAX_PATCH_SHARE = 0.25
# Nor is a patch that is this many times higher than its text.
_MAX_PATCH_HEIGHTS = 5.0


def can_find_text() -> bool:
    """Whether the text detector is installed."""
    return find_spec("rapidocr") is not None


def find_text(canvas: Canvas) -> list[Box]:
    """Boxes of the text on a banner, from the top; at most the `MAX_TEXTS` largest.

    Text on a button or badge gives the whole button as one element, even with several lines.

    Raises:
        UnanswerableError: The text detector is not installed.
    """
    found = _detected(canvas.image)
    boxes = dict.fromkeys(canvas.of_pixels(_with_patch(canvas.image, box)) for box in found)
    largest = sorted(boxes, key=lambda box: -(box.right - box.left) * (box.bottom - box.top))
    kept = set(largest[:MAX_TEXTS])
    return [box for box in boxes if box in kept]


def _detected(pixels: NDArray[np.uint8]) -> list[Box]:
    """Lines of text, in pixels of the canvas."""
    # It is in an optional extra, which most explanations do not need.
    from adscore.checks import OcrMissingError, text_boxes

    try:
        found = text_boxes(pixels)
    except OcrMissingError as error:
        raise UnanswerableError(
            Reason.TEXT_DETECTION_MISSING, f"{error}. Or draw boxes instead"
        ) from error
    return [
        Box(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
        for left, top, right, bottom in found
    ]


def _with_patch(pixels: NDArray[np.uint8], text: Box) -> Box:
    """The box of a line of text, or of the patch of one colour behind it, such as a button."""
    height, width = pixels.shape[:2]
    top, bottom = max(0, text.top), min(height, text.bottom)
    left, right = max(0, text.left), min(width, text.right)
    # Most of the box's edge is the text's ground.
    edge = np.concatenate(
        [
            pixels[[top, bottom - 1], left:right].reshape(-1, 3),
            pixels[top:bottom, [left, right - 1]].reshape(-1, 3),
        ]
    )
    apart = np.abs(pixels - np.median(edge, axis=0)).max(axis=2)
    apart[top:bottom, left:right] = 0  # letters do not split the patch
    max_rows, max_area = _MAX_PATCH_HEIGHTS * (bottom - top), _MAX_PATCH_SHARE * width * height
    for levels in _SAME_COLOUR:
        patches, _ = ndimage.label(apart <= levels)
        rows, columns = ndimage.find_objects(patches)[patches[top, left] - 1]
        patch = Box(columns.start, rows.start, columns.stop, rows.stop)
        patch_rows = patch.bottom - patch.top
        if patch_rows <= max_rows and patch_rows * (patch.right - patch.left) <= max_area:
            return patch
    return Box(left, top, right, bottom)
