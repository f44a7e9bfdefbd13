"""Decides between the arms of a group: scores their creatives, then combines scores and counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from adscore.creative import Score, Warning
from adscore.decision import (
    MAX_LOGIT,
    TOLERANCE,
    Aim,
    Arm,
    DecisionSettings,
    Group,
    Prediction,
    check_group,
    decide,
)
from adscore.errors import DecisionError, InvalidCreativeError, Reason
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.call import Call
from adscore_server.calls.queue import WorkQueue
from adscore_server.calls.wire import Layout
from adscore_server.config import ServerConfig
from adscore_server.errors import CallReason, InvalidRequestError
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import creative_from_wire, decision_to_wire
from adscore_server.scoring.pieces import PiecesOfCall
from adscore_server.scoring.work import MAX_ID_CHARACTERS, CreativesOfCall, Scoring

# The arms, and in each the creative and the prediction, whose fields count too.
_DECIDE = Layout(frozenset({1}), frozenset({1}), frozenset({2, 3}))
# With more arms, the decision takes so long that single scores should not wait behind it.
_LONG_DECISION = 64
_MAX_SPREAD = 10.0

_WARNINGS = {scoring_pb2.Warning.Value(f"WARNING_{one}"): str(one) for one in Warning}


class AnsweredNow:
    """A call with nothing left to score."""

    def __init__(self, call: Call, finish: Callable[[list[Any]], Message]) -> None:
        self._call, self._finish = call, finish

    def start(self, queue: WorkQueue) -> None:  # noqa: ARG002 - same signature as the others
        """Answers it."""
        self._call.succeed(self._finish([]))


class Deciding:
    """Answers Decide; thread-safe.

    Args:
        config: The limits of a request.
        models: The served models.
        scoring: Reads the requests.
    """

    def __init__(self, config: ServerConfig, models: ServedModels, scoring: Scoring) -> None:
        self._max_arms = config.max_batch_creatives
        self._models, self._scoring = models, scoring

    def decide(self, call: Call) -> PiecesOfCall | AnsweredNow:
        """Starts a Decide and returns the remaining work.

        Raises:
            InvalidRequestError: An arm or a setting is invalid; creatives are checked later.
            ModelNotFoundError: The model, or that of a prediction, is not served.
        """
        request = self._scoring.read(call, scoring_pb2.DecideRequest, _DECIDE)
        self._check_arms(request.arms)
        scorer = self._models.resolve(*_model_of(request))
        try:
            question = _Question(request, scorer)
        except DecisionError as error:
            raise _refused(error) from error
        if not question.creatives:
            return AnsweredNow(call, question.answer)
        creatives = [creative_from_wire(wire) for wire in question.creatives.values()]
        job = CreativesOfCall(scorer, creatives, question.answer)
        is_long = len(request.arms) > _LONG_DECISION
        return PiecesOfCall(call, job, self._scoring.long_work, is_long=is_long)

    def _check_arms(self, arms: Sequence[scoring_pb2.Arm]) -> None:
        if not 1 <= len(arms) <= self._max_arms:
            raise InvalidRequestError(
                "arms",
                CallReason.BATCH_TOO_LARGE if arms else CallReason.BATCH_EMPTY,
                f"expected 1 to {self._max_arms} arms. Received: {len(arms)}",
            )
        for place, arm in enumerate(arms):
            path = f"arms[{place}]"
            if not 1 <= len(arm.id) <= MAX_ID_CHARACTERS:
                raise InvalidRequestError(
                    f"{path}.id",
                    Reason.ID_TOO_LONG if arm.id else CallReason.DECISION_INVALID,
                    f"expected 1 to {MAX_ID_CHARACTERS} characters. Received: {len(arm.id)}",
                )
            if arm.WhichOneof("prior") is None:
                raise InvalidRequestError(
                    path,
                    CallReason.DECISION_INVALID,
                    "expected a creative, or a prediction of it. Received: neither",
                )


class _Question:
    """A checked request, and the creatives that must still be scored.

    Args:
        request: The request.
        scorer: The model.

    Attributes:
        creatives: Creatives by the position of their arm.

    Raises:
        DecisionError: No decision is possible.
        InvalidRequestError: It names a target that the model does not predict.
    """

    def __init__(self, request: scoring_pb2.DecideRequest, scorer: Scorer) -> None:
        self._request, self._scorer = request, scorer
        self.creatives = {
            place: arm.creative
            for place, arm in enumerate(request.arms)
            if arm.HasField("creative")
        }
        self._settings = _settings(request, scorer)
        self._trials = [
            {name: counts.trials for name, counts in arm.counts.items()} for arm in request.arms
        ]
        self._successes = [
            {name: counts.successes for name, counts in arm.counts.items()} for arm in request.arms
        ]
        predicted = [
            _predictions(arm.prediction, f"arms[{place}].prediction", self._settings.targets)
            if place not in self.creatives
            else {}
            for place, arm in enumerate(request.arms)
        ]
        self._arms = [self._arm(place, one) for place, one in enumerate(predicted)]
        check_group(Group(request.group, self._arms), self._settings)

    def answer(self, outcomes: list[Score | Exception]) -> Message:
        """Builds the response from the outcome of each creative.

        Raises:
            InvalidRequestError: The first creative that cannot be scored.
        """
        arms = list(self._arms)
        for place, outcome in zip(self.creatives, outcomes, strict=True):
            if isinstance(outcome, InvalidCreativeError):
                field = f"arms[{place}].creative.{outcome.field}"
                text = str(outcome).removeprefix(f"{outcome.field}: ")
                raise InvalidRequestError(field, outcome.reason, text)
            if isinstance(outcome, Exception):
                raise outcome
            predictions = {
                name: Prediction.of_rate(outcome.targets[name].mean)
                for name in self._settings.targets
            }
            arms[place] = self._arm(place, predictions, outcome.warnings)
        request, seen = self._request, False
        if request.group and not request.counted_after_training:
            seen = self._scorer.has_seen(request.group)
        [decision] = decide([Group(request.group, arms, seen)], self._settings)
        return decision_to_wire(decision, self._settings, self._scorer)

    def _arm(
        self, place: int, predictions: Mapping[str, Prediction], warnings: Sequence[str] = ()
    ) -> Arm:
        wire = self._request.arms[place]
        if wire.HasField("prediction"):
            # Warnings that only a newer server knows are left out.
            warnings = [
                _WARNINGS[number] for number in wire.prediction.warnings if number in _WARNINGS
            ]
        return Arm(
            wire.id, predictions, self._trials[place], self._successes[place], tuple(warnings)
        )


def _model_of(request: scoring_pb2.DecideRequest) -> tuple[str, str]:
    """Name and version of the model: the request's, else that of its predictions.

    Raises:
        InvalidRequestError: The predictions come from several models.
    """
    model, version = request.model, request.model_version
    for place, arm in enumerate(request.arms):
        if not arm.HasField("prediction"):
            continue
        made_by = arm.prediction.model, arm.prediction.model_version
        for field, asked, received in zip(
            ("model", "model_version"), (model, version), made_by, strict=True
        ):
            if asked and received and asked != received:
                raise InvalidRequestError(
                    f"arms[{place}].prediction.{field}",
                    CallReason.DECISION_INVALID,
                    f"expected predictions of one model, {asked!r:.80}. Received: "
                    f"{received!r:.80}. Send the creative, to have it scored again",
                )
        model, version = model or made_by[0], version or made_by[1]
    return model, version


def _settings(request: scoring_pb2.DecideRequest, scorer: Scorer) -> DecisionSettings:
    """Raises DecisionError if a setting is out of range or the targets are ambiguous."""
    known = scorer.manifest.targets
    counted: dict[str, None] = {}
    for place, arm in enumerate(request.arms):
        for name in arm.counts:
            _require_target(name, known, f"arms[{place}].counts[{name}]")
            counted.setdefault(name)
    for name in request.values:
        _require_target(name, known, f"values[{name}]")
    targets = [name for name in known if name in counted or name in request.values]
    worth = {name: request.values.get(name, 0.0) for name in targets}
    if not request.values:
        targets = targets or list(known)
        if len(targets) != 1:
            raise DecisionError(
                "values",
                f"expected a value of each of {', '.join(targets)}. Received: none",
            )
        worth = {targets[0]: 1.0}
    spreads = {name: one for name, one in scorer.manifest.spreads.items() if name in worth}
    return DecisionSettings(
        worth,
        spreads,
        Aim.LEARN if request.aim == scoring_pb2.AIM_LEARN else Aim.EARN,
        request.horizon if request.HasField("horizon") else None,
        request.tolerance if request.HasField("tolerance") else TOLERANCE,
        request.control or None,
    )


def _require_target(name: str, known: Sequence[str], field: str) -> None:
    if name not in known:
        raise InvalidRequestError(
            field,
            CallReason.TARGET_UNKNOWN,
            f"expected a target of the model: {', '.join(known)}. Received: {name!r:.80}",
        )


def _predictions(
    wire: scoring_pb2.ArmPrediction, path: str, targets: Sequence[str]
) -> dict[str, Prediction]:
    found = {}
    for name in targets:
        if name not in wire.targets:
            raise DecisionError(
                f"{path}.targets[{name}]", "expected a prediction of each target. Received: none"
            )
        one = wire.targets[name]
        if not abs(one.logit) <= MAX_LOGIT:
            raise DecisionError(
                f"{path}.targets[{name}].logit",
                f"expected -{MAX_LOGIT:g} to {MAX_LOGIT:g}. Received: {one.logit:g}",
            )
        if not 0 < one.spread <= _MAX_SPREAD:
            raise DecisionError(
                f"{path}.targets[{name}].spread",
                f"expected a number above 0, at most {_MAX_SPREAD:g}. Received: {one.spread:g}",
            )
        found[name] = Prediction(one.logit, one.spread)
    return found


def _refused(error: DecisionError) -> InvalidRequestError:
    is_count = ".counts[" in error.field
    reason = CallReason.COUNTS_INVALID if is_count else CallReason.DECISION_INVALID
    return InvalidRequestError(error.field, reason, str(error).removeprefix(f"{error.field}: "))
