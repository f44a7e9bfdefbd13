"""Which creative of a group to run: the question and the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from adscore_client._arguments import CallOptions
from adscore_client._creative import CreativeInput
from adscore_client._results import OpenEnum, Result, Warning
from adscore_client._tables import columns_to_arrow, columns_to_pandas

if TYPE_CHECKING:
    import pandas
    import pyarrow

# === The question ===


class Aim(StrEnum):
    """What a split of traffic is for."""

    EARN = "earn"
    """The most successes, or the most value, over the horizon."""
    LEARN = "learn"
    """To name the best arm soonest."""


class Counts(NamedTuple):
    """The counts of one target. Discounted counts need not be whole numbers.

    Attributes:
        trials: Trials, e.g. impressions, at least 0.
        successes: Successes among them, e.g. clicks.
    """

    trials: float
    successes: float


@dataclass(frozen=True, slots=True)
class TargetPrediction(Result):
    """A prediction of one target, in logits: log(rate / (1 - rate)).

    Attributes:
        logit: Logit of the rate that the model predicts in the average campaign.
        spread: Standard deviation between creatives of one group that the model leaves
            unexplained.
    """

    logit: float
    spread: float


@dataclass(frozen=True, slots=True)
class ArmPrediction(Result):
    """A model's earlier prediction for a creative: ``ArmDecision.prediction`` of a past decision.

    Attributes:
        targets: By target of the model.
        warnings: Reasons that the score gave to trust it less.
        model: Name of the model that made it.
        model_version: Version of that model.
    """

    targets: Mapping[str, TargetPrediction] = field(hash=False)
    warnings: tuple[Warning, ...] = ()
    model: str = ""
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class Arm:
    """One creative of a group, with its counts.

        Arm("a", ("Save 20 % on running shoes", "a.png"), {"ctr": Counts(12_000, 140)})

    Attributes:
        id: Returned with the answer; not empty, and unique among the arms.
        prior: The creative, as a ``Creative`` or a pair of headline and image, to be scored
            now; or the prediction that an earlier decision returned.
        counts: The counts so far, by target, each as ``Counts`` or a pair of trials and
            successes; an absent target was not tried.
    """

    id: str
    prior: CreativeInput | ArmPrediction
    counts: Mapping[str, Counts | tuple[float, float]] = field(default_factory=dict, hash=False)


class DecideOptions(CallOptions, total=False):
    """The options of a decision; see ``Client.decide`` for their defaults.

    Attributes:
        group: Name of the group.
        aim: What the split is for.
        horizon: Trials still to come for the whole group.
        tolerance: The share of the best rate that one is ready to lose.
        control: Id of the arm that the others are compared with.
        values: What a success of each target is worth.
        counted_after_training: Whether everything counted happened after the training.
    """

    group: str
    aim: Aim | str
    horizon: float | None
    tolerance: float | None
    control: str
    values: Mapping[str, float] | None
    counted_after_training: bool


def split_options(options: DecideOptions) -> tuple[CallOptions, dict[str, Any]]:
    """Splits options into those of the call and those of the decision.

    Raises:
        TypeError: An option is unknown.
    """
    names = DecideOptions.__annotations__.keys()
    calls = CallOptions.__annotations__.keys()
    for name in options.keys() - names:
        raise TypeError(f"decide: expected options among {', '.join(names)}. Received: {name!r}")
    call: Any = {name: value for name, value in options.items() if name in calls}
    return call, {name: value for name, value in options.items() if name not in calls}


# === The answer ===


class DecisionStatus(OpenEnum):
    """How far it is settled which arm is best."""

    OPEN = "OPEN"
    """More traffic may still change the answer."""
    LEADER = "LEADER"
    """One arm is better than all others, and choosing it loses less than the tolerance."""
    TIE = "TIE"
    """Whichever arm is chosen, the expected loss is below the tolerance."""


class DecisionWarning(OpenEnum):
    """A reason to trust a decision less, or an assumption of it."""

    DEFAULT_SPREADS = "DEFAULT_SPREADS"
    """The model does not state its spreads, so wide ones were assumed."""
    GROUP_IN_TRAINING = "GROUP_IN_TRAINING"
    """The model was trained on this group, so its prediction was given less weight."""
    HORIZON_ASSUMED = "HORIZON_ASSUMED"
    """No horizon was given: as many trials as so far are assumed to come.

    Before the first trial, each arm's share is its chance of being best.
    """
    NO_COUNTS = "NO_COUNTS"
    """No arm was tried yet: only the predictions are known."""
    ONE_ARM = "ONE_ARM"
    """There is only one arm, so nothing to choose."""
    ARMS_UNTRIED = "ARMS_UNTRIED"
    """Some arms were hardly tried while others were; for those the prediction counts."""


@dataclass(frozen=True, slots=True)
class TargetDecision(Result):
    """The posterior of one target of one arm. Rates are successes per trial.

    Attributes:
        trials: Trials that counted.
        successes: Successes that counted.
        predicted: Rate that the model predicts in the average campaign.
        mean: Expected rate in this group.
        lower: Lower end of its 90 % interval.
        upper: Upper end of its 90 % interval.
    """

    trials: float
    successes: float
    predicted: float
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ArmDecision(Result):
    """The posterior of one arm. With ``values``, rates are expected values per trial.

    Attributes:
        id: Id of the arm.
        predicted: Expected rate before the counts: what the model predicts.
        mean: Expected rate in this group, from the prediction and the counts.
        lower: Lower end of its 90 % interval.
        upper: Upper end of its 90 % interval.
        chance_best: Chance that no other arm is better, from 0 to 1.
        chance_above_control: Chance that it is better than the control; None without one.
        relative_loss: Expected loss of choosing it, over the best arm's expected rate.
        share: Share of the next traffic, from 0 to 1.
        targets: The posterior of each target that counted, by name.
        prediction: The prior for the arm's next decision, which saves scoring it again.
        warnings: Reasons to trust the prediction less.
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
    targets: Mapping[str, TargetDecision] = field(hash=False)
    prediction: ArmPrediction
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision(Result):
    """Which creative of a group to run, how certain that is, and how to split the traffic.

        decision = client.decide(arms, horizon=50_000)
        if decision.status is DecisionStatus.LEADER:
            print("run", decision.best.id)
        print(decision.shares)  # {"a": 0.7, "b": 0.3}

    Attributes:
        status: How far the question is settled.
        leader: Id of the arm to choose, if one had to choose now.
        relative_loss: Expected loss of choosing it, over the best arm's expected rate.
        arms: One for each arm, in the order in which they were passed.
        warnings: Reasons to trust the answer less, and its assumptions.
        aim: What the split is for.
        horizon: Trials still to come that it is made for.
        targets: Names of the targets that counted.
        model: Name of the model that made the predictions.
        model_version: Version of that model.
    """

    status: DecisionStatus
    leader: str
    relative_loss: float
    arms: tuple[ArmDecision, ...]
    warnings: tuple[DecisionWarning, ...] = ()
    aim: Aim = Aim.EARN
    horizon: float = 0.0
    targets: tuple[str, ...] = ()
    model: str = ""
    model_version: str = ""

    @property
    def best(self) -> ArmDecision:
        """The arm to choose, if one had to choose now; ``status`` says how certain that is."""
        return next(arm for arm in self.arms if arm.id == self.leader)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the next traffic by arm; they add up to 1."""
        return {arm.id: arm.share for arm in self.arms}

    def to_pandas(self) -> "pandas.DataFrame":
        """Makes a table with a row for each arm. Needs pandas.

        Columns: id, the numbers of ``ArmDecision`` by their names; for each target
        NAME_trials, NAME_successes, NAME_predicted, NAME_mean, NAME_lower and NAME_upper;
        warnings, joined by ";".

        Raises:
            ImportError: pandas is not installed.
        """
        return columns_to_pandas(self._columns(), _TEXTS)

    def to_arrow(self) -> "pyarrow.Table":
        """Makes an Arrow table with the columns of ``to_pandas``. Needs pyarrow.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return columns_to_arrow(self._columns(), _TEXTS)

    def _columns(self) -> dict[str, list[Any]]:
        columns = {name: [getattr(arm, name) for arm in self.arms] for name in ("id", *_FIGURES)}
        for target in self.targets:
            for name in TARGET_FIGURES:
                columns[f"{target}_{name}"] = [
                    getattr(arm.targets[target], name) for arm in self.arms
                ]
        return columns | {"warnings": [";".join(arm.warnings) for arm in self.arms]}


_TEXTS = ("id", "warnings")
_FIGURES = (
    "predicted",
    "mean",
    "lower",
    "upper",
    "chance_best",
    "chance_above_control",
    "relative_loss",
    "share",
)
TARGET_FIGURES = tuple(one.name for one in fields(TargetDecision))
