"""What is asked: groups of arms, with what is predicted and counted of each, and the settings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TypeGuard

from adscore.bundle import Spread
from adscore.creative import MIN_RATE
from adscore.decision.figures import Aim
from adscore.errors import DecisionError

# More arms of one group are no question that a person asks, and each costs memory.
MAX_ARMS = 1_000
# Offsets of more targets at once are more combinations than are worth their time.
MAX_VALUED_TARGETS = 3
TOLERANCE = 0.01
MAX_COUNT = 2.0**53  # the largest that is exact
MAX_LOGIT = 20.0  # of a prediction: rates of one in hundreds of millions


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one target of an arm.

    Attributes:
        logit: Logit of the predicted rate.
        spread: Standard deviation of what the model leaves, in logits; None for the model's own.
    """

    logit: float
    spread: float | None = None

    @classmethod
    def of_rate(cls, rate: float) -> "Prediction":
        """That of a rate from 0 to 1."""
        inside = min(max(rate, MIN_RATE), 1 - MIN_RATE)
        logit = math.log(inside) - math.log1p(-inside)
        return cls(min(max(logit, -MAX_LOGIT), MAX_LOGIT))


@dataclass(frozen=True, slots=True)
class Arm:
    """One creative of a group.

    Attributes:
        id: Names it; no other arm of the group has it.
        predictions: One for each target.
        trials: By target; one that is absent was not tried. Discounted counts may be fractions.
        successes: By target, from 0 to the trials.
        warnings: Reasons to trust the predictions less.
    """

    id: str
    predictions: Mapping[str, Prediction]
    trials: Mapping[str, float] = field(default_factory=dict)
    successes: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Creatives that are shown to the same audience.

    Attributes:
        name: Names it.
        arms: At least one.
        in_training: Whether the model may have been fitted to these counts.
    """

    name: str
    arms: Sequence[Arm]
    in_training: bool = False


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """What is asked of every group.

    Attributes:
        worth: What a success of each target is worth, by target; the only target's is 1.
        spreads: By target, how far the model's predictions are off; one that is absent gets a
            wide default, with a warning.
        aim: What the split of the traffic is for.
        horizon: Trials still to come for each group; None for as many as it has had.
        tolerance: The share of the best rate that one is ready to lose.
        control: Id of the arm that others are compared with, in groups that have it; None for
            none.

    Raises:
        DecisionError: One of them is out of range.
    """

    worth: Mapping[str, float]
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    aim: Aim = Aim.EARN
    horizon: float | None = None
    tolerance: float = TOLERANCE
    control: str | None = None

    def __post_init__(self) -> None:
        for target, value in self.worth.items():
            _require(f"values[{target}]", value, "a number of at least 0")
        valued = sum(value > 0 for value in self.worth.values())
        if not 1 <= valued <= MAX_VALUED_TARGETS:
            raise DecisionError(
                "values",
                f"expected 1 to {MAX_VALUED_TARGETS} targets that are worth more than 0. "
                f"Received: {valued}",
            )
        if self.horizon is not None:
            _require("horizon", self.horizon, "a number of at least 0")
        if not (is_finite(self.tolerance) and 0 < self.tolerance < 1):
            raise DecisionError(
                "tolerance", f"expected a share between 0 and 1. Received: {self.tolerance!r:.80}"
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self.worth)


def check_arms(group: Group, settings: DecisionSettings) -> None:
    """Checks ids and counts.

    Raises:
        DecisionError: Names the arm and the field that cannot be.
    """
    count = len(group.arms)
    if not 1 <= count <= MAX_ARMS:
        raise DecisionError("arms", f"expected 1 to {MAX_ARMS} arms. Received: {count}")
    places: dict[str, int] = {}
    for place, arm in enumerate(group.arms):
        first = places.setdefault(arm.id, place)
        if first != place:
            raise DecisionError(
                f"arms[{place}].id",
                f"expected an id of its own. Received: {arm.id!r:.80}, that of arms[{first}] too",
            )
        for target in settings.targets:
            field_path = f"arms[{place}].counts[{target}]"
            trials, successes = arm.trials.get(target, 0), arm.successes.get(target, 0)
            for name, counted in (("trials", trials), ("successes", successes)):
                expected = f"a number from 0 to {MAX_COUNT:g}"
                _require(f"{field_path}.{name}", counted, expected, MAX_COUNT)
            if successes > trials * (1 + 1e-9):
                raise DecisionError(
                    f"{field_path}.successes",
                    f"expected at most as many as the trials, {trials:g}. Received: {successes:g}",
                )


def check_group(group: Group, settings: DecisionSettings) -> None:
    """Checks a group whose control must be among its arms.

    Raises:
        DecisionError: Names the arm and the field that cannot be.
    """
    check_arms(group, settings)
    if settings.control is not None and settings.control not in [arm.id for arm in group.arms]:
        raise DecisionError(
            "control",
            f"expected the id of one of the arms, such as {group.arms[0].id!r:.80}. "
            f"Received: {settings.control!r:.80}",
        )


def is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a number, and neither infinite nor NaN."""
    return isinstance(value, Real) and math.isfinite(value)


def _require(field_path: str, value: object, expected: str, most: float = math.inf) -> None:
    if not (is_finite(value) and 0 <= value <= most):
        received = f"{value:g}" if isinstance(value, Real) else f"{value!r:.80}"
        raise DecisionError(field_path, f"expected {expected}. Received: {received}")
