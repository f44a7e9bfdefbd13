"""A gRPC server over a set of models."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from adscore.scoring.pixel_budget import PixelBudget
from adscore_server.access.tls import Certificates
from adscore_server.access.tokens import TokenFile
from adscore_server.addresses import address_error, bound_socket
from adscore_server.calls.admission import Places
from adscore_server.calls.call import Call, Observer
from adscore_server.calls.receive import receiver
from adscore_server.calls.router import (
    HealthRoutes,
    Route,
    Router,
    on_threads,
)
from adscore_server.calls.wire import parse, require_small
from adscore_server.checking import CHECK, CHECKS
from adscore_server.config import Keepalive, ServerConfig, is_unix
from adscore_server.connections import Peer, end_connections, stop_listening
from adscore_server.errors import ServerStoppingError
from adscore_server.models.registry import ModelRegistry, ServedModels
from adscore_server.monitoring.call_log import CallLog
from adscore_server.monitoring.health_server import HealthServer
from adscore_server.monitoring.statistics import ServerStatistics
from adscore_server.scoring.services import EXPLAIN, MODELS, SCORING, Services
from adscore_server.scoring.streaming import Streams

if TYPE_CHECKING:
    from adscore_server.calls.receive import Handler

# Time for the last bytes to leave once every call is answered.
_FLUSH_SECONDS = 1.0
# Time for messages that no one waits for: a change of health, a refusal.
_LAST_WORD_SECONDS = 0.1
# How long clients have to see from health that the server stops, before connections close.
_NOTICE_SECONDS = 0.5
# Interval of the search for connections without calls.
_LOOK_SECONDS = 0.1
# Interval of the check whether all calls have ended.
_POLL_SECONDS = 0.01
# How long a client's system may take to acknowledge bytes (TCP_USER_TIMEOUT); beyond that, its
# machine or network is gone.
_TCP_MILLISECONDS = 20_000
# The shortest interval at which clients may ping the server.
_MIN_MILLISECONDS_OF_PINGS = 10_000
# Calls that are answered at once: model metadata and health. Health needs no token, and each call
# that does not finish its request may hold one of the largest size.
_MAX_QUICK_CALLS = 128
_MAX_HEALTH_CALLS = 32
# Explanations, and as many checks: both take long, and queue.
_MAX_LONG_CALLS = 16
# Each holds a thread while its client is connected.
_MAX_REFLECTIONS = 16
# Calls on one connection; gRPC clients queue further ones.
_MAX_CALLS_OF_A_CONNECTION = 128
# Calls that gRPC holds until its serving thread takes them. Beyond that it cancels random ones with
# CANCELLED; calls that are reset right after they are made count too.
_MAX_PENDING_CALLS = 20_000
# Bytes of waiting requests, as a multiple of the largest request.
_MAX_WAITING_REQUESTS = 8
# Where there are too many streams, one that has been idle this long is ended.
_STREAM_PATIENCE_SECONDS = 10.0


class Server:
    """Serves models at an address; as a context manager it starts and stops.

    Args:
        models: The models to serve first; see `serve_models`.
        config: How it listens and how much work it accepts.
        observers: Notified of every call.
        keepalive: When silent clients count as gone.
        budget: Bounds the pixels that checks decode at once; pass the models' own to share it.

    Raises:
        StartError: The token file is invalid.
    """

    def __init__(
        self,
        models: ModelRegistry,
        config: ServerConfig | None = None,
        observers: Sequence[Observer] = (CallLog(),),
        keepalive: Keepalive = Keepalive(),  # noqa: B008 - frozen
        budget: PixelBudget | None = None,
    ) -> None:
        self.config = config or ServerConfig()
        self._models = ServedModels(models)
        self._model_changes = 0
        config = self.config
        self._scores = Places(
            config.threads + config.max_waiting_calls,
            config.decode_threads,
            max_bytes=_MAX_WAITING_REQUESTS * config.max_message_bytes,
        )
        self._streams = Places(
            config.max_streams, queues=False, patience_seconds=_STREAM_PATIENCE_SECONDS
        )
        self._quick, self._probes = Places(_MAX_QUICK_CALLS), Places(_MAX_HEALTH_CALLS)
        self._explanations, self._checks = (
            Places(_MAX_LONG_CALLS, max_bytes=_MAX_WAITING_REQUESTS * config.max_message_bytes)
            for _ in range(2)
        )
        self._lasting = (self._scores, self._streams, self._explanations, self._checks)
        self._services = Services(config, self._models, self._scores, budget)
        calls = config.threads + config.max_waiting_calls + _MAX_QUICK_CALLS + 2 * _MAX_LONG_CALLS
        self._receiver = receiver(calls)
        tokens = TokenFile(config.tokens) if config.tokens else None
        self._router = Router(self._receiver, observers, tokens)
        self._streaming = Streams(
            self._services.scoring, config.decode_threads, self._router.require_token
        )
        # The non-blocking mode sends while it holds a lock that gRPC's own thread takes when a
        # watcher leaves, and sending waits for that thread: the whole server would deadlock.
        self._health = health.HealthServicer(experimental_non_blocking=False)
        self._health_routes = HealthRoutes(self._health)
        self._stream_threads = ThreadPoolExecutor(config.max_streams, "stream")
        self._reflection_threads = ThreadPoolExecutor(_MAX_REFLECTIONS, "reflection")
        self._shown: dict[str, bool] = {}
        self.health_server = self._make_health_server()
        self._port: int | None = None
        self._certificates: Certificates | None = None
        self._show_health()
        self._add_routes()
        # Runs nothing: every route has its own threads or needs none.
        threads = ThreadPoolExecutor(1)
        self._server = grpc.server(threads, options=_channel_options(config, keepalive))
        self._server.add_generic_rpc_handlers((self._router,))
        self._stopped = False

    @property
    def address(self) -> str:
        """HOST:PORT or unix:PATH that it listens on; the real port once started."""
        if is_unix(self.config.address):
            return self.config.address
        host, _, port = self.config.address.rpartition(":")
        return f"{host}:{port if self._port is None else self._port}"

    def start(self) -> int:
        """Starts to listen and serve.

        Returns:
            The port; meaningless for a Unix socket.

        Raises:
            StartError: The address cannot be listened on, or the certificates are invalid.
        """
        try:
            self._port = self._listen()
        except RuntimeError as error:
            if not is_unix(self.config.address):
                bound_socket(self.config.address).close()  # raises with the reason, if it finds one
            raise address_error(self.config.address, "it cannot be listened on") from error
        if self.health_server is not None:
            self.health_server.start()
        self._router.start()
        self._server.start()
        self._show_health()
        return self._port

    def serve_models(self, models: ModelRegistry) -> None:
        """Serves another set of models from now on; calls in flight keep their model.

        Without a model that scores, health of ScoringService and of the whole server is
        NOT_SERVING, and calls for a score get UNAVAILABLE.
        """
        # A version that starts to load, or is refused, changes nothing for callers.
        self._model_changes += models.loaded != self._models.registry.loaded
        self._models.registry = models
        self._show_health()

    def statistics(self) -> ServerStatistics:
        """Totals since the start, and the current state."""
        queue = self._services.queue.statistics()
        return ServerStatistics(
            models=self._models.entries,
            model_changes=self._model_changes,
            queue=replace(queue, refused=queue.refused + self._scores.refused),
            calls={
                "score": len(self._scores),
                "stream": len(self._streams),
                "quick": len(self._quick) + len(self._probes),
                "explain": len(self._explanations),
                "check": len(self._checks),
            },
            expiries=self._certificates.expiries if self._certificates else {},
        )

    def stop(self, drain_seconds: float | None = None) -> bool:
        """Stops: health becomes NOT_SERVING, new calls get UNAVAILABLE, calls in flight may finish.

        A call that has not ended in time loses its connection; its thread ends when its work
        does. Stopping again does nothing.

        Args:
            drain_seconds: How long calls in flight may take; None uses the configured time.

        Returns:
            Whether every call in flight finished.
        """
        if self._stopped:
            return True
        self._stopped = True
        self._health.enter_graceful_shutdown()
        self._router.drain()
        self._streaming.end(ServerStoppingError())
        limit = self.config.drain_seconds if drain_seconds is None else drain_seconds
        drained = self._port is None or self._drain(self._port, limit)
        if self._port is not None:
            self._disconnect(self._port)
        self._server.stop(None).wait()
        if self.health_server is not None:
            self.health_server.stop()
        self._router.stop()
        self._services.stop(wait=drained)
        for threads in (self._streaming, self._stream_threads, self._health_routes,
                        self._reflection_threads, self._receiver):  # fmt: skip
            threads.shutdown(wait=drained)
        return drained

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _drain(self, port: int, limit_seconds: float) -> bool:
        """Waits for the calls in flight; returns whether they ended in time.

        Clients that watch health move to another server if they know one. The others would be
        refused until the last call ends, so after a while the server stops accepting
        connections and closes each one without a call.
        """
        end = time.monotonic() + limit_seconds
        drained = self._wait_until_answered(min(limit_seconds, _NOTICE_SECONDS))
        while not drained and (left := end - time.monotonic()) > 0:
            stop_listening(port)
            peers = [places.peers() for places in self._lasting]
            if None not in peers:
                end_connections(port, keep=set().union(*filter(None, peers)))
            drained = self._wait_until_answered(min(left, _LOOK_SECONDS))
        if drained:
            end = time.monotonic() + _FLUSH_SECONDS
            while any(map(len, self._lasting)) and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
            time.sleep(_LAST_WORD_SECONDS)
        return drained

    def _wait_until_answered(self, timeout_seconds: float) -> bool:
        """Waits for the calls that take time; the others end at once."""
        end = time.monotonic() + timeout_seconds
        while any(places.unanswered() for places in self._lasting):
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _disconnect(self, port: int) -> None:
        """Closes all connections, so that no client gets gRPC's misleading shutdown status."""
        stop_listening(port)
        ended: set[Peer] = set()
        while last := end_connections(port, keep=ended):
            ended |= last
            time.sleep(_LAST_WORD_SECONDS)  # again, for connections that were being accepted

    def _listen(self) -> int:
        if self.config.tls is None:
            return self._server.add_insecure_port(self.config.address)
        self._certificates = Certificates(self.config.tls)
        credentials = self._certificates.credentials()
        return self._server.add_secure_port(self.config.address, credentials)

    def _make_health_server(self) -> HealthServer | None:
        config = self.config
        if not config.health_address:
            return None
        return HealthServer(
            self._health_routes,
            self._receiver,
            config.health_address,
            reuse_port=config.reuse_port,
        )

    def _add_routes(self) -> None:
        add, services = self._router.add, self._services
        for method in services.scoring_methods:
            add(method, Route(self._scores, services.queue))
        for method in services.quick_methods:
            add(method, Route(self._quick, services.quick))
        add(EXPLAIN, Route(self._explanations, services.explaining.queue))
        add(CHECK, Route(self._checks, services.checking.queue))
        add(f"/{SCORING}/StreamScore", Route(self._streams, stream=self._stream))
        self._health_routes.add_to(self._router, self._probes)
        if self.config.reflection:
            route = Route(
                Places(_MAX_REFLECTIONS, queues=False), stream=self._reflect, is_own=False
            )
            add(f"/{reflection.SERVICE_NAME}/ServerReflectionInfo", route)

    def _stream(self, call: Call) -> "Handler":
        return on_threads(call, self._stream_threads, self._streaming.answers)

    def _reflect(self, call: Call) -> "Handler":
        names = (SCORING, MODELS, CHECKS, health.SERVICE_NAME, reflection.SERVICE_NAME)
        servicer = reflection.ReflectionServicer(names)
        return on_threads(
            call,
            self._reflection_threads,
            lambda _, requests, context: servicer.ServerReflectionInfo(requests, context),
            lambda raw: parse(reflection_pb2.ServerReflectionRequest, require_small(raw)),
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )

    def _show_health(self) -> None:
        """Shows health: ScoringService serves from the first model, the rest from the start."""
        listens = self._port is not None
        scores = listens and bool(self._models.registry.loaded)
        services = (
            (health.OVERALL_HEALTH, scores),
            (SCORING, scores),
            (MODELS, listens),
            (CHECKS, listens),
        )
        status = health_pb2.HealthCheckResponse
        for name, serves in services:
            if self._shown.get(name) != serves:  # watchers are notified only of changes
                self._shown[name] = serves
                self._health.set(name, status.SERVING if serves else status.NOT_SERVING)


def _channel_options(config: ServerConfig, keepalive: Keepalive) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", -1),  # the request bounds its answer
        ("grpc.so_reuseport", int(config.reuse_port)),
        ("grpc.max_concurrent_streams", _MAX_CALLS_OF_A_CONNECTION),
        ("grpc.server.max_pending_requests", _MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
        ("grpc.keepalive_time_ms", round(keepalive.silence_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", _TCP_MILLISECONDS),
        ("grpc.http2.ping_timeout_ms", round(keepalive.answer_seconds * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _MIN_MILLISECONDS_OF_PINGS),
    ]
