"""One call, from its arrival until gRPC has written its last byte."""

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.message import Message

from adscore_server.calls.status import describe, log_unexpected, to_rpc_status
from adscore_server.errors import CallAbandonedError, OverloadedError, RequestTimeoutError

if TYPE_CHECKING:
    from adscore_server.calls.admission import Places

REQUEST_ID_HEADER = "x-request-id"

_REQUEST_ID = re.compile(r"[ -~]{1,128}")


class Work(Protocol):
    """A queue of received calls."""

    def put(self, call: "Call") -> None:
        """Takes a call; never blocks."""

    def drop(self, call: "Call") -> bool:
        """Removes a call; returns whether it was still waiting."""


class Observer:
    """Callbacks from the threads that work on calls; they must be quick and never raise."""

    def began(self, call: "Call") -> None:
        """The call has arrived."""

    def answered(self, call: "Call", response: Message) -> None:
        """The call has one more answer, not yet sent."""

    def ended(self, call: "Call", code: grpc.StatusCode) -> None:
        """The call is over, with this code."""


class Call:
    """One call.

    gRPC's serving thread reports its request and its end; a worker answers it. The thread that
    takes it from where it waits (see `_claim` and `WorkQueue.drop`) answers it, so only one does.

    Args:
        method: Full name of the method, e.g. ``"/adscore.v1.ScoringService/Score"``.
        metadata: The caller's metadata.
        observers: Notified of its arrival, answers and end.
        places: The places of its kind; None if it is refused.
        work: Queue for its request; must not block.

    Attributes:
        method: As passed.
        metadata: As passed.
        request_id: The caller's id for it, or a new one; empty if it has no observers.
        caller: Name of its token; empty if the server requires none.
        peer: gRPC's name of its connection; empty before it began.
        bytes_in: Bytes received.
        bytes_out: Bytes answered.
        creatives: Creatives to score; for a grid or a match, its headlines and images.
        reason: Why it failed, a stable name; empty if it did not.
        arrival: When it arrived, in seconds of the monotonic clock.
        answered: Whether its answer was handed to gRPC.
        idle_since: Since when it has waited for its caller to send or read, on the same clock; 0.0
            while the caller waits.
        deadline: When its caller gives up, on the same clock.
        raw: Its request; None before it arrives and after it is answered.
        gone: Whether gRPC is done with it: all is written, or the caller has gone.
        places: As passed.
        refusal: Why it is refused on arrival; None if it is not.
        context: gRPC's context; None before it began and after its end.
        respond: Makes gRPC send the answer; None before it began and once called.
        end_stream: Ends a streaming call with an error; None for a call with one request.
    """

    __slots__ = (
        "_awaited",
        "_when_gone",
        "answer",
        "answered",
        "arrival",
        "bytes_in",
        "bytes_out",
        "caller",
        "context",
        "creatives",
        "deadline",
        "end_stream",
        "gone",
        "idle_since",
        "metadata",
        "method",
        "observers",
        "peer",
        "places",
        "raw",
        "reason",
        "refusal",
        "request_id",
        "respond",
        "work",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        metadata: Iterable[Any] = (),
        observers: Sequence[Observer] = (),
        places: "Places | None" = None,
        work: "Work | None" = None,
    ) -> None:
        self.method, self.metadata, self.observers = method, metadata, observers
        self.places, self.work = places, work
        self.refusal: Exception | None = None
        self._awaited = [True]
        self._when_gone: list[Callable[[], object]] = []
        self.request_id = request_id_from(metadata) if observers else ""
        self.caller = self.peer = self.reason = ""
        self.bytes_in = self.bytes_out = self.creatives = 0
        self.arrival = time.monotonic()
        self.idle_since = self.arrival
        self.answered = False
        self.deadline = float("inf")
        self.raw: bytes | None = None
        self.answer: bytes | grpc.Status | None = None
        self.gone = False
        self.context: grpc.ServicerContext | None = None
        self.respond: Callable[[], object] | None = None
        self.end_stream: Callable[[Exception], object] | None = None
        for observer in observers:
            observer.began(self)

    # === On gRPC's serving thread ===

    def begin(self, context: grpc.ServicerContext) -> bool:
        """Takes a place or refuses the call; returns whether to read the request."""
        self.attach(context)
        places, error = self.places, self.refusal
        if error is None and places is not None:
            taken, loser = places.take(self)
            if loser is not None:
                loser.give_way()
            if taken and not self.gone:
                return True
            if taken:  # the caller left before the call had its place
                places.leave(self)
                error = CallAbandonedError()
            else:
                error = OverloadedError(places.retry_seconds())
        if self._claim():
            self.fail(error or CallAbandonedError())
        return False

    def attach(self, context: grpc.ServicerContext) -> None:
        """Registers for the end of the call."""
        self.context, self.peer = context, str(context.peer())
        self.deadline = self.arrival + context.time_remaining()
        if not context.add_callback(self._finished):
            self._finished()

    def begin_stream(self, context: grpc.ServicerContext) -> None:
        """Begins a streaming call that has its place already; runs on the call's thread."""
        self._claim()
        self.end_stream = lambda _: context.cancel()
        self.attach(context)
        self.say_request_id(context)

    def receive(self, raw: bytes) -> None:
        """Queues the request, unless the call was evicted meanwhile."""
        if not self._claim():
            return
        self.idle_since, self.bytes_in, self.raw = 0.0, len(raw), raw
        if self.places is not None and not self.places.holds_request(self):
            self.fail(OverloadedError(self.places.retry_seconds()))
        elif self.work is not None:
            self.work.put(self)

    def give_way(self, after_seconds: float = 1.0) -> None:
        """Evicts the call, because its caller is slow or has more than a fair share."""
        if self.answered:
            if (context := self.context) is not None:
                context.cancel()
            return
        error = OverloadedError(self.places.retry_seconds() if self.places else 1.0)
        if self.end_stream is not None:
            self.end_stream(error)
        elif self._claim():
            late = time.monotonic() - self.idle_since >= after_seconds
            self.fail(RequestTimeoutError(after_seconds) if late else error)
        else:
            self.fail(error)

    def _finished(self) -> None:
        """Called when all is written or the caller has gone."""
        self.gone = True
        if self.places is not None:
            self.places.leave(self)
        if not self.answered and (
            self._claim() or (self.work is not None and self.work.drop(self))
        ):
            self.respond = None
            self.fail(CallAbandonedError())
        self._tell_gone()
        # Breaks the reference cycle through the call.
        self.raw = self.context = self.respond = self.end_stream = None

    def _claim(self) -> bool:
        """Whether it was still waiting for its request; true only for the first thread to ask."""
        try:
            return self._awaited.pop()
        except IndexError:
            return False

    def _tell_gone(self) -> None:
        while True:
            try:
                told = self._when_gone.pop()
            except IndexError:
                return
            told()

    # === On the thread that works on it ===

    def when_gone(self, told: Callable[[], object]) -> None:
        """Registers a callback for when gRPC is done with the call; runs it at once if it is.

        gRPC's serving thread runs the callback, which must not block.
        """
        self._when_gone.append(told)
        if self.gone:
            self._tell_gone()

    def forget(self, told: Callable[[], object]) -> None:
        """Removes that callback if it has not run yet."""
        with contextlib.suppress(ValueError):
            self._when_gone.remove(told)

    def take_request(self) -> bytes:
        """Returns the request and drops the call's reference to it.

        Raises:
            CallAbandonedError: The caller no longer waits for the answer.
        """
        raw, self.raw = self.raw, None
        if raw is None or not self.is_wanted():
            raise CallAbandonedError
        return raw

    def is_wanted(self) -> bool:
        """Whether the caller still waits for the answer."""
        return not self.gone and time.monotonic() < self.deadline

    def require_caller(self) -> None:
        """Raises CallAbandonedError if the caller no longer waits."""
        if not self.is_wanted():
            raise CallAbandonedError

    def succeed(self, response: Message) -> None:
        """Answers the call."""
        answer = response.SerializeToString()
        self.count_answer(response, answer)
        self._settle(answer, grpc.StatusCode.OK)

    def count_answer(self, response: Message, answer: bytes) -> None:
        """Counts an answer and notifies the observers."""
        self.bytes_out += len(answer)
        for observer in self.observers:
            observer.answered(self, response)

    def fail(self, error: Exception) -> None:
        """Ends the call with an error's status; an unexpected error is logged without its text."""
        status, code = self.status_of(error)
        self._settle(status, code)

    def status_of(self, error: Exception) -> tuple[grpc.Status, grpc.StatusCode]:
        """Status and code for an error; keeps the reason for the log."""
        failure = describe(error)
        if failure.code is grpc.StatusCode.INTERNAL:
            log_unexpected(error, self.method)
        self.reason = failure.reason
        return to_rpc_status(failure, self.request_id), failure.code

    def end(self, code: grpc.StatusCode) -> None:
        """Notifies the observers of the end."""
        for observer in self.observers:
            observer.ended(self, code)

    def deliver(self, context: grpc.ServicerContext) -> bytes:
        """Returns the answer to gRPC, which calls this as the method's behaviour."""
        answer = self.answer
        if isinstance(answer, grpc.Status):
            context.abort_with_status(answer)
        if answer is None:
            context.cancel()  # gRPC is done with it
            return b""
        self.say_request_id(context)
        return answer

    def say_request_id(self, context: grpc.ServicerContext) -> None:
        """Sends the request id in the trailers; an error has it in its details.

        Initial metadata would be a separate message, after which gRPC does not retry a call.
        """
        if self.request_id:
            context.set_trailing_metadata(((REQUEST_ID_HEADER, self.request_id),))

    def _settle(self, answer: bytes | grpc.Status, code: grpc.StatusCode) -> None:
        self.answer, self.raw = answer, None
        # A client that has gone, or whose deadline has passed, does not get the answer.
        self.end(code if self.is_wanted() else grpc.StatusCode.CANCELLED)
        self.answered, self.idle_since = True, time.monotonic()
        respond, self.respond = self.respond, None
        if respond is not None:
            respond()


def request_id_from(metadata: Iterable[Any]) -> str:
    """The id that a caller sent, or a new one if it is missing or invalid.

    Args:
        metadata: Pairs of key and value; a valid id is 1 to 128 printable ASCII characters.
    """
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex
