"""The types and exceptions of the client -> wire messages, as a server sends them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from adscore_client._checks import Finding
from adscore_client._exceptions import AdscoreError, InvalidCreativeError, InvalidRequestError
from adscore_client._results import Model, Score
from adscore_client._status import MEANINGS
from adscore_protos.v1 import check_pb2, model_pb2, scoring_pb2

# The first code that maps to an exception is its usual one.
_CODES: dict[type[Exception], grpc.StatusCode] = {
    meaning.kind: code
    for code, meaning in reversed(list(MEANINGS.items()))
    if code is not grpc.StatusCode.OK
}


def score_to_wire(score: Score) -> scoring_pb2.Score:
    """Converts a score."""
    return scoring_pb2.Score(
        creative_id=score.creative_id,
        targets={
            name: scoring_pb2.TargetScore(**dataclasses.asdict(target))
            for name, target in score.targets.items()
        },
        agreement=score.agreement,
        warnings=[_number(scoring_pb2.Warning, "WARNING_", one) for one in score.warnings],
        model=score.model,
        model_version=score.model_version,
    )


def explanation_to_wire(score: Score, target: str) -> scoring_pb2.Explanation:
    """Explains a score by its base alone."""
    name = target or next(iter(score.targets))
    figures = score.targets[name]
    return scoring_pb2.Explanation(
        target=name,
        mean=figures.mean,
        lower=figures.lower,
        upper=figures.upper,
        base=math.log(figures.mean / (1 - figures.mean)),
        model=score.model,
        model_version=score.model_version,
    )


def grid_to_wire(scores: Sequence[Score], model: Model) -> scoring_pb2.ScoreCombinationsResponse:
    """Converts the scores of combinations, row by row; their warnings are left out."""
    targets = {
        name: scoring_pb2.TargetGrid(
            means=[score.targets[name].mean for score in scores],
            lowers=[score.targets[name].lower for score in scores],
            uppers=[score.targets[name].upper for score in scores],
            percentiles=[score.targets[name].percentile for score in scores],
        )
        for name in scores[0].targets
    }
    agreements = [score.agreement for score in scores if score.agreement is not None]
    return scoring_pb2.ScoreCombinationsResponse(
        targets=targets, agreements=agreements, model=model.name, model_version=model.version
    )


_TRIALS_OF_A_PREDICTION = 1_000.0


def decision_to_wire(
    request: scoring_pb2.DecideRequest, scores: Mapping[str, Score], model: Model
) -> scoring_pb2.DecideResponse:
    """Makes up a decision: the highest rate leads, with predictions worth a number of trials."""
    arms = [_arm_to_wire(arm, scores.get(arm.id), model) for arm in request.arms]
    best = max(arms, key=lambda arm: arm.mean)
    for arm in arms:
        arm.chance_best = arm.share = float(arm is best)
        arm.relative_loss = 1 - arm.mean / best.mean
        if request.control and arm.id != request.control:
            arm.chance_above_control = 0.5
    return scoring_pb2.DecideResponse(
        status=scoring_pb2.DECISION_STATUS_OPEN,
        leader=best.id,
        relative_loss=0.0,
        arms=arms,
        aim=request.aim,
        horizon=request.horizon,
        targets=model.targets[:1],
        model=model.name,
        model_version=model.version,
    )


def _arm_to_wire(
    arm: scoring_pb2.Arm, score: Score | None, model: Model
) -> scoring_pb2.ArmDecision:
    target = model.targets[0]
    counts = arm.counts[target]
    logit = arm.prediction.targets[target].logit
    rate = 1 / (1 + math.exp(-logit)) if score is None else score.targets[target].mean
    prior = _TRIALS_OF_A_PREDICTION
    mean = (counts.successes + prior * rate) / (counts.trials + prior)
    figures = {"predicted": rate, "mean": mean, "lower": 0.8 * mean, "upper": 1.2 * mean}
    decision = scoring_pb2.TargetDecision(
        trials=counts.trials,
        successes=counts.successes,
        prediction=scoring_pb2.TargetPrediction(logit=math.log(rate / (1 - rate)), spread=0.3),
        **figures,
    )
    warnings = [] if score is None else score.warnings
    return scoring_pb2.ArmDecision(
        id=arm.id,
        targets={target: decision},
        warnings=[_number(scoring_pb2.Warning, "WARNING_", one) for one in warnings],
        **figures,
    )


def model_to_wire(model: Model) -> model_pb2.Model:
    """Converts a model."""
    return model_pb2.Model(
        name=model.name,
        version=model.version,
        state=_number(model_pb2.ModelState, "MODEL_STATE_", model.state),
        state_reason=model.state_reason,
        targets=model.targets,
        limits=model_pb2.InputLimits(**dataclasses.asdict(model.limits)),
        training=model_pb2.TrainingSummary(**dataclasses.asdict(model.training)),
        metrics={
            name: model_pb2.TargetMetrics(figures=figures)
            for name, figures in model.metrics.items()
        },
        has_agreement=model.has_agreement,
    )


def finding_to_wire(finding: Finding) -> check_pb2.Finding:
    """Converts what a check found."""
    severity = _number(check_pb2.Severity, "SEVERITY_", finding.severity)
    return check_pb2.Finding(**dataclasses.asdict(finding) | {"severity": severity})


def item_error(error: AdscoreError, place: int) -> scoring_pb2.CreativeError:
    """Converts the error of one creative of a batch."""
    field = error.field if isinstance(error, InvalidRequestError) else ""
    number: int = code_of(error).value[0]
    return scoring_pb2.CreativeError(
        code=number,
        message=str(error),
        reason=error.reason,
        field=f"creatives[{place}].{field}" if field else "",
    )


def abort(context: grpc.ServicerContext, error: AdscoreError) -> NoReturn:
    """Fails a call with the status of an error."""
    code = code_of(error)
    number: int = code.value[0]
    status = Status(code=number, message=str(error), details=map(_packed, _details(error)))
    metadata: list[tuple[str, Any]] = [("grpc-status-details-bin", status.SerializeToString())]
    if error.retry_after_seconds is not None:
        milliseconds = round(1000 * error.retry_after_seconds)
        metadata.append(("grpc-retry-pushback-ms", str(milliseconds)))
    context.set_trailing_metadata(tuple(metadata))
    context.abort(code, str(error))


def code_of(error: AdscoreError) -> grpc.StatusCode:
    """Returns the status that the client turns into this error."""
    if error.code is not None:
        return error.code
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def _details(error: AdscoreError) -> list[Any]:
    info = ErrorInfo(reason=error.reason, domain="adscore")
    if error.request_id:
        info.metadata["request_id"] = error.request_id
    details: list[Any] = [info]
    if isinstance(error, InvalidRequestError) and (error.field or error.violations):
        fields = [(v.field, v.description) for v in error.violations] or [(error.field, str(error))]
        of_part = error.field.startswith(("headlines", "images"))
        path = "creative." if isinstance(error, InvalidCreativeError) and not of_part else ""
        violations = [BadRequest.FieldViolation(field=path + f, description=d) for f, d in fields]
        details.append(BadRequest(field_violations=violations))
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMicroseconds(round(1e6 * error.retry_after_seconds))
        details.append(RetryInfo(retry_delay=delay))
    return details


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _number(kind: Any, prefix: str, name: str) -> Any:
    """Returns the number of an enum value; Any, as the stubs want the enum itself."""
    if name.startswith("UNRECOGNISED_"):
        return int(name.removeprefix("UNRECOGNISED_"))
    return kind.Value(prefix + name)
