"""What surrounds every call: room for it, reading the request, errors, and draining."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health

from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.deliveries import Deliveries
from adscore_server.calls.handlers import Behaviour, behaviour_of, refusing, replaced
from adscore_server.calls.observation import OWN_METHODS
from adscore_server.calls.status import abort
from adscore_server.calls.threads import CallThreads
from adscore_server.config import ServerConfig
from adscore_server.connections import Peer
from adscore_server.errors import (
    CallAbandonedError,
    CallReason,
    InvalidRequestError,
    OverloadedError,
    ServerStoppingError,
)

if TYPE_CHECKING:
    from adscore_server.calls.handlers import Handler

_SCORING = f"/{scoring_pb2.DESCRIPTOR.services_by_name['ScoringService'].full_name}/"

# Calls a core that have room however full the server is: what is worked on, and what comes next.
_FEWEST_CALLS = 1
# What answers at once needs few threads, but a call holds one until its request has come: many slow
# or silent callers must be there at once before health waits. Threads are made only when needed.
_QUICK_THREADS = 64
_MOST_QUICK_CALLS = 1_000
# A refusal reads nothing, so nobody can hold the thread that it is given.
_REFUSAL_THREADS = 2
# Each holds a thread while its client is connected.
_MOST_WATCHES = 256
_WATCH = f"/{health.SERVICE_NAME}/Watch"


class CallInterceptor(grpc.ServerInterceptor):
    """Gives every call its threads or a refusal, and calls of adscore's services their status.

    Scores wait for one kind of threads, in a queue with an end. Streams, which last, have
    others, one each, and so have those who watch health. Health, reflection and what the models
    are wait for none of these, and refusals for no other call at all.

    Args:
        config: How many calls of each kind there may be.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.scores = CallThreads(
            config.threads,
            config.max_waiting_calls,
            fewest=math.ceil(_FEWEST_CALLS * config.decode_threads),
        )
        self.streams = CallThreads(config.max_streams, 0, "stream")
        self.quick = CallThreads(_QUICK_THREADS, _MOST_QUICK_CALLS, "quick")
        self.watches = CallThreads(_MOST_WATCHES, 0, "watch")
        self.refusals = ThreadPoolExecutor(_REFUSAL_THREADS, "refusal")
        self._deliveries = Deliveries()
        self._stopping = False

    def refuse_new_calls(self) -> None:
        """From now on, calls that arrive are answered with UNAVAILABLE."""
        self._stopping = True

    def wait_for_calls(self, timeout_seconds: float) -> bool:
        """Waits for the scores and streams taken so far; the others take no time worth waiting.

        Returns:
            Whether all of them ended in time.
        """
        end = time.monotonic() + timeout_seconds
        pools = (self.scores, self.streams)
        return all(pool.wait_for_calls(max(0, end - time.monotonic())) for pool in pools)

    def wait_for_delivery(self, timeout_seconds: float) -> bool:
        """Waits until the answers are written; says whether they were in time."""
        return self._deliveries.wait_for_all(timeout_seconds)

    def served_peers(self) -> set[Peer] | None:
        """Who has a score or stream under way; None while a call of somebody unknown waits."""
        if self.scores.calls + self.streams.calls > len(self._deliveries):
            return None
        return self._deliveries.peers()

    def shutdown(self, *, wait: bool) -> None:
        """Ends the threads; waits for what they do where that is asked for."""
        for pool in (self.scores, self.streams, self.quick, self.watches, self.refusals):
            pool.shutdown(wait=wait)

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Runs as a call arrives, before it waits for a thread."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        method = str(handler_call_details.method)
        threads = self._threads_for(method, handler)
        # Health and reflection answer as they always do, while the server drains too.
        if self._stopping and method.startswith(OWN_METHODS):
            return self.refused(method, ServerStoppingError())
        if not threads.admits_one():
            if method == _WATCH:
                return None  # answered with UNIMPLEMENTED, for which clients take it as healthy
            return self.refused(method, OverloadedError(threads.retry_seconds()))
        if not method.startswith(OWN_METHODS):
            return replaced(handler, _on(threads, _wrapped(behaviour_of(handler))))
        answer = _answer_stream if handler.request_streaming else _answer_one
        behaviour = answer(method, behaviour_of(handler))
        if method.startswith(_SCORING):
            behaviour = _delivering(behaviour, self._deliveries)
        return replaced(
            handler,
            _on(threads, behaviour),
            _tolerant(handler.request_deserializer),
        )

    def refused(self, method: str, error: Exception) -> "Handler":
        """A handler that fails a call at once, and reads nothing of what it sends."""

        def refuse(requests: Any, context: grpc.ServicerContext) -> NoReturn:  # noqa: ARG001
            abort(context, error, method)

        return refusing(_on(self.refusals, refuse))

    def _threads_for(self, method: str, handler: "Handler") -> CallThreads:
        if method == _WATCH:
            return self.watches
        if not method.startswith(_SCORING):
            return self.quick
        return self.streams if handler.request_streaming else self.scores


def _on(threads: ThreadPoolExecutor, behaviour: Behaviour) -> Behaviour:
    """The behaviour, run on threads of its own rather than those of the server."""
    behaviour.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return behaviour


def _wrapped(behaviour: Behaviour) -> Behaviour:
    """A function of its own, with the behaviour's attributes: methods cannot be given others."""
    return functools.wraps(behaviour)(lambda *arguments: behaviour(*arguments))


def _delivering(behaviour: Behaviour, deliveries: Deliveries) -> Behaviour:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        deliveries.add(context)
        return behaviour(request, context)

    return answer


def _answer_one(method: str, behaviour: Behaviour) -> Behaviour:
    def answer(request: Any, context: grpc.ServicerContext) -> Message:
        try:
            response: Message = behaviour(_readable(request), context)
        except Exception as error:
            abort(context, error, method)
        return response

    return answer


def _answer_stream(method: str, behaviour: Behaviour) -> Behaviour:
    def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Message]:
        try:
            yield from behaviour(map(_readable, requests), context)
        except grpc.RpcError:  # raised by reading what a client sends that has gone
            abort(context, CallAbandonedError(), method)
        except Exception as error:
            abort(context, error, method)

    return answer


def _readable(request: Any) -> Any:
    if isinstance(request, DecodeError):
        raise InvalidRequestError(
            "",
            CallReason.REQUEST_UNREADABLE,
            "expected a request of adscore.v1, with text in UTF-8. Received: bytes that are none",
        )
    return request


def _tolerant(
    deserialize: Callable[[bytes], Any] | None,
) -> Callable[[bytes], Any] | None:
    """Hands a request that cannot be read on as the error, for a status that says so.

    grpcio itself would answer INTERNAL, as if the fault were the server's.
    """
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return error

    return read
