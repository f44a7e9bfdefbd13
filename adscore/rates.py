"""Mean and concentration -> the figures of a score: rate, interval, percentile."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from adscore.bundle import Manifest

INTERVAL = 0.90


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
    tail = (1 - INTERVAL) / 2
    alpha, beta = mean * concentration, (1 - mean) * concentration
    lower, upper = betaincinv(alpha, beta, tail), betaincinv(alpha, beta, 1 - tail)
    percentile = np.empty_like(mean)
    for column, target in enumerate(manifest.targets):
        reference = manifest.reference[target]
        percentile[:, column] = np.interp(mean[:, column], reference, np.arange(101.0))
    return np.stack([mean, lower, upper, percentile], axis=-1)
