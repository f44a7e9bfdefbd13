"""Health while clients come and go, and while some of them hold back what they should send."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adscore.creative import Creative
from adscore_protos.v1 import model_pb2
from adscore_server import server as server_module
from adscore_server.calls import router
from adscore_server.config import ServerConfig

ANY = health_pb2.HealthCheckRequest()
SERVING = health_pb2.HealthCheckResponse.SERVING
# Clients of one process share a connection unless they are told not to.
ALONE = [("grpc.use_local_subchannel_pool", 1)]
CHECK = "/grpc.health.v1.Health/Check"


@pytest.fixture
def never() -> Iterator[Callable[[], Iterator[bytes]]]:
    """Makes requests of which none comes until the test ends."""
    ended = threading.Event()

    def wait() -> Iterator[bytes]:
        ended.wait(60)
        yield from ()

    yield wait
    ended.set()


def _watch_and_go(address: str, times: int) -> None:
    with grpc.insecure_channel(address, ALONE) as channel:
        for _ in range(times):
            watch = health_pb2_grpc.HealthStub(channel).Watch(ANY, timeout=30)
            assert next(watch).status == SERVING
            watch.cancel()


def _status(channel: grpc.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel).Check(ANY, timeout=10).status


def test_watchers_that_come_and_go_do_not_stop_the_server(
    start_process: Any, connect: Any, model_dir: Any, creatives: list[Creative]
) -> None:
    process = start_process(model_dir)
    watchers = [
        threading.Thread(target=_watch_and_go, args=(process.address, 300), daemon=True)
        for _ in range(4)
    ]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(60)
    stubs = connect(process.address)
    assert _status(stubs.channel) == SERVING
    assert stubs.score(creatives[0]).creative_id == creatives[0].id
    watch = health_pb2_grpc.HealthStub(stubs.channel).Watch(ANY, timeout=60)
    assert next(watch).status == SERVING
    assert process.stop()[0] == 0


def test_watchers_beyond_the_limit_are_told_that_there_is_no_watching(
    monkeypatch: pytest.MonkeyPatch, start_server: Any, connect: Any, scorer: Any
) -> None:
    monkeypatch.setattr(router, "_MAX_WATCHES", 1)
    channel = connect(start_server(scorer).address).channel
    first = health_pb2_grpc.HealthStub(channel).Watch(ANY, timeout=60)
    assert next(first).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        next(health_pb2_grpc.HealthStub(channel).Watch(ANY, timeout=60))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]
    assert _status(channel) == SERVING


@pytest.mark.parametrize("own_port", [False, True])
def test_calls_that_never_send_their_request_do_not_hold_health(
    start_server: Any, connect: Any, scorer: Any, never: Any, own_port: bool
) -> None:
    config = ServerConfig("127.0.0.1:0", health_address="127.0.0.1:0" if own_port else "")
    server = start_server(scorer, config=config)
    channel = connect(server.health_server.address if own_port else server.address).channel
    silent = [channel.stream_unary(CHECK).future(never(), timeout=60) for _ in range(8)]
    assert _status(channel) == SERVING
    assert not any(call.done() for call in silent)


def test_refusals_do_not_wait_for_calls_that_never_send_their_request(
    monkeypatch: pytest.MonkeyPatch,
    start_server: Any,
    connect: Any,
    refusal: Any,
    wait_until: Any,
    scorer: Any,
    never: Any,
) -> None:
    monkeypatch.setattr(server_module, "_MAX_QUICK_CALLS", 1)
    server = start_server(scorer)
    stubs = connect(server.address)
    method = "/adscore.v1.ModelService/ListModels"
    silent = stubs.channel.stream_unary(method).future(never(), timeout=60)
    wait_until(lambda: len(server._quick) == 1)
    code, reason, *_ = refusal(
        lambda: stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=10)
    )
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert not silent.done()


def test_an_idle_reflection_takes_no_stream_and_does_not_hold_up_the_end(
    start_server: Any, connect: Any, scorer: Any
) -> None:
    server = start_server(scorer, config=ServerConfig("127.0.0.1:0", max_streams=1))
    stubs = connect(server.address)
    ended = threading.Event()

    def requests() -> Iterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        ended.wait(60)

    stub = reflection_pb2_grpc.ServerReflectionStub(stubs.channel)
    answers = stub.ServerReflectionInfo(requests(), timeout=60)
    assert next(answers).list_services_response.service
    assert len(server._streams) == 0
    assert server.stop(drain_seconds=30)
    with pytest.raises(grpc.RpcError):  # cut off, rather than waited for
        next(answers)
    ended.set()


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/adscore.v1.ModelService/GetModel",
        "/adscore.v1.ModelService/ListModels",
    ],
)
@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"\x0a\x80\x80\x08" + bytes(131_072), "REQUEST_TOO_LARGE"), (b"\xff", "REQUEST_UNREADABLE")],
    ids=["a name of 128 kB", "no message"],
)
def test_a_name_that_is_too_long_or_none_is_refused_and_not_kept(
    stubs: Any, refusal: Any, method: str, raw: bytes, reason: str
) -> None:
    call = stubs.channel.unary_stream(method)
    code, received, *_ = refusal(lambda: list(call(raw, timeout=30)))
    assert (code, received) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
