"""A gRPC server over a set of models."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from adscore_protos.v1 import model_pb2, model_pb2_grpc, scoring_pb2, scoring_pb2_grpc
from adscore_server.access.tls import server_credentials
from adscore_server.addresses import address_error, bound_socket
from adscore_server.calls.interceptor import CallInterceptor
from adscore_server.calls.observation import Observer
from adscore_server.config import Keepalive, ServerConfig
from adscore_server.connections import Peer, end_connections, stop_listening
from adscore_server.errors import ServerStoppingError
from adscore_server.interceptors import interceptors
from adscore_server.models.registry import ModelRegistry, ServedModels
from adscore_server.monitoring.call_log import CallLog
from adscore_server.monitoring.health_server import HealthServer
from adscore_server.monitoring.statistics import ServerStatistics
from adscore_server.scoring.engine import ScoringEngine
from adscore_server.scoring.grids import GridEngine
from adscore_server.scoring.model_service import ModelService
from adscore_server.scoring.service import ScoringService
from adscore_server.scoring.streaming import Streams

SCORING = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name
MODELS = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

# What is left to do once every call has returned: its last bytes go out.
_FLUSH_SECONDS = 1.0
# For words that nobody waits for: that health has changed, that a call is refused.
_LAST_WORD_SECONDS = 0.1
# How long clients have to notice by health that the server stops, before connections are ended.
_NOTICE_SECONDS = 0.5
# How often connections are looked for that carry no call any more.
_LOOK_SECONDS = 0.1
# How long the system of a client may take to acknowledge bytes (TCP_USER_TIMEOUT): none does whose
# machine or network has gone.
_TCP_MILLISECONDS = 20_000
# Clients may ask whether the server is there as often as this.
_FEWEST_MILLISECONDS_OF_PINGS = 10_000


class Server:
    """Serves models at an address; as a context manager it starts and stops.

    Args:
        models: What it serves at first; see `serve_models`.
        config: How it listens and how much it takes on.
        observers: Are told of every call.
        keepalive: When clients that say nothing are taken for gone.

    Raises:
        StartError: The token file is no good.
    """

    def __init__(
        self,
        models: ModelRegistry,
        config: ServerConfig | None = None,
        observers: Sequence[Observer] = (CallLog(),),
        keepalive: Keepalive = Keepalive(),  # noqa: B008 - frozen
    ) -> None:
        self.config = config or ServerConfig()
        self._models = ServedModels(models)
        self._model_changes = 0
        self._calls = CallInterceptor(self.config)
        self._workers = ThreadPoolExecutor(self.config.decode_threads, "work")
        self._engine = ScoringEngine(self.config, self._workers, self._calls.scores)
        # Of their own, since a stream always has more to do: batches would wait behind it.
        self._stream_workers = ThreadPoolExecutor(self.config.decode_threads, "stream-work")
        # Two requests for each worker: one is worked on while the next one travels.
        self._streams = Streams(self._stream_workers, window=2 * self.config.decode_threads)
        # Its other mode sends while it holds a lock that gRPC's own thread takes when a watcher
        # goes, and sending waits for that thread: the whole server would stand still for good.
        self._health = health.HealthServicer(experimental_non_blocking=False)
        self._shown: dict[str, bool] = {}
        self.health_server = self._make_health_server()
        self._port: int | None = None
        self._show_health()
        self._server = grpc.server(
            self._calls.scores,
            interceptors=interceptors(self.config, observers, self._calls),
            options=_channel_options(self.config, keepalive),
        )
        self._add_services(self._models)
        self._stopped = False

    @property
    def address(self) -> str:
        """HOST:PORT that it listens on, with the real port once it was started."""
        host, _, port = self.config.address.rpartition(":")
        return f"{host}:{port if self._port is None else self._port}"

    def start(self) -> int:
        """Listens and serves.

        Returns:
            The port.

        Raises:
            StartError: The address cannot be listened on, or the certificates are no good.
        """
        try:
            self._port = self._listen()
        except RuntimeError as error:
            bound_socket(self.config.address).close()  # says why, if it can
            raise address_error(self.config.address, "it cannot be listened on") from error
        if self.health_server is not None:
            self.health_server.start()
        self._server.start()
        self._show_health()
        return self._port

    def serve_models(self, models: ModelRegistry) -> None:
        """Serves another set of models from now on; calls under way keep the model they have.

        Without a model that scores, health of ScoringService and of the whole server says
        NOT_SERVING, and calls for a score get UNAVAILABLE.
        """
        # A version that begins to load, or is refused, changes nothing for callers.
        self._model_changes += models.loaded != self._models.registry.loaded
        self._models.registry = models
        self._show_health()

    def statistics(self) -> ServerStatistics:
        """What it has done and holds now."""
        return ServerStatistics(
            models=self._models.entries,
            model_changes=self._model_changes,
            batcher=self._engine.batcher_statistics,
            calls={
                "score": self._calls.scores.calls,
                "stream": self._calls.streams.calls,
                "quick": self._calls.quick.calls,
            },
        )

    def stop(self, drain_seconds: float | None = None) -> bool:
        """Stops: health says NOT_SERVING, new calls get UNAVAILABLE, others may finish.

        A call that has not ended by then loses its connection; its thread ends when its work
        does. Stopping again does nothing.

        Args:
            drain_seconds: How long calls in flight may take; None means as configured.

        Returns:
            Whether every call in flight finished.
        """
        if self._stopped:
            return True
        self._stopped = True
        self._health.enter_graceful_shutdown()
        self._calls.refuse_new_calls()
        self._streams.end(ServerStoppingError())
        limit = self.config.drain_seconds if drain_seconds is None else drain_seconds
        drained = self._port is None or self._drain(self._port, limit)
        if self._port is not None:
            self._disconnect(self._port)
        self._server.stop(None).wait()
        if self.health_server is not None:
            self.health_server.stop()
        self._calls.shutdown(wait=drained)
        self._workers.shutdown(wait=drained)
        self._stream_workers.shutdown(wait=drained)
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
        """Waits for the calls in flight; says whether they ended in time.

        Clients that watch health go elsewhere by themselves, where they have more than this
        connection. The others would be refused until the last call ends, so after a while every
        connection that carries no call is ended, and nobody can connect again.
        """
        end = time.monotonic() + limit_seconds
        drained = self._calls.wait_for_calls(min(limit_seconds, _NOTICE_SECONDS))
        while not drained and (left := end - time.monotonic()) > 0:
            stop_listening(port)
            served = self._calls.served_peers()
            if served is not None:
                end_connections(port, keep=served)
            drained = self._calls.wait_for_calls(min(left, _LOOK_SECONDS))
        if drained:
            self._calls.wait_for_delivery(_FLUSH_SECONDS)
            time.sleep(_LAST_WORD_SECONDS)
        return drained

    def _disconnect(self, port: int) -> None:
        """Ends all connections, so that nobody is told what gRPC tells of its own end."""
        stop_listening(port)
        ended: set[Peer] = set()
        while last := end_connections(port, keep=ended):
            ended |= last
            time.sleep(_LAST_WORD_SECONDS)  # again for what was being accepted

    def _listen(self) -> int:
        if self.config.tls is None:
            return self._server.add_insecure_port(self.config.address)
        credentials = server_credentials(self.config.tls)
        return self._server.add_secure_port(self.config.address, credentials)

    def _make_health_server(self) -> HealthServer | None:
        config = self.config
        if not config.health_address:
            return None
        return HealthServer(self._health, config.health_address, reuse_port=config.reuse_port)

    def _add_services(self, models: ServedModels) -> None:
        grids = GridEngine(self.config, self._workers)
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(
            ScoringService(models, self._engine, grids, self._streams), self._server
        )
        model_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self.config.reflection:
            names = (SCORING, MODELS, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    def _show_health(self) -> None:
        """ModelService answers as soon as the server does, the rest with the first model."""
        listens = self._port is not None
        scores = listens and bool(self._models.registry.loaded)
        services = ((health.OVERALL_HEALTH, scores), (SCORING, scores), (MODELS, listens))
        status = health_pb2.HealthCheckResponse
        for name, serves in services:
            if self._shown.get(name) != serves:  # watchers are told of changes alone
                self._shown[name] = serves
                self._health.set(name, status.SERVING if serves else status.NOT_SERVING)


def _channel_options(config: ServerConfig, keepalive: Keepalive) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", -1),  # an answer is bounded by its request
        ("grpc.so_reuseport", int(config.reuse_port)),
        ("grpc.keepalive_time_ms", round(keepalive.silence_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", _TCP_MILLISECONDS),
        ("grpc.http2.ping_timeout_ms", round(keepalive.answer_seconds * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _FEWEST_MILLISECONDS_OF_PINGS),
    ]
