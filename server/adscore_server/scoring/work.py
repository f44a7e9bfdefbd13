"""Raw requests -> answers: what a worker does with the calls that it took, all of it."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from google.protobuf.message import Message

from adscore.creative import Creative, Score
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.preparation import PreparedCreative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.access.rate_limit import RateLimiter
from adscore_server.calls.call import Call
from adscore_server.calls.queue import WorkQueue
from adscore_server.calls.status import log_unexpected
from adscore_server.calls.wire import Layout, count_parts, is_large_image, parse
from adscore_server.config import ServerConfig
from adscore_server.errors import (
    CallReason,
    InvalidRequestError,
    OverloadedError,
    RateLimitedError,
)
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import (
    batch_results_to_wire,
    creative_from_wire,
    score_to_wire,
)

MAX_ID_CHARACTERS = 256

# More in one run of the graphs gain less than they delay the first.
MAX_SCORES_TOGETHER = 16
# Creatives of one call that a worker takes at a time. Fewer leave the graphs less to do in one
# run, more leave a call that brings 32 to a single core.
_PIECE_CREATIVES = 16
# Of the places of a server, a part may be held by calls whose images take long to decode.
_LARGE_SHARE = 4

_SCORE = Layout(frozenset({1}), frozenset({1}))
_BATCH = _SCORE
_STREAM = Layout(frozenset({2}), frozenset({2}))

Outcome = Score | Exception
_Ready = dict[Scorer, list[tuple[Call, str, PreparedCreative]]]


class LongWork:
    """Where work is done that takes long, such as large images, so that no worker waits for it.

    Args:
        threads: Work that is done at once, at least 1.
        max_calls: Calls that wait for them at once, at least 1.
    """

    def __init__(self, threads: int, max_calls: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "long-work")
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._calls = 0

    def enter(self, call: Call) -> None:
        """Lets a call in, which must `leave`.

        Raises:
            OverloadedError: Too many calls wait.
        """
        with self._lock:
            if self._calls >= self._max_calls:
                raise OverloadedError(call.places.retry_seconds() if call.places else 1.0)
            self._calls += 1

    def leave(self) -> None:
        """A call is answered."""
        with self._lock:
            self._calls -= 1

    def do(self, step: Callable[[], Any]) -> "Future[Any]":
        """Does a step of a call that was let in, or of somebody who waits for it."""
        return self._threads.submit(step)

    def shutdown(self, *, wait: bool) -> None:
        """Ends its threads."""
        self._threads.shutdown(wait=wait, cancel_futures=not wait)


class Scoring:
    """Answers the calls of `ScoringService` that bring one request; safe for many threads.

    Args:
        config: The limits of a request.
        models: What is served.
    """

    def __init__(self, config: ServerConfig, models: ServedModels) -> None:
        self._config, self._models = config, models
        rate = config.creatives_per_second
        self.limiter = None if rate is None else RateLimiter(rate)
        calls = config.threads + config.max_waiting_calls
        self.long_work = LongWork(max(1, config.decode_threads // 2), max(1, calls // _LARGE_SHARE))

    def read(self, call: Call, kind: type[Message], layout: Layout) -> Any:
        """Counts, limits and parses the request of a call.

        Raises:
            InvalidRequestError: It holds too much, or is no message of this kind.
            RateLimitedError: The caller may not send so many creatives now.
            CallAbandonedError: The caller has gone.
        """
        raw = call.take_request()
        is_single = kind is scoring_pb2.ScoreRequest
        parts = count_parts(raw, layout, 1 if is_single else self._config.max_batch_creatives)
        call.creatives = 1 if is_single else parts
        if self.limiter is not None and call.creatives:
            seconds = self.limiter.take(call.caller, call.creatives)
            if seconds:
                raise RateLimitedError(self.limiter.creatives_per_second, seconds)
        return parse(kind, raw)

    def score(self, calls: Iterable[Call]) -> None:
        """Answers calls of Score, those of one model together."""
        ready: _Ready = {}
        prepared_bytes = 0
        for call in calls:
            try:
                request = self.read(call, scoring_pb2.ScoreRequest, _SCORE)
                scorer = self._models.resolve(request.model, request.model_version)
                creative = creative_from_wire(request.creative)
                if is_large_image(creative.image):
                    self._score_later(call, scorer, creative)
                    continue
                prepared = prepare(scorer, creative)
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

    def _score_later(self, call: Call, scorer: Scorer, creative: Creative) -> None:
        def score() -> None:
            try:
                call.require_caller()
                prepared = prepare(scorer, creative)
                call.require_caller()
            except Exception as error:
                call.fail(error)
            else:
                _answer({scorer: [(call, creative.id, prepared)]})
            finally:
                self.long_work.leave()

        self.long_work.enter(call)
        self.long_work.do(score)

    def score_batch(self, call: Call) -> "PiecesOfCall":
        """Begins with a BatchScore; gives the work that is left."""
        request = self.read(call, scoring_pb2.BatchScoreRequest, _BATCH)
        self.check_batch_size(len(request.creatives))
        scorer = self._models.resolve(request.model, request.model_version)
        creatives = [creative_from_wire(wire) for wire in request.creatives]

        def finish(outcomes: list[Outcome]) -> Message:
            results = batch_results_to_wire(creatives, outcomes, scorer)
            return scoring_pb2.BatchScoreResponse(results=results)

        return PiecesOfCall(
            call,
            lambda places: score_creatives(scorer, [creatives[place] for place in places], call),
            finish,
            [is_large_image(creative.image) for creative in creatives],
        )

    def score_stream_request(self, raw: bytes, call: Call) -> Message:
        """Answers one request of a stream.

        Raises:
            InvalidRequestError: It cannot be answered as a whole.
        """
        request = parse(scoring_pb2.StreamScoreRequest, raw)
        check_request_id(request.request_id)
        self.check_batch_size(len(request.creatives))
        scorer = self._models.resolve(request.model, request.model_version)
        creatives = [creative_from_wire(wire) for wire in request.creatives]
        outcomes = score_creatives(scorer, creatives, call, self.long_work)
        results = batch_results_to_wire(creatives, outcomes, scorer)
        return scoring_pb2.StreamScoreResponse(request_id=request.request_id, results=results)

    def count_stream_request(self, raw: bytes) -> int:
        """How many creatives a request of a stream holds."""
        return count_parts(raw, _STREAM, self._config.max_batch_creatives)

    def check_batch_size(self, creatives: int) -> None:
        """Raises InvalidRequestError where there is no creative, or there are more than allowed."""
        limit = self._config.max_batch_creatives
        if not 1 <= creatives <= limit:
            raise InvalidRequestError(
                "creatives",
                CallReason.BATCH_TOO_LARGE if creatives else CallReason.BATCH_EMPTY,
                f"expected 1 to {limit} creatives. Received: {creatives}",
            )


class PiecesOfCall:
    """What is left of a call of many creatives; whoever does the last piece answers it.

    Args:
        call: The call.
        work: Works on the creatives at some places; an outcome each.
        finish: Makes the response of all outcomes.
        large: For each creative whether its image takes long to decode.
        is_long: Whether it takes long to finish.
    """

    def __init__(
        self,
        call: Call,
        work: Callable[[Sequence[int]], Sequence[Any]],
        finish: Callable[[list[Any]], Message],
        large: Sequence[bool],
        *,
        is_long: bool = False,
    ) -> None:
        self._call, self._work, self._finish, self._is_long = call, work, finish, is_long
        self._outcomes: list[Any] = [None] * len(large)
        small = [place for place, is_large in enumerate(large) if not is_large]
        self._pieces = [
            small[start : start + _PIECE_CREATIVES]
            for start in range(0, len(small), _PIECE_CREATIVES)
        ]
        self._large = [[place] for place, is_large in enumerate(large) if is_large]
        self._left = len(self._pieces) + len(self._large)
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._long_work: LongWork | None = None

    def start(self, queue: WorkQueue, long_work: LongWork) -> None:
        """Has it worked on.

        Raises:
            OverloadedError: Too many calls wait for large images.
        """
        if self._large or self._is_long:
            long_work.enter(self._call)
            self._long_work = long_work
        for piece in self._large:
            long_work.do(partial(self._do, piece))
        if self._pieces:
            queue.put_pieces(self, len(self._pieces))

    def take(self) -> tuple[Callable[[], None], bool]:
        """Takes out the next piece; says whether there are more."""
        piece = self._pieces.pop(0)
        return lambda: self._do(piece), bool(self._pieces)

    def _do(self, piece: Sequence[int]) -> None:
        try:
            if self._error is None:
                self._call.require_caller()
                for place, outcome in zip(piece, self._work(piece), strict=True):
                    self._outcomes[place] = outcome
        except Exception as error:
            self._error = self._error or error
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if self._is_long and self._long_work is not None:
            self._long_work.do(self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        try:
            self._call.require_caller()
            if self._error is not None:
                raise self._error
            response = self._finish(self._outcomes)
        except Exception as error:
            self._call.fail(error)
        else:
            self._call.succeed(response)
        finally:
            self._error = None
            if self._long_work is not None:
                self._long_work.leave()


def prepare(scorer: Scorer, creative: Creative) -> PreparedCreative:
    """Checks and decodes a creative.

    Raises:
        InvalidCreativeError: With the field at fault.
    """
    if len(creative.id) > MAX_ID_CHARACTERS:
        raise InvalidCreativeError(
            "id",
            Reason.ID_TOO_LONG,
            f"expected at most {MAX_ID_CHARACTERS} characters. "
            f"Received: {len(creative.id)} characters",
        )
    return scorer.preparer.creative(creative)


def score_creatives(
    scorer: Scorer, creatives: Sequence[Creative], call: Call, long_work: LongWork | None = None
) -> list[Outcome]:
    """Scores creatives together; each has an outcome of its own, in their order.

    Args:
        scorer: The model.
        creatives: Any number of them.
        call: Whose they are.
        long_work: Where images are decoded that take long; None means here.

    Raises:
        CallAbandonedError: The caller has gone.
    """
    prepared: list[PreparedCreative | Exception] = []
    for creative in creatives:
        call.require_caller()
        if long_work is not None and is_large_image(creative.image):
            prepared.append(long_work.do(partial(_try_to_prepare, scorer, creative)).result())
        else:
            prepared.append(_try_to_prepare(scorer, creative))
    passed = [one for one in prepared if not isinstance(one, Exception)]
    scores = iter(_score_each(scorer, passed, log=True))
    return [one if isinstance(one, Exception) else next(scores) for one in prepared]


def check_request_id(request_id: str) -> None:
    """Raises InvalidRequestError where the id of a request of a stream is too long."""
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


def _try_to_prepare(scorer: Scorer, creative: Creative) -> PreparedCreative | Exception:
    try:
        return prepare(scorer, creative)
    except InvalidCreativeError as error:
        return error
    except Exception as error:
        log_unexpected(error, "Preparing a creative")
        return error


def _score_each(
    scorer: Scorer, creatives: Sequence[PreparedCreative], *, log: bool = False
) -> Sequence[Outcome]:
    """All together; each alone where that fails, so that one does not fail the others."""
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
