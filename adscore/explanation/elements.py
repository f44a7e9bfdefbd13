"""The elements of a banner: the banner without one, as the model reads it."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from adscore.creative import InputLimits
from adscore.errors import InvalidQuestionError, Reason
from adscore.explanation.fill import fill
from adscore.explanation.question import Box
from adscore.scoring.image import ImageSize, Pixels, UndecodedImage
from adscore.scoring.image_file import open_image
from adscore.scoring.lazy import lazy

# A larger banner is looked at at this size, so that its elements cost a bounded time each.
MAX_PIXELS = 1_000_000
# What surrounds a box: this share of its shorter side, and at least so many pixels.
_RING_SHARE = 0.15
_MIN_RING = 2
# Of two boxes that lie across each other's edges, one of less than this share of the other is in
# front. Between them nobody knows, and both go whole.
_IN_FRONT = 0.75
# Levels of 255 by which the ground's colour may change from pixel to pixel: a gradient, no edge.
_MAX_STEP = 6


class Canvas:
    """A banner whose elements can be blotted out.

    It is decoded as the model's own path does it, at its own size, and shrunk from there.

    Args:
        data: One encoded image file.
        read: What the model reads of it.
        limits: Largest file and image accepted.

    Attributes:
        size: Width and height of the upright image, in pixels.
        image: The image once it is decoded, (rows, columns, 3) uint8; a large one is smaller.
        pixels: What to claim of a `PixelBudget` before it is decoded.

    Raises:
        InvalidCreativeError: The file cannot be decoded, or is too large.
    """

    def __init__(self, data: bytes, read: ImageSize, limits: InputLimits) -> None:
        self._read = read
        self.size = width, height = open_image(data, limits).upright_size
        self._scale = min(1.0, math.sqrt(MAX_PIXELS / (width * height)))
        rows, columns = (max(1, round(side * self._scale)) for side in (height, width))
        own_size = ImageSize(rows, columns, read.resampling, read.version)
        self._undecoded = UndecodedImage(data, own_size, limits)
        self.pixels = self._undecoded.pixels

    def decode(self) -> None:
        """Decodes it, once its pixels are claimed.

        Raises:
            InvalidCreativeError: It is broken.
        """
        self.image: Pixels = self._undecoded.decode()[0]

    def check(self, boxes: Sequence[Box]) -> None:
        """Raises InvalidQuestionError for the first box that is empty or outside the image."""
        width, height = self.size
        for number, box in enumerate(boxes):
            if 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height:
                continue
            raise InvalidQuestionError(
                f"boxes[{number}]",
                Reason.BOX_OUTSIDE_IMAGE,
                f"expected left < right and top < bottom, inside the image of {width} x {height} "
                f"pixels. Received: {list(box)}",
            )

    @lazy
    def whole(self) -> Pixels:
        """All of it, once it is decoded, (height, width, 3) uint8 as the model reads it."""
        return self._shrunk(self.image)

    def without(self, box: Box, others: Sequence[Box] = ()) -> Pixels:
        """The banner with a box filled as if what surrounds it went on there, likewise.

        A smaller box that lies across its edge, such as a badge on the corner of a product, is in
        front: it stays, and nothing is filled from it. Nor from what reaches out of the box.
        """
        around = self._slices(box, self._ring(box))
        pixels = self.image[around].astype(np.float32)
        inside, front = (self._covered(boxes)[around] for boxes in ([box], _in_front(box, others)))
        known = _ground(pixels, ~inside) & ~front
        if not known.any():
            known = ~(inside | front)
        if not known.any():  # the box is the whole image
            known = ~known
            pixels[:] = np.median(pixels, axis=(0, 1))
        hole = inside & ~front
        blotted = self.image.copy()
        blotted[around][hole] = fill(pixels, known)[hole].round().astype(np.uint8)
        return self._shrunk(blotted)

    def _covered(self, boxes: Iterable[Box]) -> NDArray[np.bool_]:
        """Where boxes are, (rows, columns) of `image`."""
        covered = np.zeros(self.image.shape[:2], dtype=bool)
        for box in boxes:
            covered[self._slices(box, 0)] = True
        return covered

    def of_pixels(self, box: Box) -> Box:
        """A box in pixels of the image that is one in `image`."""
        width, height = self.size
        return Box(
            math.floor(box.left / self._scale),
            math.floor(box.top / self._scale),
            min(width, math.ceil(box.right / self._scale)),
            min(height, math.ceil(box.bottom / self._scale)),
        )

    def _ring(self, box: Box) -> int:
        shorter = min(box.right - box.left, box.bottom - box.top) * self._scale
        return max(_MIN_RING, round(_RING_SHARE * shorter))

    def _slices(self, box: Box, margin: int) -> tuple[slice, slice]:
        """Rows and columns of a box with a margin, at least a pixel, cut off at the edges."""

        def span(start: int, end: int) -> slice:
            first, last = math.floor(start * self._scale), math.ceil(end * self._scale)
            return slice(max(0, first - margin), max(first + 1, last) + margin)

        return span(box.top, box.bottom), span(box.left, box.right)

    def _shrunk(self, pixels: NDArray[np.uint8]) -> Pixels:
        sides = (self._read.width, self._read.height)
        method = Image.Resampling(self._read.resampling)
        return np.asarray(Image.fromarray(pixels).resize(sides, method, reducing_gap=2.0))


def _ground(pixels: NDArray[np.float32], outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What goes on towards a box, without a step, from the outer edge of what surrounds it.

    The rest of an element that reaches out of its box by less is none.
    """
    steps = np.zeros(outside.shape, dtype=np.float32)
    for ahead, behind in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        step = np.abs(pixels[ahead] - pixels[behind]).max(axis=2)
        for side in (ahead, behind):
            steps[side] = np.maximum(steps[side], step)
    outer = outside.copy()
    outer[1:-1, 1:-1] = False
    patches, _ = ndimage.label(outside & ((steps <= _MAX_STEP) | outer))
    reached: NDArray[np.bool_] = outside & np.isin(patches, np.unique(patches[outer]))
    return reached


def _in_front(box: Box, others: Sequence[Box]) -> Iterator[Box]:
    """The clearly smaller boxes that lie across a box's edge."""
    for other in others:
        shared = Box(
            max(box.left, other.left),
            max(box.top, other.top),
            min(box.right, other.right),
            min(box.bottom, other.bottom),
        )
        meets = shared.left < shared.right and shared.top < shared.bottom
        if meets and shared != other and _area(other) < _IN_FRONT * _area(box):
            yield other


def _area(box: Box) -> int:
    return (box.right - box.left) * (box.bottom - box.top)
