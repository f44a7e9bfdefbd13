"""Fills a hole in an image from around it, as the ground goes on behind an element."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]  # (h, w, 3)
Mask = NDArray[np.bool_]  # (h, w)

# Jacobi's, at each scale; at larger ones nothing is left to see at a model's size.
_SWEEPS, _MAX_SWEPT = 6, 256 * 256


def fill(pixels: Pixels, known: Mask) -> Pixels:
    """The smoothest surface through the known pixels: each other one is the mean of those around.

    Solves Laplace's equation from coarse to fine: the known pixels' means at half the size are
    filled in turn, and their surface is where this size starts from. Pérez et al. (2003), "Poisson
    image editing"; Gortler et al. (1996), "The lumigraph", 3.4, for the pyramid.

    Args:
        pixels: Any values where they are not known.
        known: Which are known; at least one.

    Returns:
        The pixels, those that were not known filled; as many as there were.
    """
    if known.all() or not known.any():
        return pixels
    surface = _enlarged(fill(*_halved(pixels, known)), known.shape)
    filled = np.where(known[..., None], pixels, surface)
    for _ in range(_SWEEPS if known.size <= _MAX_SWEPT else 0):
        edged = np.pad(filled, ((1, 1), (1, 1), (0, 0)), mode="edge")
        means = (edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:]) / 4
        filled = np.where(known[..., None], pixels, means)
    return filled


def _halved(pixels: Pixels, known: Mask) -> tuple[Pixels, Mask]:
    """Means of what is known in each square of four, and which have any."""
    rows, columns = (side + side % 2 for side in known.shape)
    room = ((0, rows - known.shape[0]), (0, columns - known.shape[1]))
    weights = np.pad(known.astype(np.float32), room)[..., None]
    values = np.pad(pixels, (*room, (0, 0))) * weights

    def summed(of: Pixels) -> Pixels:
        fours: Pixels = of.reshape(rows // 2, 2, columns // 2, 2, -1).sum(axis=(1, 3))
        return fours

    counts = summed(weights)
    means: Pixels = summed(values) / counts.clip(min=1)
    return means, counts[..., 0] > 0


def _enlarged(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    rows, columns = (side + side % 2 for side in shape)
    channels = [
        Image.fromarray(channel).resize((columns, rows), Image.Resampling.BILINEAR)
        for channel in np.moveaxis(pixels, 2, 0)
    ]
    return np.stack([np.asarray(one) for one in channels], axis=2)[: shape[0], : shape[1]]
