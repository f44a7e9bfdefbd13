"""Which creative of a group to run: what is asked, what comes back, and both on the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from adscore_client._arguments import CallOptions
from adscore_client._convert import FRAME_BYTES, fill_creative, text_to_wire, warnings_from_wire
from adscore_client._creative import Creative, CreativeInput, image_file_name
from adscore_client._exceptions import (
    InvalidCreativeError,
    MessageTooLargeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._results import OpenEnum, Result, Warning
from adscore_client._tables import columns_to_arrow, columns_to_pandas
from adscore_protos.v1 import scoring_pb2

if TYPE_CHECKING:
    import pandas
    import pyarrow

# === What is asked ===


class Aim(StrEnum):
    """What a split of traffic is for."""

    EARN = "earn"
    """The most successes, or the most value, over the horizon."""
    LEARN = "learn"
    """To name the best arm soonest."""


class Counts(NamedTuple):
    """What was counted of one target. Discounted counts need not be whole numbers.

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
        spread: Standard deviation of what the model leaves between creatives of one group.
    """

    logit: float
    spread: float


@dataclass(frozen=True, slots=True)
class ArmPrediction(Result):
    """What a model said of a creative before: ``ArmDecision.prediction`` of an earlier decision.

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
    """One creative of a group, with what was counted of it.

        Arm("a", ("Save 20 % on running shoes", "a.png"), {"ctr": Counts(12_000, 140)})

    Attributes:
        id: Returned with the answer; not empty, and no other arm's.
        prior: The creative, as a ``Creative`` or a pair of headline and image, to be scored
            now; or the prediction that a decision before returned.
        counts: What was counted so far, by target, each as ``Counts`` or a pair of trials and
            successes; a target that is absent was not tried.
    """

    id: str
    prior: CreativeInput | ArmPrediction
    counts: Mapping[str, Counts | tuple[float, float]] = field(default_factory=dict, hash=False)


class DecideOptions(CallOptions, total=False):
    """What a decision may be told; what is left out is as ``Client.decide`` says.

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
    """Returns what is said of the call, and what is said of the decision.

    Raises:
        TypeError: There is no such option.
    """
    names = DecideOptions.__annotations__.keys()
    calls = CallOptions.__annotations__.keys()
    for name in options.keys() - names:
        raise TypeError(f"decide: expected options among {', '.join(names)}. Received: {name!r}")
    call: Any = {name: value for name, value in options.items() if name in calls}
    return call, {name: value for name, value in options.items() if name not in calls}


# === What comes back ===


class DecisionStatus(OpenEnum):
    """How far the question which arm is best is settled."""

    OPEN = "OPEN"
    """More traffic may still change the answer."""
    LEADER = "LEADER"
    """One arm is better than all others, and choosing it loses less than the tolerance."""
    TIE = "TIE"
    """Whichever arm is chosen, the expected loss is below the tolerance."""


class DecisionWarning(OpenEnum):
    """A reason to trust a decision less, or what it assumes."""

    DEFAULT_SPREADS = "DEFAULT_SPREADS"
    """The model does not say how far its predictions are off: wide spreads were taken."""
    GROUP_IN_TRAINING = "GROUP_IN_TRAINING"
    """The model was trained on this group, so its prediction was taken for less."""
    HORIZON_ASSUMED = "HORIZON_ASSUMED"
    """No horizon was given: as many trials as there were so far are taken to come."""
    NO_COUNTS = "NO_COUNTS"
    """No arm was tried yet: all that is known is the prediction."""
    ONE_ARM = "ONE_ARM"
    """There is one arm, and nothing to choose."""
    ARMS_UNTRIED = "ARMS_UNTRIED"
    """Some arms were hardly tried while others were: of these the prediction speaks."""


@dataclass(frozen=True, slots=True)
class TargetDecision(Result):
    """What is known of one target of one arm now. Rates are successes per trial.

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
    """What is known of one arm now. With ``values``, rates are expected values for each trial.

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
        targets: What is known of each target that counted, by name.
        prediction: The arm's prior next time, which saves a second scoring.
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
    """Which creative of a group to run, how sure that is, and how to split the traffic.

        decision = client.decide(arms, horizon=50_000)
        if decision.status is DecisionStatus.LEADER:
            print("run", decision.best.id)
        print(decision.shares)  # {"a": 0.7, "b": 0.3}

    Attributes:
        status: How far the question is settled.
        leader: Id of the arm to choose, if one had to choose now.
        relative_loss: Expected loss of choosing it, over the best arm's expected rate.
        arms: One for each arm, in the order in which they were passed.
        warnings: Reasons to trust the answer less, or what it assumes.
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
        """The arm to choose, if one had to choose now; ``status`` says how sure that is."""
        return next(arm for arm in self.arms if arm.id == self.leader)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the next traffic by arm; they add up to 1."""
        return {arm.id: arm.share for arm in self.arms}

    def to_pandas(self) -> "pandas.DataFrame":
        """Makes a table with a row for each arm. Needs pandas.

        Columns: id, the figures of ``ArmDecision`` by their names; for each target
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
            for name in _TARGET_FIGURES:
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
_TARGET_FIGURES = ("trials", "successes", "predicted", "mean", "lower", "upper")

# === On the wire ===

_Numbers: TypeAlias = Mapping[int, Any]


def _numbers(wire: Any, prefix: str, kind: type[OpenEnum]) -> _Numbers:
    return {wire.Value(prefix + one): one for one in kind}


_STATUSES = _numbers(scoring_pb2.DecisionStatus, "DECISION_STATUS_", DecisionStatus)
_WARNINGS = _numbers(scoring_pb2.DecisionWarning, "DECISION_WARNING_", DecisionWarning)
_WARNING_NUMBERS = {one: scoring_pb2.Warning.Value(f"WARNING_{one}") for one in Warning}


def fill_decide_request(
    request: scoring_pb2.DecideRequest,
    arms: object,
    options: Mapping[str, Any],
    reader: ImageReader,
) -> dict[str, str]:
    """Puts arms and settings into a request; the server checks what the wire can carry.

    Args:
        request: What else the call says.
        arms: What the caller passed, an iterable of ``Arm``.
        options: The settings among ``DecideOptions``.
        reader: Reads an image; its limit is that of the request.

    Returns:
        Paths of the images that come from files, by field, e.g. ``"arms[5].creative.image"``.

    Raises:
        TypeError: An argument, or a part of an arm, is of the wrong type.
        ValueError: There is no such aim.
        InvalidCreativeError: A creative cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    _fill_settings(request, **options)
    if isinstance(arms, Arm | str | bytes) or not isinstance(arms, Iterable):
        raise TypeError(
            f"arms: expected an iterable of Arm. Received: {type(arms).__name__}. Pass a list"
        )
    image_files: dict[str, str] = {}
    spare = reader.max_bytes - request.ByteSize()
    for place, arm in enumerate(arms):
        path = f"arms[{place}]"
        if not isinstance(arm, Arm):
            raise TypeError(f"{path}: expected an Arm. Received: {arm!r:.80}")
        wire = request.arms.add()
        name = _fill_arm(wire, arm, path, reader)
        if name:
            image_files[f"{path}.creative.image"] = name
        spare -= wire.ByteSize() + FRAME_BYTES
        if spare < 0:
            raise MessageTooLargeError(
                f"Expected arms of at most {reader.max_bytes:,} bytes together, the message limit. "
                f"Received: more, up to {path}. Make the images smaller, send the predictions of "
                "an earlier decision, or pass Client(max_message_bytes=...) if the server takes "
                "more"
            )
    return image_files


def _fill_settings(
    request: scoring_pb2.DecideRequest,
    group: str = "",
    aim: Aim | str = Aim.EARN,
    **options: Any,
) -> None:
    request.group = text_to_wire(group, "group")
    request.aim = scoring_pb2.AIM_LEARN if _aim(aim) is Aim.LEARN else scoring_pb2.AIM_EARN
    for name in ("horizon", "tolerance"):
        if options.get(name) is not None:
            setattr(request, name, _number(options[name], name))
    request.control = text_to_wire(options.get("control", ""), "control")
    for name, value in (options.get("values") or {}).items():
        request.values[text_to_wire(name, "values")] = _number(value, f"values[{name}]")
    request.counted_after_training = bool(options.get("counted_after_training", False))


def _aim(aim: object) -> Aim:
    try:
        return Aim(aim)  # type: ignore[arg-type]
    except ValueError as exc:
        names = " or ".join(repr(str(one)) for one in Aim)
        raise ValueError(f"aim: expected {names}. Received: {aim!r:.80}") from exc


def _fill_arm(wire: scoring_pb2.Arm, arm: Arm, path: str, reader: ImageReader) -> str:
    """Returns the path of the image, where it comes from a file."""
    wire.id = text_to_wire(arm.id, f"{path}.id")
    for name, counts in arm.counts.items():
        field_path = f"{path}.counts[{name}]"
        try:
            trials, successes = counts
        except (TypeError, ValueError) as exc:
            raise WrongTypeError(
                f"{field_path}: expected Counts(trials, successes). Received: {counts!r:.80}",
                field=field_path,
            ) from exc
        one = wire.counts[text_to_wire(name, f"{path}.counts")]
        one.trials = _number(trials, f"{field_path}.trials")
        one.successes = _number(successes, f"{field_path}.successes")
    if isinstance(arm.prior, ArmPrediction):
        _fill_prediction(wire.prediction, arm.prior)
        return ""
    creative = arm.prior if isinstance(arm.prior, Creative) else Creative(*arm.prior)
    wire.creative.SetInParent()
    try:
        fill_creative(wire.creative, creative, reader)
    except InvalidCreativeError as exc:
        field_path = f"{path}.creative.{exc.field}" if exc.field else f"{path}.creative"
        text = str(exc).removeprefix(f"{exc.field}: ")
        raise InvalidCreativeError(
            f"{field_path}: {text}", field=field_path, reason=exc.reason
        ) from exc
    return image_file_name(creative.image)


def _fill_prediction(wire: scoring_pb2.ArmPrediction, prediction: ArmPrediction) -> None:
    wire.model, wire.model_version = prediction.model, prediction.model_version
    for name, target in prediction.targets.items():
        wire.targets[name].logit = target.logit
        wire.targets[name].spread = target.spread
    numbers: list[Any] = [
        _WARNING_NUMBERS.get(one) or int(one.removeprefix("UNRECOGNISED_"))
        for one in prediction.warnings
    ]
    wire.warnings.extend(numbers)


def _number(value: object, path: str) -> float:
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as exc:
        raise WrongTypeError(
            f"{path}: expected a number. Received: {type(value).__name__} {value!r:.80}", field=path
        ) from exc


def decision_from_wire(
    wire: scoring_pb2.DecideResponse, request: scoring_pb2.DecideRequest, address: str
) -> Decision:
    """Converts the answer to a request.

    Raises:
        ServerError: It is not about the arms of the request.
    """
    received = [arm.id for arm in wire.arms]
    if received != [arm.id for arm in request.arms] or wire.leader not in received:
        raise ServerError(
            f"Expected a decision about {len(request.arms)} arms from {address}. Received: one "
            f"about {len(received)}, led by {wire.leader!r:.80}"
        )
    model = (wire.model, wire.model_version)
    return Decision(
        status=_STATUSES.get(wire.status) or DecisionStatus(f"UNRECOGNISED_{wire.status}"),
        leader=wire.leader,
        relative_loss=wire.relative_loss,
        arms=tuple(_arm_from_wire(arm, model) for arm in wire.arms),
        warnings=tuple(
            _WARNINGS.get(number) or DecisionWarning(f"UNRECOGNISED_{number}")
            for number in wire.warnings
        ),
        aim=Aim.LEARN if wire.aim == scoring_pb2.AIM_LEARN else Aim.EARN,
        horizon=wire.horizon,
        targets=tuple(wire.targets),
        model=wire.model,
        model_version=wire.model_version,
    )


def _arm_from_wire(wire: scoring_pb2.ArmDecision, model: tuple[str, str]) -> ArmDecision:
    has_control = wire.HasField("chance_above_control")
    warnings = warnings_from_wire(wire.warnings)
    predictions = {
        name: TargetPrediction(target.prediction.logit, target.prediction.spread)
        for name, target in wire.targets.items()
    }
    return ArmDecision(
        id=wire.id,
        predicted=wire.predicted,
        mean=wire.mean,
        lower=wire.lower,
        upper=wire.upper,
        chance_best=wire.chance_best,
        chance_above_control=wire.chance_above_control if has_control else None,
        relative_loss=wire.relative_loss,
        share=wire.share,
        targets={
            name: TargetDecision(*(getattr(target, figure) for figure in _TARGET_FIGURES))
            for name, target in wire.targets.items()
        },
        prediction=ArmPrediction(predictions, warnings, *model),
        warnings=warnings,
    )
