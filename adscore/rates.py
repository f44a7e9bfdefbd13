"""Mean and concentration -> the figures of a score: rate, interval, percentile."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from adscore.bundle import Manifest

INTERVAL = 0.90
_ENDS = ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)
_PER_CENT = np.arange(101.0)


def rate_figures(
    manifest: Manifest, mean: NDArray[np.float64], concentration: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Reads a model's predictions as rates.

    Args:
        manifest: Names the targets, and holds the rates of its reference creatives.
        mean: Mean rates, (rows, targets).
        concentration: How narrowly rates are spread around them, (rows, targets).

    Returns:
        Mean, lower and upper end of the central interval, and percentile, in the order of
        `creative.TargetScore`, (rows, targets, 4).
    """
    figures = np.empty((*mean.shape, 4))
    figures[..., 0] = mean
    alpha, beta = mean * concentration, (1 - mean) * concentration
    betaincinv(alpha[..., None], beta[..., None], _ENDS, out=figures[..., 1:3])
    for column, target in enumerate(manifest.targets):
        figures[:, column, 3] = np.interp(mean[:, column], manifest.reference[target], _PER_CENT)
    return figures
