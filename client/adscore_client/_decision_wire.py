"""Decisions on the wire: arms and settings into a request, and the answer out of it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from adscore_client._convert import (
    FRAME_BYTES,
    fill_creative,
    iterable,
    require_capacity,
    text_to_wire,
    warnings_from_wire,
)
from adscore_client._creative import Creative, image_file_name
from adscore_client._decisions import (
    TARGET_FIGURES,
    Aim,
    Arm,
    ArmDecision,
    ArmPrediction,
    Decision,
    DecisionStatus,
    DecisionWarning,
    TargetDecision,
    TargetPrediction,
)
from adscore_client._exceptions import (
    InvalidCreativeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._results import OpenEnum, Warning
from adscore_protos.v1 import scoring_pb2

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
        ValueError: The aim is unknown.
        InvalidCreativeError: A creative cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    _fill_settings(request, **options)
    image_files: dict[str, str] = {}
    spare = reader.max_bytes - request.ByteSize()
    for place, arm in enumerate(iterable(arms, "arms", "Arm")):
        path = f"arms[{place}]"
        if not isinstance(arm, Arm):
            raise TypeError(f"{path}: expected an Arm. Received: {arm!r:.80}")
        wire = request.arms.add()
        name = _fill_arm(wire, arm, path, reader)
        if name:
            image_files[f"{path}.creative.image"] = name
        spare -= wire.ByteSize() + FRAME_BYTES
        remedy = "Make the images smaller, send the predictions of an earlier decision, or pass"
        require_capacity(spare, path, reader, "arms", remedy)
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
    """Returns the path of the image; empty if it does not come from a file."""
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
            name: TargetDecision(*(getattr(target, figure) for figure in TARGET_FIGURES))
            for name, target in wire.targets.items()
        },
        prediction=ArmPrediction(predictions, warnings, *model),
        warnings=warnings,
    )
