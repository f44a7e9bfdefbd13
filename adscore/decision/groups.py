"""Input of decisions: groups of arms with predictions and counts, and settings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TypeGuard

from adscore.bundle import Spread
from adscore.creative import MIN_RATE
from adscore.decision.figures import Aim
from adscore.errors import DecisionError

# Nobody compares more arms in one group, and each costs memory.
MAX_ARMS = 1_000
# With more targets there are too many combinations of offsets to compute.
MAX_VALUED_TARGETS = 3
TOLERANCE = 0.01
MAX_COUNT = 2.0**53  # the largest that is exact
MAX_LOGIT = 20.0  # of a prediction; a rate of 2e-9


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's prediction of one target of an arm.

    Attributes:
        logit: Logit of the predicted rate.
        spread: Standard deviation of what the model leaves unexplained, in logits; None for the
            model's own.
    """

    logit: float
    spread: float | None = None

    @classmethod
    def of_rate(cls, rate: float) -> "Prediction":
        """Prediction of a rate from 0 to 1."""
        inside = min(max(rate, MIN_RATE), 1 - MIN_RATE)
        logit = math.log(inside) - math.log1p(-inside)
        return cls(min(max(logit, -MAX_LOGIT), MAX_LOGIT))


@dataclass(frozen=True, slots=True)
class Arm:
    """One creative of a group.

    Attributes:
        id: Id, unique in the group.
        predictions: One for each target.
        trials: Trials by target; a missing target has none. Discounted counts may be fractional.
        successes: Successes by target, from 0 to the trials.
        warnings: Reasons to trust the predictions less.
    """

    id: str
    predictions: Mapping[str, Prediction]
    trials: Mapping[str, float] = field(default_factory=dict)
    successes: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Creatives shown to the same audience.

    Attributes:
        name: Name of the group.
        arms: Its arms, at least one.
        in_training: Whether the model may have been fitted to these counts.
    """

    name: str
    arms: Sequence[Arm]
    in_training: bool = False


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """Settings for all groups.

    Attributes:
        worth: Value of a success, by target; 1 for an only target.
        spreads: Errors of the model's predictions, by target; a missing target gets a wide default,
            with a warning.
        aim: What the split of traffic should achieve.
        horizon: Trials still to come for each group; None for as many as it has had.
        tolerance: Acceptable loss relative to the best rate.
        control: Id of the arm that others are compared with, in groups that have it; None for no
            control.

    Raises:
        DecisionError: A setting is out of range.
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
        DecisionError: An arm or a field is invalid; the message names it.
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
    """Checks a group, and that its control is among its arms.

    Raises:
        DecisionError: An arm, a field or the control is invalid; the message names it.
    """
    check_arms(group, settings)
    if settings.control is not None and settings.control not in [arm.id for arm in group.arms]:
        raise DecisionError(
            "control",
            f"expected the id of one of the arms, such as {group.arms[0].id!r:.80}. "
            f"Received: {settings.control!r:.80}",
        )


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return isinstance(value, Real) and math.isfinite(value)


def _require(field_path: str, value: object, expected: str, most: float = math.inf) -> None:
    if not (is_finite(value) and 0 <= value <= most):
        received = f"{value:g}" if isinstance(value, Real) else f"{value!r:.80}"
        raise DecisionError(field_path, f"expected {expected}. Received: {received}")
