"""Raw requests -> answers: all that a worker does with the calls it has taken."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from google.protobuf.message import Message

from adscore.creative import Creative, Score
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.preparation import CheckedCreative, PreparedCreative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.access.rate_limit import RateLimiter
from adscore_server.calls.call import Call
from adscore_server.calls.status import log_unexpected
from adscore_server.calls.wire import Layout, count_parts, parse
from adscore_server.config import ServerConfig
from adscore_server.errors import (
    CallReason,
    InvalidRequestError,
    RateLimitedError,
)
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import (
    batch_results_to_wire,
    creative_from_wire,
    score_to_wire,
)
from adscore_server.scoring.long_work import LongWork
from adscore_server.scoring.pieces import PiecesOfCall, PiecesOfStreamRequest, attempt

MAX_ID_CHARACTERS = 256

# More creatives in one run of the graphs gain less than they delay the first.
MAX_SCORES_TOGETHER = 16
# One in this many places may be held by calls whose images are slow to decode.
_LARGE_SHARE = 4

_SCORE = Layout(frozenset({1}), frozenset({1}))
_BATCH = _SCORE
_STREAM = Layout(frozenset({2}), frozenset({2}))

Outcome = Score | Exception
_Ready = dict[Scorer, list[tuple[Call, str, PreparedCreative]]]


class Scoring:
    """Answers the calls of `ScoringService` with one request; thread-safe.

    Args:
        config: The limits of a request.
        models: The served models.
    """

    def __init__(self, config: ServerConfig, models: ServedModels) -> None:
        self._config, self._models = config, models
        rate = config.creatives_per_second
        self.limiter = None if rate is None else RateLimiter(rate)
        calls = config.threads + config.max_waiting_calls
        self.long_work = LongWork(max(1, config.decode_threads // 2), max(1, calls // _LARGE_SHARE))

    def read(
        self,
        call: Call,
        kind: type[Message],
        layout: Layout,
        cost: Callable[[Any], int] | None = None,
    ) -> Any:
        """Counts, limits and parses the request of a call.

        Args:
            call: The call.
            kind: Message type of its request.
            layout: Where the request keeps its creatives.
            cost: Number of creatives it counts as; None counts those that it has.

        Raises:
            InvalidRequestError: It exceeds a limit, or is not a message of this kind.
            RateLimitedError: The caller may not send that many creatives now.
            CallAbandonedError: The caller has gone.
        """
        raw = call.take_request()
        is_single = kind is scoring_pb2.ScoreRequest
        parts = count_parts(raw, layout, 1 if is_single else self._config.max_batch_creatives)
        request = None if cost is None else parse(kind, raw)
        call.creatives = 1 if is_single else parts if cost is None else cost(request)
        if self.limiter is not None and call.creatives:
            seconds = self.limiter.take(call.caller, call.creatives)
            if seconds:
                raise RateLimitedError(self.limiter.creatives_per_second, seconds)
        return parse(kind, raw) if request is None else request

    def score(self, calls: Iterable[Call]) -> None:
        """Answers Score calls; those for the same model run as one batch."""
        ready: _Ready = {}
        prepared_bytes = 0
        for call in calls:
            try:
                request = self.read(call, scoring_pb2.ScoreRequest, _SCORE)
                scorer = self._models.resolve(request.model, request.model_version)
                creative = creative_from_wire(request.creative)
                checked = check(scorer, creative)
                if checked.takes_long:
                    self._score_later(call, scorer, creative.id, checked)
                    continue
                prepared = scorer.preparer.decode(checked)
            except Exception as error:
                call.fail(error)
                continue
            ready.setdefault(scorer, []).append((call, creative.id, prepared))
            image = prepared.image
            prepared_bytes += 0 if image is None or image.pixels is None else image.pixels.nbytes
            if prepared_bytes >= self._config.max_batch_bytes:
                _answer(ready)
                ready, prepared_bytes = {}, 0
        _answer(ready)

    def _score_later(
        self, call: Call, scorer: Scorer, creative_id: str, checked: CheckedCreative
    ) -> None:
        def score() -> None:
            try:
                call.require_caller()
                prepared = scorer.preparer.decode(checked)
                call.require_caller()
            except Exception as error:
                call.fail(error)
            else:
                _answer({scorer: [(call, creative_id, prepared)]})
            finally:
                self.long_work.leave()

        self.long_work.enter(call)
        self.long_work.decode(call, scorer.preparer.budget.claim(checked.pixels), score)

    def score_batch(self, call: Call) -> PiecesOfCall:
        """Starts a BatchScore and returns the remaining work."""
        request = self.read(call, scoring_pb2.BatchScoreRequest, _BATCH)
        job = self._job(request, lambda results: scoring_pb2.BatchScoreResponse(results=results))
        return PiecesOfCall(call, job, self.long_work)

    def score_stream_request(self, raw: bytes, call: Call, answer: "Future[Message]") -> None:
        """Starts one request of a stream, which is answered now or later.

        Raises:
            InvalidRequestError: The request is invalid as a whole.
        """
        request = parse(scoring_pb2.StreamScoreRequest, raw)
        request_id = request.request_id
        check_request_id(request_id)
        job = self._job(
            request,
            lambda results: scoring_pb2.StreamScoreResponse(request_id=request_id, results=results),
        )
        PiecesOfStreamRequest(call, job, self.long_work, answer).run()

    def _job(self, request: Any, respond: Callable[[Any], Message]) -> "CreativesOfCall":
        self.check_batch_size(len(request.creatives))
        scorer = self._models.resolve(request.model, request.model_version)
        creatives = [creative_from_wire(wire) for wire in request.creatives]

        def finish(outcomes: list[Outcome]) -> Message:
            return respond(batch_results_to_wire(creatives, outcomes, scorer))

        return CreativesOfCall(scorer, creatives, finish)

    def count_stream_request(self, raw: bytes) -> int:
        """Number of creatives in a request of a stream."""
        return count_parts(raw, _STREAM, self._config.max_batch_creatives)

    def check_batch_size(self, creatives: int) -> None:
        """Raises InvalidRequestError if there are no creatives, or more than allowed."""
        limit = self._config.max_batch_creatives
        if not 1 <= creatives <= limit:
            raise InvalidRequestError(
                "creatives",
                CallReason.BATCH_TOO_LARGE if creatives else CallReason.BATCH_EMPTY,
                f"expected 1 to {limit} creatives. Received: {creatives}",
            )


class CreativesOfCall:
    """The creatives of a BatchScore or of a request of a stream; a `pieces.Job`.

    Args:
        scorer: The model.
        creatives: The creatives to score.
        respond: Makes the response from the outcome of each.
    """

    def __init__(
        self,
        scorer: Scorer,
        creatives: Sequence[Creative],
        respond: Callable[[list[Outcome]], Message],
    ) -> None:
        self.count = len(creatives)
        self.budget = scorer.preparer.budget
        self.finish = respond
        self._scorer, self._creatives = scorer, creatives

    def check(self, place: int) -> Any:
        """See `pieces.Job`."""
        return attempt(check, self._scorer, self._creatives[place])

    def decode(self, checked: CheckedCreative) -> Any:
        """See `pieces.Job`."""
        return attempt(self._scorer.preparer.decode, checked)

    def work(self, decoded: Sequence[PreparedCreative]) -> Sequence[Outcome]:
        """Scores them; see `pieces.Job`."""
        return _score_each(self._scorer, decoded, log=True)


def check(scorer: Scorer, creative: Creative) -> CheckedCreative:
    """Checks a creative as far as possible before its image is decoded.

    Raises:
        InvalidCreativeError: With the field at fault.
    """
    check_id(creative)
    return scorer.preparer.check(creative)


def check_id(creative: Creative) -> None:
    """Raises InvalidCreativeError if the id of a creative is too long."""
    if len(creative.id) > MAX_ID_CHARACTERS:
        raise InvalidCreativeError(
            "id",
            Reason.ID_TOO_LONG,
            f"expected at most {MAX_ID_CHARACTERS} characters. "
            f"Received: {len(creative.id)} characters",
        )


def check_request_id(request_id: str) -> None:
    """Raises InvalidRequestError if the id of a stream's request is too long."""
    if len(request_id) > MAX_ID_CHARACTERS:
        raise InvalidRequestError(
            "request_id",
            Reason.ID_TOO_LONG,
            f"expected at most {MAX_ID_CHARACTERS} characters. Received: {len(request_id)}",
        )


def _answer(ready: _Ready) -> None:
    for scorer, items in ready.items():
        outcomes = _score_each(scorer, [prepared for _, _, prepared in items])
        for (call, creative_id, _), outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Exception):
                call.fail(outcome)
                continue
            score = score_to_wire(outcome, creative_id, scorer)
            call.succeed(scoring_pb2.ScoreResponse(score=score))


def _score_each(
    scorer: Scorer, creatives: Sequence[PreparedCreative], *, log: bool = False
) -> Sequence[Outcome]:
    """Scores all together; on failure, each alone, so that one does not fail the others."""
    if not creatives:
        return []
    try:
        scores = scorer.score_prepared(creatives)
        if len(scores) != len(creatives):
            raise ValueError(f"{len(scores)} scores of {len(creatives)} creatives")
        return scores
    except Exception as error:
        if len(creatives) > 1:
            return [outcome for one in creatives for outcome in _score_each(scorer, [one], log=log)]
        if log:
            log_unexpected(error, "Scoring a creative")
        return [error]
