"""Comparisons of the arms of a group -> whether the question which is best is settled."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Chosen so that of groups of four equal arms that are looked at daily, at most one in twenty ever
# has a leader, and an arm that is better by a fifth is soon found: see docs/deciding.md.
_LEADER_CHANCE = 0.965
# Standard errors of the counts that an arm must be behind, as it seems with the prediction and as
# it was observed: a prediction does not make a leader, and a wrong one seldom helps to. The second
# was chosen so that the same holds where predictions set equal arms apart by 0.35 logits.
SHOWN_ERRORS = 1.645
COUNTED_ERRORS = 1.3


class Status(StrEnum):
    """How far the question which arm is best is settled."""

    OPEN = "open"
    LEADER = "leader"
    TIE = "tie"


STATUSES = tuple(Status)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counts of some groups' arms say alone.

    Attributes:
        rate: Observed rate or value, (g, a); NaN of an arm that was not tried.
        noise: Squared standard error of its logarithm, (g, a), or inf.
    """

    rate: Array
    noise: Array


def find_status(
    mean: Array, counted: Counted, chance_best: Array, relative_loss: Array, tolerance: float
) -> NDArray[np.int64]:
    """Finds the status of each group.

    A leader's expected loss is below the tolerance, it is the best with a chance of 96.5 %, and
    each other arm has had the trials that could show that it is as far behind as it seems, both
    with the prediction and by the counts alone: a prediction may be wrong. In a tie, whichever arm
    is chosen, the expected loss is below the tolerance.

    Args:
        mean: Expected rate or value of each arm, (g, a).
        counted: What the counts say of it alone.
        chance_best: (g, a).
        relative_loss: (g, a).
        tolerance: The share of the best rate that one is ready to lose.

    Returns:
        Places in `STATUSES`, (g,).
    """
    leader = relative_loss.argmin(axis=1)[:, None]

    def of_leader(values: Array) -> Array:
        return np.take_along_axis(values, leader, axis=1)

    noise = counted.noise
    with np.errstate(divide="ignore", invalid="ignore"):  # no success, no trial
        logs = np.log(np.stack([mean, counted.rate]))
        behind = np.take_along_axis(logs, leader[None], axis=2) - logs
        errors = behind / np.sqrt(noise + of_leader(noise))
        is_shown = (errors[0] >= SHOWN_ERRORS) & (errors[1] >= COUNTED_ERRORS)
    np.put_along_axis(is_shown, leader, True, axis=1)
    leads = (
        (of_leader(relative_loss) < tolerance)
        & (of_leader(chance_best) >= _LEADER_CHANCE)
        & is_shown.all(axis=1, keepdims=True)
    )[:, 0]
    ties = (relative_loss < tolerance).all(axis=1) & np.isfinite(noise).all(axis=1)
    if mean.shape[1] == 1:  # there is nothing to settle
        return np.full(len(mean), STATUSES.index(Status.OPEN))
    codes = [STATUSES.index(status) for status in (Status.TIE, Status.LEADER, Status.OPEN)]
    return np.select([ties, leads], codes[:2], codes[2])
