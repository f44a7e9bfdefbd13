"""Routes calls on arrival: who may call, which calls are accepted, and which queue they join."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2

from adscore_server.access.tokens import TokenFile
from adscore_server.calls.admission import SLOW_SECONDS, Places
from adscore_server.calls.call import Call, Observer, Work
from adscore_server.calls.queue import quick_queue
from adscore_server.calls.receive import Receiver
from adscore_server.calls.wire import parse, require_small
from adscore_server.errors import (
    CallAbandonedError,
    InvalidRequestError,
    OverloadedError,
    ServerStoppingError,
    UnauthenticatedError,
)

if TYPE_CHECKING:
    from adscore_server.calls.receive import Handler

HEALTH = f"/{health.SERVICE_NAME}/"

# Each holds a thread while its client is connected.
_MAX_WATCHES = 256
_SWEEP_SECONDS = 0.5

# Takes a call, its requests and gRPC's context; yields the answers.
Behaviour = Callable[[Call, Iterator[Any], grpc.ServicerContext], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """How to handle the calls of a method.

    Attributes:
        places: Bounds their number.
        work: Queue for calls with one request.
        stream: Makes the handler of a streaming call; None for calls with one request.
        needs_token: Whether callers need a token.
        is_own: Whether adscore defines the method: observed, and refused while the server drains.
    """

    places: Places
    work: Work | None = None
    stream: "Callable[[Call], Handler] | None" = None
    needs_token: bool = True
    is_own: bool = True


class Router(grpc.GenericRpcHandler):
    """Finds a handler for each call on gRPC's serving thread; must never block or raise.

    Args:
        receiver: Receives the requests of calls with one request.
        observers: Notified of calls.
        tokens: Accepted tokens; None requires none.
    """

    def __init__(
        self,
        receiver: Receiver,
        observers: Sequence[Observer] = (),
        tokens: TokenFile | None = None,
    ) -> None:
        self._receiver, self._observers, self._tokens = receiver, observers, tokens
        self._routes: dict[str, Route] = {}
        self._draining = False
        self._swept = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sweeper", daemon=True)

    def add(self, method: str, route: Route) -> None:
        """Adds the route of a method, e.g. ``"/adscore.v1.ScoringService/Score"``."""
        self._routes[method] = route

    def service(self, details: grpc.HandlerCallDetails) -> "Handler | None":
        """Returns the handler of a call, which receives its request or refuses it."""
        method = str(details.method)
        metadata: Iterable[Any] = details.invocation_metadata or ()
        route = self._routes.get(method)
        if route is None:
            _, error = self._caller_of(metadata)
            return None if error is None else self._refused(Call(method), error)
        observers = self._observers if route.is_own else ()
        call = Call(method, metadata, observers, route.places, route.work)
        error = None
        if route.needs_token:
            call.caller, error = self._caller_of(metadata)
        if error is None and route.is_own and self._draining:
            error = ServerStoppingError()
        if error is not None:
            return self._refused(call, error)
        if route.stream is None:
            return self._receiver.handler(call)
        taken, loser = route.places.take(call)
        if loser is not None:
            loser.give_way()
        if taken:
            return route.stream(call)
        if method == f"{HEALTH}Watch":
            return None  # answered with UNIMPLEMENTED, which clients read as healthy
        return self._refused(call, OverloadedError(route.places.retry_seconds()))

    def require_token(self, call: Call) -> None:
        """Raises UnauthenticatedError if the token of a call was revoked meanwhile."""
        _, error = self._caller_of(call.metadata)
        if error is not None:
            raise error

    def drain(self) -> None:
        """Answers all further calls with UNAVAILABLE."""
        self._draining = True

    def start(self) -> None:
        """Starts to end calls whose callers are slow."""
        self._sweeper.start()

    def stop(self) -> None:
        """Stops ending slow calls."""
        self._swept.set()

    def _caller_of(self, metadata: Iterable[Any]) -> tuple[str, Exception | None]:
        """The name of a call's token, or why it is refused."""
        if self._tokens is None:
            return "", None
        token = _bearer_token(metadata)
        name = self._tokens.name_of(token) if token else None
        if name is None:
            return "", UnauthenticatedError(token_given=bool(token))
        return name, None

    def _refused(self, call: Call, error: Exception) -> "Handler":
        call.refusal = error
        return self._receiver.handler(call)

    def _sweep(self) -> None:
        while not self._swept.wait(_SWEEP_SECONDS):
            oldest = time.monotonic() - SLOW_SECONDS
            for places in {route.places for route in self._routes.values()}:
                for call in places.calls():
                    if call.end_stream is None and 0.0 < call.idle_since < oldest:
                        call.give_way(SLOW_SECONDS)


def on_threads(
    call: Call,
    threads: ThreadPoolExecutor,
    behaviour: Behaviour,
    read: Callable[[bytes], Any] | None = None,
    write: Callable[[Any], bytes] | None = None,
) -> "Handler":
    """A handler for a call that holds a thread.

    Args:
        call: The call, which has its place.
        threads: Executor to run it.
        behaviour: Answers it.
        read: Parses a request; None leaves it as bytes.
        write: Serialises an answer; None expects bytes.
    """

    def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        call.begin_stream(context)
        return behaviour(call, requests, context)

    answer.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return grpc.stream_stream_rpc_method_handler(answer, read, write)


class HealthRoutes:
    """The routes of grpc.health.v1.

    Args:
        servicer: Answers the calls.
    """

    def __init__(self, servicer: health.HealthServicer) -> None:
        self._servicer = servicer
        self._threads = ThreadPoolExecutor(_MAX_WATCHES, "watch")
        self._checks = quick_queue({f"{HEALTH}Check": self._check})

    def add_to(self, router: Router, places: Places) -> None:
        """Adds the routes; `places` bounds the Check calls."""
        watches = Places(_MAX_WATCHES, queues=False)
        router.add(f"{HEALTH}Check", Route(places, self._checks, needs_token=False, is_own=False))
        router.add(
            f"{HEALTH}Watch", Route(watches, stream=self._watch, needs_token=False, is_own=False)
        )

    def shutdown(self, *, wait: bool) -> None:
        """Ends its threads."""
        self._checks.stop(wait=wait)
        self._threads.shutdown(wait=wait)

    def _check(self, call: Call) -> Message:
        """Answers a Check."""
        request = parse(health_pb2.HealthCheckRequest, require_small(call.take_request()))
        context = call.context
        if context is None:
            raise CallAbandonedError
        response: Message = self._servicer.Check(request, context)
        return response

    def _watch(self, call: Call) -> "Handler":
        write = health_pb2.HealthCheckResponse.SerializeToString
        return on_threads(call, self._threads, self._watched, write=write)

    def _watched(
        self, call: Call, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        raw = next(requests, None)
        call.idle_since = 0.0
        if raw is None:
            return iter(())
        try:  # a name is kept while its client watches
            request = parse(health_pb2.HealthCheckRequest, require_small(raw))
        except InvalidRequestError as error:
            context.abort_with_status(call.status_of(error)[0])
        return self._servicer.Watch(request, context)


def _bearer_token(metadata: Iterable[Any]) -> str:
    """The token of the header `authorization: Bearer TOKEN`; empty without one."""
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                return token.strip()
    return ""
