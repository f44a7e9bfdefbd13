"""Fills a hole in an image smoothly from its surroundings."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]  # (h, w, 3)
Mask = NDArray[np.bool_]  # (h, w)

# Jacobi sweeps per scale, up to this side; larger images are enlarged, which a model cannot tell.
_SWEEPS, _MAX_SIDE = 6, 64


def fill(pixels: Pixels, known: Mask) -> Pixels:
    """Interpolates smoothly: each unknown pixel becomes the mean of its neighbours.

    Solves Laplace's equation from coarse to fine: the solution of a reduced image starts the next
    scale. Pérez et al. (2003), "Poisson image editing"; for the pyramid, Gortler et al. (1996),
    "The lumigraph", 3.4.

    Args:
        pixels: Pixels; any values where unknown.
        known: Mask of known pixels.

    Returns:
        The pixels with unknown ones filled; unchanged if none is known.
    """
    if known.all() or not known.any():
        return pixels
    unknown = ~known[..., None]
    side = max(known.shape)
    factor = 2 if side <= _MAX_SIDE else -(-side // _MAX_SIDE)
    filled = _enlarged(fill(*_reduced(pixels, known, factor)), factor, known.shape)
    np.copyto(filled, pixels, where=~unknown)
    if side <= _MAX_SIDE:
        _relax(filled, unknown)
    return filled


def _relax(filled: Pixels, unknown: Mask) -> None:
    rows, columns, channels = filled.shape
    edged = np.empty((rows + 2, columns + 2, channels), np.float32)
    for _ in range(_SWEEPS):
        edged[1:-1, 1:-1] = filled
        edged[0, 1:-1], edged[-1, 1:-1] = filled[0], filled[-1]
        edged[1:-1, 0], edged[1:-1, -1] = filled[:, 0], filled[:, -1]
        means = edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:]
        np.copyto(filled, means / 4, where=unknown)


def _reduced(pixels: Pixels, known: Mask, factor: int) -> tuple[Pixels, Mask]:
    """Means of the known pixels in each square of `factor` pixels, and which squares have any."""
    rows, columns = (-(-side // factor) for side in known.shape)
    weighted = np.zeros((rows * factor, columns * factor, 4), np.float32)
    within = weighted[: known.shape[0], : known.shape[1]]
    np.multiply(pixels, known[..., None], out=within[..., :3])
    within[..., 3] = known
    sums = weighted.reshape(rows, factor, columns * factor, 4).sum(axis=1)
    sums = sums.reshape(rows, columns, factor, 4).sum(axis=2)
    means: Pixels = sums[..., :3] / sums[..., 3:].clip(min=1)
    return means, sums[..., 3] > 0


def _enlarged(pixels: Pixels, factor: int, shape: tuple[int, ...]) -> Pixels:
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    channels = [
        Image.fromarray(channel).resize(size, Image.Resampling.BILINEAR)
        for channel in np.moveaxis(pixels, 2, 0)
    ]
    return np.stack([np.asarray(one) for one in channels], axis=2)[: shape[0], : shape[1]]
