"""Decides which arm of each group to run, from predictions and counts, in named results."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Spread
from adscore.creative import Warning
from adscore.decision.figures import Figures, Question, find_figures
from adscore.decision.groups import (
    MAX_COUNT,
    Arm,
    DecisionSettings,
    Group,
    Prediction,
    check_arms,
)
from adscore.decision.posterior import Evidence, sloped
from adscore.decision.status import STATUSES, Status

# Spread for models that do not state theirs: groups differ by a factor of about three, and the
# model hardly tells creatives apart.
DEFAULT_SPREAD = Spread(between_groups=1.0, residual=0.5)
# Residual spread grows by this factor for a score with such a warning. The factor is a choice.
WIDENED_BY = 1.5
WIDENING = frozenset(
    {
        Warning.UNFAMILIAR_CREATIVE,
        Warning.MISSING_CONTEXT,
        Warning.MISSING_HEADLINE,
        Warning.MISSING_IMAGE,
        Warning.IMAGE_BLANK,
        Warning.HEADLINE_PLACEHOLDER,
    }
)
# An arm with a smaller part of the trials of the arm with the most counts as hardly tried.
_HARDLY_TRIED = 0.02
# Arms decided together, in any number of groups; bounds memory.
_BLOCK_ARMS = 16_384


class DecisionWarning(StrEnum):
    """A reason to trust a decision less, or an assumption; values are wire names, no prefix."""

    DEFAULT_SPREADS = "DEFAULT_SPREADS"
    GROUP_IN_TRAINING = "GROUP_IN_TRAINING"
    HORIZON_ASSUMED = "HORIZON_ASSUMED"
    NO_COUNTS = "NO_COUNTS"
    ONE_ARM = "ONE_ARM"
    ARMS_UNTRIED = "ARMS_UNTRIED"


@dataclass(frozen=True, slots=True)
class TargetDecision:
    """The current belief about one target of an arm, as rates."""

    trials: float
    successes: float
    predicted: float
    mean: float
    lower: float
    upper: float
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class ArmDecision:
    """The current belief about an arm: its rate, or its value if targets have values.

    Attributes:
        id: Id of the arm.
        predicted: Expected rate or value before the counts.
        mean: Expected rate or value.
        lower: Lower end of the 90 % interval.
        upper: Upper end of the 90 % interval.
        chance_best: Chance that no other arm is better.
        chance_above_control: Chance that it is above the control; None without a control.
        relative_loss: Expected loss of choosing it, relative to the best arm's expectation.
        share: Share of the next traffic.
        targets: Belief about each target, by name.
        warnings: Reasons to trust the predictions less.
    """

    id: str
    predicted: float
    mean: float
    lower: float
    upper: float
    chance_best: float
    chance_above_control: float | None
    relative_loss: float
    share: float
    targets: Mapping[str, TargetDecision]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one group.

    Attributes:
        group: Name of the group.
        status: Whether the question of the best arm is settled.
        leader: Id of the arm to choose if one had to choose now.
        relative_loss: Expected loss of choosing the leader, relative to the best arm's expectation.
        horizon: Trials still to come, for which the split is made.
        arms: The arms, in the order of the group.
        warnings: Reasons to trust the decision less, or its assumptions.
    """

    group: str
    status: Status
    leader: str
    relative_loss: float
    horizon: float
    arms: tuple[ArmDecision, ...]
    warnings: tuple[DecisionWarning, ...]

    @property
    def best(self) -> ArmDecision:
        """The arm to choose if one had to choose now."""
        return next(arm for arm in self.arms if arm.id == self.leader)


def decide(groups: Iterable[Group], settings: DecisionSettings) -> Iterator[Decision]:
    """Decides for any number of groups, in order and in bounded memory.

    Raises:
        DecisionError: An arm or a field is invalid; the message names it.
    """
    for block in _blocks(groups):
        for group in block:
            check_arms(group, settings)
        by_size: dict[int, list[int]] = defaultdict(list)
        for place, group in enumerate(block):
            by_size[len(group.arms)].append(place)
        decided: dict[int, Decision] = {}
        for places in by_size.values():
            of_size = [block[place] for place in places]
            decided.update(zip(places, _decide(of_size, settings), strict=True))
        yield from (decided[place] for place in range(len(block)))


def _blocks(groups: Iterable[Group]) -> Iterator[list[Group]]:
    block: list[Group] = []
    arms = 0
    for group in groups:
        block.append(group)
        arms += len(group.arms)
        if arms >= _BLOCK_ARMS:
            yield block
            block, arms = [], 0
    if block:
        yield block


# === Conversion to arrays and back ===


class _Row(NamedTuple):
    """Numbers of one group: `_ARM_FIGURES` of each arm, and those of its targets."""

    arms: list[list[float]]
    targets: list[list[list[float]]]
    leader: int
    status: int


def _decide(groups: Sequence[Group], settings: DecisionSettings) -> Iterator[Decision]:
    """Decides for groups with equal numbers of arms."""
    told = [_evidence(groups, target, settings) for target in settings.targets]
    tried = np.max([one.trials for one in told], axis=0)  # (g, a)
    horizon = tried.sum(axis=1)
    # Without counts the horizon is 0, which would send all traffic to the arm predicted best.
    left = np.where(horizon > 0, horizon, MAX_COUNT)
    if settings.horizon is not None:
        left = horizon = np.full(len(groups), float(settings.horizon))
    control = [_place(group, settings.control) for group in groups]
    question = Question(
        settings.aim,
        settings.tolerance,
        [settings.worth[target] for target in settings.targets],
        left,
        np.array(control),
    )
    seen = np.array([group.in_training for group in groups])
    trusted = [
        _trusted(one, settings.spreads.get(target, DEFAULT_SPREAD).slope, seen)
        for target, one in zip(settings.targets, told, strict=True)
    ]
    figures = find_figures(trusted, question)
    taken = zip(*(_taken(one) for one in told), strict=True)  # by group, target and arm
    rows = zip(groups, _rows(figures), taken, horizon.tolist(), tried.tolist(), strict=True)
    for group, row, predictions, to_come, trials in rows:
        by_arm = zip(*predictions, strict=True)
        of_arms = zip(group.arms, row.arms, row.targets, by_arm, strict=True)
        arms = tuple(_arm(*one, settings) for one in of_arms)
        yield Decision(
            group=group.name,
            status=STATUSES[row.status],
            leader=arms[row.leader].id,
            relative_loss=arms[row.leader].relative_loss,
            horizon=to_come,
            arms=arms,
            warnings=tuple(_warnings(group, trials, settings)),
        )


def _place(group: Group, identity: str | None) -> int:
    places = (place for place, arm in enumerate(group.arms) if arm.id == identity)
    return next(places, -1)


def _evidence(groups: Sequence[Group], target: str, settings: DecisionSettings) -> Evidence:
    spread = settings.spreads.get(target, DEFAULT_SPREAD)
    arms = [arm for group in groups for arm in group.arms]
    predictions = [arm.predictions[target] for arm in arms]
    # A prediction with its own spread is already widened.
    residual = [
        (spread.residual * (1 if WIDENING.isdisjoint(arm.warnings) else WIDENED_BY))
        if one.spread is None
        else one.spread
        for arm, one in zip(arms, predictions, strict=True)
    ]

    def table(values: Sequence[float]) -> NDArray[np.float64]:
        return np.array(values, dtype=np.float64).reshape(len(groups), -1)

    trials = table([arm.trials.get(target, 0) for arm in arms])
    successes = table([arm.successes.get(target, 0) for arm in arms])
    return Evidence(
        logits=table([one.logit for one in predictions]),
        residual=table(residual),
        between=np.full(len(groups), spread.between_groups),
        trials=trials,
        successes=np.minimum(successes, trials),
    )


def _trusted(evidence: Evidence, slope: float, seen: NDArray[np.bool_]) -> Evidence:
    """Evidence with predictions as far as they can be trusted.

    Logits are scaled by the slope. Groups seen in training may owe the differences between their
    arms to these very counts, so their arms get equal logits, and the spread of their predictions
    is added to the residual.
    """
    logits, apart = sloped(evidence.logits, slope), seen[:, None]
    between_arms = np.sqrt(evidence.residual**2 + logits.var(axis=1, keepdims=True))
    return replace(
        evidence,
        logits=np.where(apart, logits.mean(axis=1, keepdims=True), logits),
        residual=np.where(apart, between_arms, evidence.residual),
    )


def _taken(evidence: Evidence) -> Iterator[list[tuple[float, float, Prediction]]]:
    """By group, the trials, successes and prediction of each arm."""
    columns = (evidence.trials, evidence.successes, evidence.logits, evidence.residual)
    for trials, successes, logits, residual in zip(*(c.tolist() for c in columns), strict=True):
        yield list(zip(trials, successes, map(Prediction, logits, residual), strict=True))


_ARM_FIGURES = ("mean", "lower", "upper", "chance_best", "relative_loss", "share", "chance_above")


def _rows(figures: Figures) -> Iterator[_Row]:
    of_arms = np.stack([getattr(figures, name) for name in _ARM_FIGURES], axis=-1)
    of_targets = np.moveaxis(figures.targets, 0, 2)  # (g, a, t, 3)
    columns = (of_arms, of_targets, figures.leader, figures.status)
    return itertools.starmap(_Row, zip(*(column.tolist() for column in columns), strict=True))


def _arm(
    arm: Arm,
    figures: list[float],
    of_targets: list[list[float]],
    taken: Sequence[tuple[float, float, Prediction]],
    settings: DecisionSettings,
) -> ArmDecision:
    targets = {}
    predicted = 0.0
    for name, rates, (trials, successes, prediction) in zip(
        settings.targets, of_targets, taken, strict=True
    ):
        rate = 1 / (1 + math.exp(-prediction.logit))
        predicted += settings.worth[name] * rate
        of_rate, low, high = rates
        targets[name] = TargetDecision(trials, successes, rate, of_rate, low, high, prediction)
    *numbers, above = figures
    mean, lower, upper, chance_best, relative_loss, share = numbers
    return ArmDecision(
        id=arm.id,
        predicted=predicted,
        mean=mean,
        lower=lower,
        upper=upper,
        chance_best=chance_best,
        chance_above_control=None if math.isnan(above) else above,
        relative_loss=relative_loss,
        share=share,
        targets=targets,
        warnings=arm.warnings,
    )


def _warnings(
    group: Group, trials: Sequence[float], settings: DecisionSettings
) -> Iterator[DecisionWarning]:
    if not settings.spreads.keys() >= settings.worth.keys():
        yield DecisionWarning.DEFAULT_SPREADS
    if group.in_training:
        yield DecisionWarning.GROUP_IN_TRAINING
    if settings.horizon is None:
        yield DecisionWarning.HORIZON_ASSUMED
    if len(trials) == 1:
        yield DecisionWarning.ONE_ARM
    if not max(trials):
        yield DecisionWarning.NO_COUNTS
    elif min(trials) < _HARDLY_TRIED * max(trials):
        yield DecisionWarning.ARMS_UNTRIED
