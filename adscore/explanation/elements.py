"""The elements of a banner: removes one, and returns the banner as the model reads it."""

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

# Larger banners are scaled down to this, so that the time per element is bounded.
MAX_PIXELS = 1_000_000
# Width of the ring around a box: this share of its shorter side, and at least so many pixels.
_RING_SHARE = 0.15
_MIN_RING = 2
# If boxes cross each other's edges, one smaller than this share of the other is in front. If
# neither is, the order is unknown, and each is removed whole.
_IN_FRONT = 0.75
# Largest change between neighbouring ground pixels, of 255 levels: more is an edge, not a gradient.
_MAX_STEP = 6


class Canvas:
    """A banner whose elements can be removed.

    The banner is decoded as for scoring but at its own size, then scaled to the model's.

    Args:
        data: An encoded image file.
        read: The image size that the model reads.
        limits: Limits on the file and image size.

    Attributes:
        size: Width and height of the upright image, in pixels.
        image: The decoded image, (rows, columns, 3) uint8; large ones are scaled down.
        pixels: Pixels to claim of a `PixelBudget` before decoding.

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
        """Decodes the image; claim its pixels first.

        Raises:
            InvalidCreativeError: The file is broken.
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
        """The whole banner as the model reads it, (height, width, 3) uint8; call `decode` first."""
        return self._shrunk(self.image)

    def without(self, box: Box, others: Sequence[Box] = ()) -> Pixels:
        """The banner with a box filled from its surroundings, in the same form as `whole`.

        A smaller box across its edge is in front, such as a badge on the corner of a product. It
        stays, and nothing is filled from it, nor from parts of the element outside the box.
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
        """Mask of boxes, (rows, columns) of `image`."""
        covered = np.zeros(self.image.shape[:2], dtype=bool)
        for box in boxes:
            covered[self._slices(box, 0)] = True
        return covered

    def of_pixels(self, box: Box) -> Box:
        """Converts a box in pixels of `image` to pixels of the file."""
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
        """Rows and columns of a box with a margin, at least one pixel, clipped to the image."""

        def span(start: int, end: int) -> slice:
            first, last = math.floor(start * self._scale), math.ceil(end * self._scale)
            return slice(max(0, first - margin), max(first + 1, last) + margin)

        return span(box.top, box.bottom), span(box.left, box.right)

    def _shrunk(self, pixels: NDArray[np.uint8]) -> Pixels:
        sides = (self._read.width, self._read.height)
        method = Image.Resampling(self._read.resampling)
        return np.asarray(Image.fromarray(pixels).resize(sides, method, reducing_gap=2.0))


def _ground(pixels: NDArray[np.float32], outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask of the ground: pixels connected to the ring's outer edge without a step in colour.

    So the rest of an element that reaches out of its box is not ground.
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
    """The clearly smaller boxes that cross a box's edge."""
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
