"""Calls of many creatives or images, split into pieces for any free worker."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from google.protobuf.message import Message

from adscore.errors import InvalidCreativeError
from adscore.scoring.graphs import MAX_BATCH
from adscore.scoring.pixel_budget import PixelBudget
from adscore_server.calls.call import Call
from adscore_server.calls.queue import WorkQueue
from adscore_server.calls.status import log_unexpected
from adscore_server.errors import InvalidRequestError
from adscore_server.scoring.long_work import LongWork

# Creatives that a worker takes from one call at a time. With fewer, each run of the graphs does
# less; with more, a call of 32 would stay on a single core.
_PIECE_CREATIVES = 16
# A request of a stream stays with one worker: the others have their own requests.
_STREAM_PIECE_CREATIVES = MAX_BATCH


class Job(Protocol):
    """The work of a call; its creatives or images are identified by position.

    Attributes:
        count: Number of creatives or images.
        budget: Budget from which large images claim their pixels.
    """

    count: int
    budget: PixelBudget

    def check(self, place: int) -> Any:
        """Checks one before it is decoded; errors are returned, not raised."""

    def decode(self, checked: Any) -> Any:
        """Decodes one that passed the check; errors are returned likewise."""

    def work(self, decoded: Sequence[Any]) -> Sequence[Any]:
        """Processes decoded ones; returns an outcome for each."""

    def finish(self, outcomes: list[Any]) -> Message:
        """Makes the response from all outcomes, including errors."""


class PiecesOfCall:
    """The remaining work of a call; the worker that does the last piece answers it.

    An image that is slow to decode leaves its piece and returns as a separate piece.

    Args:
        call: The call.
        job: Its work.
        long_work: Decodes slow images.
        is_long: Whether the answer takes long to finish.
    """

    _size = _PIECE_CREATIVES

    def __init__(self, call: Call, job: Job, long_work: LongWork, *, is_long: bool = False) -> None:
        self._call, self._job, self._long_work = call, job, long_work
        self._is_long = is_long
        self._outcomes: list[Any] = [None] * job.count
        self._pieces = [
            range(start, min(start + self._size, job.count))
            for start in range(0, job.count, self._size)
        ]
        self._left = len(self._pieces)
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._entered = False

    def start(self, queue: WorkQueue) -> None:
        """Has it worked on.

        Raises:
            OverloadedError: Its answer takes long to finish, and too many calls wait for such work.
        """
        if self._is_long:
            self._enter()
        queue.put_pieces(self, len(self._pieces))

    def take(self) -> tuple[Callable[[], None], bool]:
        """Removes the next piece; returns it and whether more remain."""
        piece = self._pieces.pop(0)
        return lambda: self._do(partial(self._work_on, piece)), bool(self._pieces)

    def _do(self, step: Callable[[], None]) -> None:
        try:
            if self._error is None:
                self._call.require_caller()
                step()
        except Exception as error:
            self._error = self._error or error
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if self._is_long:
            self._long_work.do(self._answer)
        else:
            self._answer()

    def _work_on(self, piece: Sequence[int]) -> None:
        ready: dict[int, Any] = {}
        for place in piece:
            self._call.require_caller()
            checked = self._job.check(place)
            if getattr(checked, "takes_long", False):
                self._work_later(place, checked)
            else:
                ready[place] = checked if failed(checked) else self._job.decode(checked)
        self._keep(ready)

    def _work_later(self, place: int, checked: Any) -> None:
        self._enter()
        with self._lock:
            self._left += 1
        self._long_work.decode(
            self._call,
            self._job.budget.claim(checked.pixels),
            partial(self._do, lambda: self._keep({place: self._job.decode(checked)})),
        )

    def _keep(self, ready: dict[int, Any]) -> None:
        """Keeps the outcomes of some creatives, decoded or failed."""
        decoded = {place: one for place, one in ready.items() if not failed(one)}
        outcomes = self._job.work(list(decoded.values())) if decoded else ()
        ready |= zip(decoded, outcomes, strict=True)
        for place, outcome in ready.items():
            self._outcomes[place] = outcome

    def _enter(self) -> None:
        with self._lock:
            if not self._entered:
                self._long_work.enter(self._call)
                self._entered = True

    def _answer(self) -> None:
        try:
            self._call.require_caller()
            if self._error is not None:
                raise self._error
            response = self._job.finish(self._outcomes)
        except Exception as error:
            self._fail(error)
        else:
            self._succeed(response)
        finally:
            self._error = None
            if self._entered:
                self._long_work.leave()

    def _succeed(self, response: Message) -> None:
        self._call.succeed(response)

    def _fail(self, error: Exception) -> None:
        self._call.fail(error)


class PiecesOfStreamRequest(PiecesOfCall):
    """A request of a stream; the stream bounds their number.

    Args:
        call: The stream.
        job: The work of the request.
        long_work: Decodes slow images.
        answer: Receives the response, or the error that ends the stream.
    """

    _size = _STREAM_PIECE_CREATIVES

    def __init__(
        self, call: Call, job: Job, long_work: LongWork, answer: "Future[Message]"
    ) -> None:
        super().__init__(call, job, long_work)
        self._given = answer

    def run(self) -> None:
        """Does all pieces on this thread; slow images may follow later."""
        more = True
        while more:
            piece, more = self.take()
            piece()

    def _enter(self) -> None:
        pass

    def _succeed(self, response: Message) -> None:
        self._given.set_result(response)

    def _fail(self, error: Exception) -> None:
        self._given.set_exception(error)


def attempt(step: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a step; an invalid creative's error is returned, a bug in adscore is logged."""
    try:
        return step(*arguments)
    except (InvalidCreativeError, InvalidRequestError) as error:
        return error
    except Exception as error:
        log_unexpected(error, "Preparing a creative")
        return error


def failed(outcome: Any) -> bool:
    """Whether an outcome is an error rather than a result."""
    return isinstance(outcome, Exception)
