"""The script of a fake server, its record of calls, and the services that follow it."""

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import grpc

from adscore_client._checks import Finding
from adscore_client._creative import Creative
from adscore_client._exceptions import AdscoreError, ModelNotFoundError
from adscore_client._results import Model, Score, TargetScore
from adscore_client.testing._wire import (
    abort,
    decision_to_wire,
    explanation_to_wire,
    finding_to_wire,
    grid_to_wire,
    item_error,
    model_to_wire,
    score_to_wire,
)
from adscore_protos.v1 import (
    check_pb2,
    check_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)

_HEALTH = "/grpc.health.v1.Health/"
_SERVING = b"\x08\x01"


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One call that a fake server received.

    Attributes:
        method: Name of the method, e.g. ``"BatchScore"``.
        metadata: The call's metadata, e.g. ``metadata["authorization"]``.
        time_remaining_seconds: Time until the call's deadline on arrival; None if it had none.
    """

    method: str
    metadata: Mapping[str, str]
    time_remaining_seconds: float | None


@dataclass(slots=True)
class Script:
    """The answers and failures that a test chose, and the record of calls.

    Attributes:
        score: Scores a creative.
        agreement: Says how well a headline and an image fit.
        check: Finds what is wrong with a creative.
        model: The model that is served.
        failures: Errors of the next calls.
        creatives: Creatives that came.
        calls: Calls that came.
    """

    score: Callable[[Creative], Score | float]
    agreement: Callable[[str, bytes], float]
    check: Callable[[Creative], Iterable[Finding]]
    model: Model
    failures: deque[AdscoreError] = field(default_factory=deque)
    creatives: list[Creative] = field(default_factory=list)
    calls: list[FakeCall] = field(default_factory=list)

    def raise_failure(self) -> None:
        """Raises the next failure, if one is due."""
        if self.failures:
            raise self.failures.popleft()

    def score_of(self, creative: Creative) -> Score:
        """Scores a creative.

        Raises:
            AdscoreError: The test refuses it.
        """
        self.creatives.append(creative)
        score = self.score(creative)
        if not isinstance(score, Score):
            rate = float(score)
            figures = TargetScore(rate, 0.5 * rate, min(1.5 * rate, 1.0), 50.0)
            score = Score(creative.id, dict.fromkeys(self.model.targets, figures))
        return replace(
            score,
            creative_id=creative.id,
            model=self.model.name,
            model_version=self.model.version,
        )


def _scripted(method: Callable[..., Any]) -> Callable[..., Any]:
    """Records a call, fails it if a failure is due, and turns errors into statuses."""

    @functools.wraps(method)
    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        _record(self.script, method.__name__, context)
        try:
            self.script.raise_failure()
            return method(self, request)
        except AdscoreError as error:
            return abort(context, error)

    return answer


def _record(script: Script, method: str, context: grpc.ServicerContext) -> None:
    metadata = {pair[0]: str(pair[1]) for pair in context.invocation_metadata()}
    script.calls.append(FakeCall(method, metadata, context.time_remaining()))


class FakeScoring(scoring_pb2_grpc.ScoringServiceServicer):
    """ScoringService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    @_scripted
    def Score(self, request: Any) -> Any:  # noqa: N802 - the contract's name
        """Scores one creative."""
        _check_model(self.script, request)
        score = self.script.score_of(_creative(request.creative))
        return scoring_pb2.ScoreResponse(score=score_to_wire(score))

    @_scripted
    def BatchScore(self, request: Any) -> Any:  # noqa: N802
        """Scores several creatives, each with a result or an error of its own."""
        _check_model(self.script, request)
        return scoring_pb2.BatchScoreResponse(results=self._results(request.creatives))

    def StreamScore(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: N802
        """Answers each request of a stream as it comes."""
        _record(self.script, "StreamScore", context)
        try:
            for request in requests:
                self.script.raise_failure()
                _check_model(self.script, request)
                yield scoring_pb2.StreamScoreResponse(
                    request_id=request.request_id, results=self._results(request.creatives)
                )
        except AdscoreError as error:
            abort(context, error)

    @_scripted
    def ScoreCombinations(self, request: Any) -> Any:  # noqa: N802
        """Scores every headline with every image."""
        _check_model(self.script, request)
        scores = [
            self.script.score_of(Creative(headline, image, context=dict(request.context)))
            for headline in request.headlines
            for image in request.images
        ]
        return grid_to_wire(scores, self.script.model)

    @_scripted
    def Match(self, request: Any) -> Any:  # noqa: N802
        """Says how well each headline fits each image."""
        _check_model(self.script, request)
        rows = [
            scoring_pb2.MatchRow(agreements=[self.script.agreement(headline, i) for i in images])
            for images in [request.images]
            for headline in request.headlines
        ]
        model = self.script.model
        return scoring_pb2.MatchResponse(rows=rows, model=model.name, model_version=model.version)

    @_scripted
    def Decide(self, request: Any) -> Any:  # noqa: N802
        """Decides between the arms of a group, roughly: by their rates alone."""
        _check_model(self.script, request)
        scores = {
            arm.id: self.script.score_of(_creative(arm.creative))
            for arm in request.arms
            if arm.HasField("creative")
        }
        return decision_to_wire(request, scores, self.script.model)

    @_scripted
    def Explain(self, request: Any) -> Any:  # noqa: N802
        """Explains one creative, whose parts add nothing."""
        _check_model(self.script, request)
        score = self.script.score_of(_creative(request.creative))
        return scoring_pb2.ExplainResponse(explanation=explanation_to_wire(score, request.target))

    def _results(self, creatives: Iterable[Any]) -> list[Any]:
        return [self._result(place, wire) for place, wire in enumerate(creatives)]

    def _result(self, place: int, wire: Any) -> Any:
        try:
            score = self.script.score_of(_creative(wire))
        except AdscoreError as error:
            return scoring_pb2.BatchScoreResult(id=wire.id, error=item_error(error, place))
        return scoring_pb2.BatchScoreResult(id=wire.id, score=score_to_wire(score))


class FakeModels(model_pb2_grpc.ModelServiceServicer):
    """ModelService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    @_scripted
    def ListModels(self, request: Any) -> Any:  # noqa: N802, ARG002
        """Lists the one model."""
        return model_pb2.ListModelsResponse(models=[model_to_wire(self.script.model)])

    @_scripted
    def GetModel(self, request: Any) -> Any:  # noqa: N802
        """Describes the one model."""
        _check_model(self.script, request)
        return model_pb2.GetModelResponse(model=model_to_wire(self.script.model))


class FakeChecks(check_pb2_grpc.CheckServiceServicer):
    """CheckService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    @_scripted
    def Check(self, request: Any) -> Any:  # noqa: N802
        """Returns the findings that the test chose for each creative, at any placement."""
        return check_pb2.CheckResponse(
            placement=request.placement, creatives=map(self._checked, request.creatives)
        )

    @_scripted
    def ListPlacements(self, request: Any) -> Any:  # noqa: N802, ARG002
        """Lists one placement, without rules."""
        placement = check_pb2.Placement(name="fake", platform="fake", title="Any placement")
        return check_pb2.ListPlacementsResponse(placements=[placement])

    def _checked(self, wire: Any) -> Any:
        creative = Creative(wire.headline or None, wire.image or None, wire.id)
        self.script.creatives.append(creative)
        findings = map(finding_to_wire, self.script.check(creative))
        return check_pb2.CheckedCreative(id=wire.id, findings=findings)


class FakeHealth(grpc.GenericRpcHandler):
    """The grpc.health.v1.Health of a server that serves."""

    def service(self, handler_call_details: Any) -> Any:
        """Returns the handler of Check and Watch; None for other methods."""
        method = handler_call_details.method
        if method == f"{_HEALTH}Check":
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: _SERVING)
        if method == f"{_HEALTH}Watch":
            return grpc.unary_stream_rpc_method_handler(_watch)
        return None


def _watch(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: ARG001
    ended = threading.Event()
    if context.add_callback(ended.set):
        yield _SERVING
        ended.wait()


def _creative(wire: Any) -> Creative:
    return Creative(wire.headline or None, wire.image or None, wire.id, dict(wire.context))


def _check_model(script: Script, request: Any) -> None:
    model = script.model
    if request.model in ("", model.name) and request.model_version in ("", model.version):
        return
    raise ModelNotFoundError(
        f"model: expected {model.name!r} in version {model.version!r}. Received: "
        f"{request.model!r} in version {request.model_version!r}",
        reason="MODEL_NOT_FOUND",
    )
