"""Calibration on groups that were not fitted to, so that the stated spread is the real one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from adscore.training.likelihood import log_likelihood

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Last step of the output: logits and log concentrations times a slope, plus a shift.

    Each attribute has shape (targets,).
    """

    slope: Array
    shift: Array
    concentration_slope: Array
    concentration_shift: Array


def calibrate(
    logit: Array,
    log_concentration: Array,
    successes: Array,
    trials: Array,
    *,
    mean: bool = True,
) -> Calibration:
    """Finds the calibration under which held-out counts are most likely.

    The groups are new to the model, so the spread that is found includes what an unknown
    campaign adds.

    Args:
        logit: Predicted logits, (rows, targets).
        log_concentration: Predicted log concentrations, (rows, targets).
        successes: Counts, (rows, targets).
        trials: Counts, (rows, targets).
        mean: Whether slope and shift of the logits are fitted too, or the spread alone.
    """
    columns = [
        _calibrate_one(*(array[:, target].astype(np.float64) for array in arrays), mean=mean)
        for arrays in [(logit, log_concentration, successes, trials)]
        for target in range(logit.shape[1])
    ]
    return Calibration(*np.array(columns).T)


def _calibrate_one(
    logit: Array, log_concentration: Array, successes: Array, trials: Array, *, mean: bool
) -> tuple[float, float, float, float]:
    centre = float(np.average(logit, weights=np.maximum(trials, 1e-9)))

    def loss(parameters: Array) -> float:
        slope, shift, spread = _unpack(parameters)
        value = log_likelihood(
            centre + shift + slope * (logit - centre),
            log_concentration + spread,
            successes,
            trials,
        ).mean()
        # Weak priors keep a handful of validation rows from turning the ranking over.
        return -float(value) + ((slope - 1) ** 2 + (spread / 4) ** 2) / len(logit)

    def _unpack(parameters: Array) -> tuple[float, float, float]:
        if not mean:
            return 1.0, 0.0, float(parameters[0])
        return float(np.exp(parameters[0])), float(parameters[1]), float(parameters[2])

    best = minimize(loss, np.zeros(3 if mean else 1), method="Nelder-Mead")
    slope, shift, spread = _unpack(best.x)
    return slope, centre + shift - slope * centre, 1.0, spread
