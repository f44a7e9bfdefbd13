"""Computes the figures of every arm of many groups, in blocks on every core."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from adscore.cores import in_order, usable_cores
from adscore.creative import INTERVAL_LEVEL
from adscore.decision.beliefs import Belief, Rates, Values
from adscore.decision.comparison import compare
from adscore.decision.posterior import Evidence, Posterior, find_posterior, grid_sizes
from adscore.decision.split import split_to_earn, split_to_learn
from adscore.decision.status import find_status

Array = NDArray[np.float64]

_ENDS = ((1 - INTERVAL_LEVEL) / 2, (1 + INTERVAL_LEVEL) / 2)
# Arms that one thread works on at a time: their data nearly fits a core's cache.
_BLOCK_ARMS = 100


class Aim(StrEnum):
    """What a split of traffic should achieve."""

    EARN = "earn"
    LEARN = "learn"


@dataclass(frozen=True, slots=True)
class Question:
    """What to find out about some groups.

    Attributes:
        aim: What the split should achieve.
        tolerance: Acceptable loss relative to the best rate, above 0 and below 1.
        worth: Value of a success of each target, at least 0, one of them above.
        left: Trials still to come for each group, (g,).
        control: Index of the arm that others are compared with, (g,); -1 if there is none.
    """

    aim: Aim
    tolerance: float
    worth: Sequence[float]
    left: Array
    control: NDArray[np.int64]

    def rows(self, chosen: slice | NDArray[np.intp]) -> "Question":
        """The question for some of the groups."""
        return Question(
            self.aim, self.tolerance, self.worth, self.left[chosen], self.control[chosen]
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known about the arms of some groups: their rate, or the value of several targets.

    Attributes:
        mean: Expected rate or value, (g, a).
        lower: Lower end of the 90 % interval, (g, a).
        upper: Upper end of the 90 % interval, (g, a).
        chance_best: Chance that no other arm is better, (g, a).
        chance_above: Chance that it is above the control, (g, a); NaN for the control itself and in
            groups without one.
        relative_loss: Expected loss of choosing it, relative to the best arm's expectation, (g, a).
        share: Share of the next traffic, (g, a).
        leader: Index of the arm with the least expected loss, (g,).
        status: Index in `STATUSES`, (g,).
        targets: By target, the mean and the ends of the interval of its rate, (t, g, a, 3).
    """

    mean: Array
    lower: Array
    upper: Array
    chance_best: Array
    chance_above: Array
    relative_loss: Array
    share: Array
    leader: NDArray[np.int64]
    status: NDArray[np.int64]
    targets: Array


def find_figures(evidence: Sequence[Evidence], question: Question) -> Figures:
    """Computes figures for any number of groups with equal numbers of arms, on every usable core.

    Args:
        evidence: Evidence about each target.
        question: What to find out.
    """
    groups, arms = evidence[0].logits.shape
    size = max(1, _BLOCK_ARMS // arms)
    blocks = [slice(start, start + size) for start in range(0, groups, size)]

    def work(block: slice) -> Figures:
        return _of_block([one.rows(block) for one in evidence], question.rows(block))

    if len(blocks) == 1:
        return work(blocks[0])
    threads = min(usable_cores(), len(blocks))
    with ThreadPoolExecutor(threads, thread_name_prefix="decide") as pool:
        return _joined(list(in_order(pool, work, blocks, 2 * threads)))


def _of_block(evidence: Sequence[Evidence], question: Question) -> Figures:
    """Processes together the groups that need grids of the same size."""
    sizes = np.concatenate([grid_sizes(one) for one in evidence], axis=1)  # (g, 2 * targets)
    kinds, kind = np.unique(sizes, axis=0, return_inverse=True)
    if len(kinds) == 1:
        return _figures(evidence, question, kinds[0])
    rows = [np.flatnonzero(kind.ravel() == number) for number in range(len(kinds))]
    parts = [
        _figures([one.rows(chosen) for one in evidence], question.rows(chosen), kinds[number])
        for number, chosen in enumerate(rows)
    ]
    return _joined(parts, np.argsort(np.concatenate(rows)))


def _joined(parts: Sequence[Figures], order: NDArray[np.intp] | None = None) -> Figures:
    columns = {}
    for field in fields(Figures):
        axis = int(field.name == "targets")
        column = np.concatenate([getattr(part, field.name) for part in parts], axis=axis)
        columns[field.name] = column if order is None else np.take(column, order, axis=axis)
    return Figures(**columns)


def _figures(evidence: Sequence[Evidence], question: Question, sizes: NDArray[np.int64]) -> Figures:
    of_targets = sizes.reshape(-1, 2).tolist()
    posteriors = [
        find_posterior(one, (offsets, rates))
        for one, (offsets, rates) in zip(evidence, of_targets, strict=True)
    ]
    belief = _belief(posteriors, question.worth)
    found = compare(belief.tables(), question.control)
    mean = belief.mean()
    leader = found.loss.argmin(axis=1)
    every = np.arange(len(leader))
    best = mean[every, leader] + found.loss[every, leader]
    relative_loss = np.clip(found.loss / best[:, None], 0, 1)
    tolerance = question.tolerance
    learns = question.aim is Aim.LEARN
    return Figures(
        mean=mean,
        lower=np.minimum(belief.quantile(_ENDS[0]), mean),
        upper=np.maximum(belief.quantile(_ENDS[1]), mean),
        chance_best=np.clip(found.chance_best, 0, 1),
        chance_above=np.clip(found.chance_above, 0, 1),
        relative_loss=relative_loss,
        share=split_to_learn(found.chance_best) if learns else split_to_earn(belief, question.left),
        leader=leader,
        status=find_status(mean, belief.counted(), found.chance_best, relative_loss, tolerance),
        targets=np.stack([_of_target(one) for one in posteriors]),
    )


def _belief(posteriors: Sequence[Posterior], worth: Sequence[float]) -> Belief:
    """Belief about the sum of all targets with a value; exact if there is only one."""
    valued = [(one, value) for one, value in zip(posteriors, worth, strict=True) if value > 0]
    if len(valued) == 1:
        return Rates(*valued[0])
    return Values([one for one, _ in valued], [value for _, value in valued])


def _of_target(posterior: Posterior) -> Array:
    mean = posterior.mean()
    lower, upper = (posterior.quantile(end) for end in _ENDS)
    return np.stack([mean, np.minimum(lower, mean), np.maximum(upper, mean)], axis=-1)
