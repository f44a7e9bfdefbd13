"""Colours of text and its ground, and their contrast by WCAG 2.2."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = NDArray[np.float64]

MAX_RATIO = 21
# Positions from ground (0) to ink (1): beyond the first is ink, beyond the second soft edge.
_HALF_WAY, _SOFT_EDGE = 0.5, 0.35
# Share of a box that is certainly ink.
_FARTHEST = 0.04
# If at least this share of the letters is inside strokes, it gives the colour of the ink; with
# thinner strokes, the farthest part does. Both from the sample: benchmarks/checking.py.
_MIN_INSIDE, _INNERMOST = 0.05, 0.35
# If at least this share of apparent ink does not touch the box's edge, only that share is ink.
_MIN_INNER = 0.3
# Pixels within this many levels of 255 count as the most common colour.
_ALIKE_LEVELS = 16


class Inked(NamedTuple):
    """Ink and ground of a box of text.

    Attributes:
        ink: Colour of the letters, RGB from 0 to 255.
        ground: Colour of the background of the letters, RGB from 0 to 255.
        mask: Where the letters are, (height, width) bool.
    """

    ink: Colour
    ground: Colour
    mask: NDArray[np.bool_]

    @property
    def contrast(self) -> float:
        """Contrast ratio, from 1 to 21."""
        return contrast_ratio(self.ink, self.ground)


def contrast_ratio(first: Colour, second: Colour) -> float:
    """(L1 + 0.05) / (L2 + 0.05), with L1 the higher relative luminance: 1 to 21."""
    one, other = relative_luminance(first), relative_luminance(second)
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def relative_luminance(colour: Colour) -> float:
    """Relative luminance of an sRGB colour (0 to 255 a channel), from 0 to 1."""
    share = np.asarray(colour, np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def separate(patch: Pixels) -> Inked:
    """Separates letters from their ground in a box with one line of text and a small margin.

    Ground is first taken as the most common colour along the box's edge, and ink as what is
    farthest from it. Parts of other lines that reach into the box are dropped. Then ground is the
    mean colour around the letters, since it may be a gradient or striped, and ink the median inside
    the strokes.

    Args:
        patch: Pixels of the box, (height, width, 3) uint8.
    """
    pixels = patch.astype(np.float64)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    along = _towards_ink(pixels, _common_colour(edge))
    mask = _inner(_middle_line(along > _HALF_WAY))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return Inked(pixels.mean((0, 1)), pixels.mean((0, 1)), mask)
    inside = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    # By position, not by colour: the ground may be striped.
    near = ndimage.binary_dilation(along > _SOFT_EDGE, np.ones((3, 3)))
    ground = _ground(pixels[inside], near[inside], mask[inside])
    inner = ndimage.binary_erosion(mask, np.ones((3, 3)))
    if inner.sum() < _MIN_INSIDE * mask.sum():  # thin strokes are all soft edge
        away = np.linalg.norm(pixels - ground, axis=2)
        inner = mask & (away >= np.quantile(away[mask], 1 - _INNERMOST))
    return Inked(np.median(pixels[inner], axis=0), ground, mask)


def _ground(
    pixels: NDArray[np.float64], near: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> Colour:
    """Mean colour of the ground; under the letters, that of the nearest visible ground."""
    hidden = near if not near.all() else mask
    if not hidden.all():
        next_to = ndimage.distance_transform_edt(
            hidden, return_distances=False, return_indices=True
        )
        pixels = pixels[tuple(next_to)]
    mean: Colour = pixels.mean(axis=(0, 1))
    return mean


def _inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink without parts that touch the box's edge, such as the ground around a round badge."""
    parts, _ = ndimage.label(mask, np.ones((3, 3)))
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    inner = mask & ~np.isin(parts, edge[edge > 0])
    return inner if inner.sum() >= _MIN_INNER * mask.sum() else mask


def _towards_ink(pixels: NDArray[np.float64], ground: Colour) -> NDArray[np.float64]:
    """Position of each pixel on the way from ground (0) to ink (1)."""
    away = pixels - ground
    distance = np.linalg.norm(away, axis=2)
    far = distance >= np.quantile(distance, 1 - _FARTHEST)
    direction = np.median(away[far], axis=0)
    length = float(np.linalg.norm(direction))
    if length < 1:
        return np.zeros(distance.shape)
    along: NDArray[np.float64] = away @ direction / length**2
    return along


def _middle_line(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink without that of adjacent lines, which touches the upper or lower edge."""
    filled = np.concatenate([[False], mask.any(1), [False]])
    starts = np.flatnonzero(filled[1:] & ~filled[:-1])
    ends = np.flatnonzero(~filled[1:] & filled[:-1])
    if len(starts) < 2:
        return mask
    height, kept = len(mask), mask.copy()
    tallest = int(np.argmax(ends - starts))
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if number != tallest and (start == 0 or end == height):
            kept[start:end] = False
    return kept


def share_apart(pixels: Pixels) -> float:
    """Share of an image's pixels that stand out from its most common colour, from 0 to 1."""
    flat = pixels.reshape(-1, 3)
    common = _common_colour(flat.astype(np.float64))
    apart = np.abs(flat - common).max(axis=1) > _ALIKE_LEVELS
    return float(apart.mean())


def _common_colour(pixels: NDArray[np.float64]) -> Colour:
    """The median of the pixels in the most common of 16 x 16 x 16 bins and around it."""
    bins = (pixels // 16).astype(np.int64) @ (256, 16, 1)
    common = int(np.bincount(bins).argmax())
    centre = np.array([common // 256, common // 16 % 16, common % 16]) * 16 + 8
    near = np.abs(pixels - centre).max(axis=1) <= _ALIKE_LEVELS
    middle: Colour = np.median(pixels[near], axis=0)
    return middle
