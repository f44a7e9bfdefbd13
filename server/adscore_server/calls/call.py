"""One call from its arrival until gRPC has written its last byte: its id, its answer, its end."""

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
    """Where received calls wait to be worked on."""

    def put(self, call: "Call") -> None:
        """Takes a call; never blocks."""

    def drop(self, call: "Call") -> bool:
        """Takes it out again; says whether it was still waiting."""


class Observer:
    """Told of calls by the threads that work on them; must be quick and never fail."""

    def began(self, call: "Call") -> None:
        """The call has arrived."""

    def answered(self, call: "Call", response: Message) -> None:
        """The call has one more answer, which is not yet sent."""

    def ended(self, call: "Call", code: grpc.StatusCode) -> None:
        """The call is over, with this code."""


class Call:
    """One call.

    gRPC's serving thread tells of its request and of its end, a worker answers it. Whoever takes
    it out of where it waits (see `_claim` and `WorkQueue.drop`) answers it, so it is answered once.

    Args:
        method: Full name of the method, e.g. ``"/adscore.v1.ScoringService/Score"``.
        metadata: What the caller sent along.
        observers: Told of its life.
        places: Those of its kind; None where it is refused.
        work: Hands its request on; must not block.

    Attributes:
        method: The same.
        metadata: The same.
        request_id: The caller's id of it, or a new one; empty where nobody observes it.
        caller: Name of the token that it brought; empty where none is asked for.
        peer: gRPC's name of the connection that it came by; empty before it began.
        bytes_in: Size of what was received, in bytes.
        bytes_out: Size of what was answered, in bytes.
        creatives: Creatives that it asks to score; of a grid or a match, its parts.
        reason: Why it failed, a stable name; empty where it did not.
        arrival: When it came, in seconds of the monotonic clock.
        answered: Whether its answer was handed to gRPC.
        idle_since: Since when it waits for its caller, to send or to read, likewise; 0.0 while it
            is the caller who waits.
        deadline: When its caller gives up, likewise.
        raw: Its request; None before it came and after it was answered.
        gone: Whether gRPC is done with it: all is written, or the caller has gone.
        places: The same.
        refusal: Why it is refused as it comes; None where it is not.
        context: gRPC's; None before it began and after its end.
        respond: Has gRPC send the answer; None before it began and once it was called.
        end_stream: Ends a call that lasts, with an error; None of one that brings one request.
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

    # === By gRPC's serving thread ===

    def begin(self, context: grpc.ServicerContext) -> bool:
        """Takes its place, or refuses it; says whether the request is wanted."""
        self.attach(context)
        places, error = self.places, self.refusal
        if error is None and places is not None:
            taken, loser = places.take(self)
            if loser is not None:
                loser.give_way()
            if taken and not self.gone:
                return True
            if taken:  # the caller went before the call had its place
                places.leave(self)
                error = CallAbandonedError()
            else:
                error = OverloadedError(places.retry_seconds())
        if self._claim():
            self.fail(error or CallAbandonedError())
        return False

    def attach(self, context: grpc.ServicerContext) -> None:
        """Watches for the end of the call."""
        self.context, self.peer = context, str(context.peer())
        self.deadline = self.arrival + context.time_remaining()
        if not context.add_callback(self._finished):
            self._finished()

    def begin_stream(self, context: grpc.ServicerContext) -> None:
        """By the thread of a call that lasts, which has its place already."""
        self._claim()
        self.end_stream = lambda _: context.cancel()
        self.attach(context)
        self.say_request_id(context)

    def receive(self, raw: bytes) -> None:
        """Hands the request on, unless the call has given way meanwhile."""
        if not self._claim():
            return
        self.idle_since, self.bytes_in, self.raw = 0.0, len(raw), raw
        if self.places is not None and not self.places.holds_request(self):
            self.fail(OverloadedError(self.places.retry_seconds()))
        elif self.work is not None:
            self.work.put(self)

    def give_way(self, after_seconds: float = 1.0) -> None:
        """Ends a call for the sake of others: its caller is slow, or has more than a share."""
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
        """All is written, or the caller has gone."""
        self.gone = True
        if self.places is not None:
            self.places.leave(self)
        if not self.answered and (
            self._claim() or (self.work is not None and self.work.drop(self))
        ):
            self.respond = None
            self.fail(CallAbandonedError())
        self._tell_gone()
        # Or the call would be a cycle.
        self.raw = self.context = self.respond = self.end_stream = None

    def _claim(self) -> bool:
        """Whether it was still waiting for its request; true for whoever asks first."""
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

    # === By whoever works on it ===

    def when_gone(self, told: Callable[[], object]) -> None:
        """Has a function called when gRPC is done with the call, at once if it is.

        gRPC's serving thread calls it, which must not block.
        """
        self._when_gone.append(told)
        if self.gone:
            self._tell_gone()

    def forget(self, told: Callable[[], object]) -> None:
        """Takes that back, if it is not too late."""
        with contextlib.suppress(ValueError):
            self._when_gone.remove(told)

    def take_request(self) -> bytes:
        """The request, which the call keeps no longer.

        Raises:
            CallAbandonedError: Nobody waits for the answer any more.
        """
        raw, self.raw = self.raw, None
        if raw is None or not self.is_wanted():
            raise CallAbandonedError
        return raw

    def is_wanted(self) -> bool:
        """Whether somebody still waits for the answer."""
        return not self.gone and time.monotonic() < self.deadline

    def require_caller(self) -> None:
        """Raises CallAbandonedError where nobody waits any more."""
        if not self.is_wanted():
            raise CallAbandonedError

    def succeed(self, response: Message) -> None:
        """Answers."""
        answer = response.SerializeToString()
        self.count_answer(response, answer)
        self._settle(answer, grpc.StatusCode.OK)

    def count_answer(self, response: Message, answer: bytes) -> None:
        """Tells of one answer."""
        self.bytes_out += len(answer)
        for observer in self.observers:
            observer.answered(self, response)

    def fail(self, error: Exception) -> None:
        """Ends the call with the status of an error; an unexpected one is logged without text."""
        status, code = self.status_of(error)
        self._settle(status, code)

    def status_of(self, error: Exception) -> tuple[grpc.Status, grpc.StatusCode]:
        """The status that an error becomes, and the code; notes the reason for the log."""
        failure = describe(error)
        if failure.code is grpc.StatusCode.INTERNAL:
            log_unexpected(error, self.method)
        self.reason = failure.reason
        return to_rpc_status(failure, self.request_id), failure.code

    def end(self, code: grpc.StatusCode) -> None:
        """Tells the observers that it is over."""
        for observer in self.observers:
            observer.ended(self, code)

    def deliver(self, context: grpc.ServicerContext) -> bytes:
        """Hands the answer to gRPC; it is what gRPC calls as the method's behaviour."""
        answer = self.answer
        if isinstance(answer, grpc.Status):
            context.abort_with_status(answer)
        if answer is None:
            context.cancel()  # gRPC is done with it
            return b""
        self.say_request_id(context)
        return answer

    def say_request_id(self, context: grpc.ServicerContext) -> None:
        """Puts the request id behind the answer; an error has it in its details.

        Ahead of the answer it would be a message of its own, after which gRPC retries no call.
        """
        if self.request_id:
            context.set_trailing_metadata(((REQUEST_ID_HEADER, self.request_id),))

    def _settle(self, answer: bytes | grpc.Status, code: grpc.StatusCode) -> None:
        self.answer, self.raw = answer, None
        # Nobody gets the answer whose client has gone, or whose deadline has passed.
        self.end(code if self.is_wanted() else grpc.StatusCode.CANCELLED)
        self.answered, self.idle_since = True, time.monotonic()
        respond, self.respond = self.respond, None
        if respond is not None:
            respond()


def request_id_from(metadata: Iterable[Any]) -> str:
    """The id that a caller sent, or a new one where there is none or it breaks the contract.

    Args:
        metadata: Pairs of key and value; a good id is 1 to 128 printable ASCII characters.
    """
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex
