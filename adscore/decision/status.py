"""Decides whether the question of the best arm of a group is settled."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Chosen so that, among groups of four equal arms checked daily, at most one in twenty ever gets a
# leader, while an arm that is better by a fifth is found soon: see docs/deciding.md.
_LEADER_CHANCE = 0.965
# How many standard errors of the counts an arm must be behind: with the prediction included, and by
# observation alone. So a prediction alone makes no leader, and a wrong one seldom does. The second
# was chosen so that this also holds if predictions separate equal arms by 0.35 logits.
SHOWN_ERRORS = 1.645
COUNTED_ERRORS = 1.3


class Status(StrEnum):
    """Whether the question of the best arm is settled."""

    OPEN = "open"
    LEADER = "leader"
    TIE = "tie"


STATUSES = tuple(Status)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counts alone say about some groups' arms.

    Attributes:
        rate: Observed rate or value, (g, a); NaN for an arm without trials.
        noise: Squared standard error of the rate's logarithm, (g, a), or inf.
    """

    rate: Array
    noise: Array


def find_status(
    mean: Array, counted: Counted, chance_best: Array, relative_loss: Array, tolerance: float
) -> NDArray[np.int64]:
    """Finds the status of each group.

    A leader has an expected loss below the tolerance and a chance of 96.5 % to be the best, and
    each other arm has had the trials to show that it is as far behind as it seems, both with the
    prediction and by counts alone, since a prediction may be wrong. In a tie, the expected loss is
    below the tolerance whichever arm is chosen.

    Args:
        mean: Expected rate or value of each arm, (g, a).
        counted: What the counts alone say.
        chance_best: Chance that each arm is the best, (g, a).
        relative_loss: Expected loss of each arm relative to the best arm's expectation, (g, a).
        tolerance: Acceptable loss relative to the best rate.

    Returns:
        Indices in `STATUSES`, (g,).
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
    if mean.shape[1] == 1:  # a single arm
        return np.full(len(mean), STATUSES.index(Status.OPEN))
    codes = [STATUSES.index(status) for status in (Status.TIE, Status.LEADER, Status.OPEN)]
    return np.select([ties, leads], codes[:2], codes[2])
