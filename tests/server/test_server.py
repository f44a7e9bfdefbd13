"""The life of a server: start, health, reflection, draining."""

import socket
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import model_pb2, model_pb2_grpc, scoring_pb2, scoring_pb2_grpc
from adscore_server import server as server_module
from adscore_server.config import ServerConfig
from adscore_server.errors import StartError
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

SERVICES = ("adscore.v1.ScoringService", "adscore.v1.ModelService")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def _health(stubs: Any, service: str) -> int:
    check = health_pb2_grpc.HealthStub(stubs.channel).Check
    return int(check(health_pb2.HealthCheckRequest(service=service), timeout=30).status)


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_is_told_for_each_service(stubs: Any, service: str) -> None:
    assert _health(stubs, service) == SERVING


def test_reflection_lists_the_services(stubs: Any) -> None:
    names = set(ProtoReflectionDescriptorDatabase(stubs.channel).get_services())
    assert names >= {*SERVICES, "grpc.health.v1.Health"}


def test_reflection_describes_the_details_of_errors(stubs: Any) -> None:
    database = ProtoReflectionDescriptorDatabase(stubs.channel)
    for name in ("google.rpc.BadRequest", "google.rpc.ErrorInfo", "google.rpc.RetryInfo"):
        assert database.FindFileContainingSymbol(name).package == "google.rpc"


def test_reflection_can_be_off(start_server: Any, connect: Any, scorer: Scorer) -> None:
    server = start_server(scorer, config=ServerConfig("127.0.0.1:0", reflection=False))
    with pytest.raises(grpc.RpcError) as caught:
        ProtoReflectionDescriptorDatabase(connect(server.address).channel).get_services()
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_port_in_use_is_an_error_that_names_the_address(scorer: Scorer) -> None:
    models = ModelRegistry([LoadedModel(scorer)])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = Server(models, ServerConfig(address))
        with pytest.raises(StartError, match=f"{address}: Address already in use"):
            server.start()
        assert server.stop()


def test_two_servers_do_not_share_a_port(server: Server, scorer: Scorer) -> None:
    second = Server(ModelRegistry([LoadedModel(scorer)]), ServerConfig(server.address))
    with pytest.raises(StartError, match="Address already in use"):
        second.start()
    second.stop()


def test_server_listens_on_a_unix_socket(
    start_server: Any, connect: Any, scorer: Scorer, tmp_path: Path
) -> None:
    config = ServerConfig(f"unix:{tmp_path}/socket")  # needs neither encryption nor tokens
    server = start_server(scorer, config=config)
    assert server.address == config.address
    assert _health(connect(server.address), "") == SERVING
    assert server.stop()
    assert not (tmp_path / "socket").exists()


def test_unix_socket_that_cannot_be_made_is_an_error_that_names_it(
    scorer: Scorer, tmp_path: Path
) -> None:
    server = Server(
        ModelRegistry([LoadedModel(scorer)]), ServerConfig(f"unix:{tmp_path}/absent/socket")
    )
    with pytest.raises(StartError, match="absent/socket: it cannot be listened on"):
        server.start()
    server.stop()


def test_workers_share_no_unix_socket() -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT where workers share it"):
        ServerConfig("unix:/run/adscore.sock", reuse_port=True)


def test_draining_finishes_calls_in_flight_and_refuses_new_ones(
    monkeypatch: pytest.MonkeyPatch,
    start_server: Any,
    connect: Any,
    refusal: Any,
    held_scorer: Any,
    creatives: list[Creative],
) -> None:
    monkeypatch.setattr(server_module, "_NOTICE_SECONDS", 60)
    server = start_server(held_scorer)
    stubs = connect(server.address)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(stubs.score(creatives[0])))
    caller.start()
    assert held_scorer.entered.wait(30)

    drained: list[bool] = []
    stopper = threading.Thread(target=lambda: drained.append(server.stop()))
    watched = health_pb2_grpc.HealthStub(stubs.channel).Watch(health_pb2.HealthCheckRequest())
    assert next(watched).status == SERVING
    stopper.start()
    assert next(watched).status == NOT_SERVING
    for service in ("", *SERVICES):
        assert _health(stubs, service) == NOT_SERVING
    code, reason, *_ = refusal(lambda: stubs.score(creatives[1]))
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
    code, reason, *_ = refusal(lambda: stubs.models.ListModels(model_pb2.ListModelsRequest()))
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")

    held_scorer.released.set()
    stopper.join(30)
    caller.join(30)
    assert drained == [True]
    assert answers[0].creative_id == creatives[0].id
    code, *_ = refusal(lambda: stubs.score(creatives[1]))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_calls_that_wait_for_a_thread_are_finished_too(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer, config=ServerConfig("127.0.0.1:0", threads=1))
    stubs = connect(server.address)
    answers: list[str] = []
    callers = [
        threading.Thread(target=lambda one=one: answers.append(stubs.score(one).creative_id))
        for one in creatives[:4]
    ]
    for caller in callers:
        caller.start()
    assert held_scorer.entered.wait(30)
    wait_until(lambda: len(server._scores) == 4)
    threading.Timer(0.2, held_scorer.released.set).start()
    assert server.stop()
    for caller in callers:
        caller.join(30)
    assert sorted(answers) == sorted(one.id for one in creatives[:4])


def test_call_that_outlasts_the_drain_is_cut_off(
    start_server: Any, connect: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer)
    stubs = connect(server.address)
    codes: list[grpc.StatusCode] = []

    def call() -> None:
        try:
            stubs.score(creatives[0])
        except grpc.RpcError as error:
            codes.append(error.code())  # type: ignore[attr-defined]

    caller = threading.Thread(target=call)
    caller.start()
    assert held_scorer.entered.wait(30)
    assert not server.stop(drain_seconds=0.1)
    caller.join(30)
    assert codes == [grpc.StatusCode.UNAVAILABLE]
    assert server.stop()  # again does nothing


def test_server_as_context_manager_has_the_real_port(scorer: Scorer, connect: Any) -> None:
    with Server(ModelRegistry([LoadedModel(scorer)]), ServerConfig("127.0.0.1:0")) as server:
        host, port = server.address.split(":")
        assert host == "127.0.0.1"
        assert int(port) > 0
        assert _health(connect(server.address), "") == SERVING


def test_a_server_that_was_never_started_can_be_stopped(scorer: Scorer) -> None:
    assert Server(ModelRegistry([LoadedModel(scorer)])).stop()


@pytest.mark.parametrize("address", ["", "50051", "localhost", ":50051", "host:port", "h:70000"])
def test_config_refuses_an_address_without_host_and_port(address: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        ServerConfig(address)


@pytest.mark.parametrize(
    "setting",
    ["max_message_bytes", "max_batch_creatives", "threads", "max_streams", "decode_threads"],
)
def test_config_refuses_zero(setting: str) -> None:
    with pytest.raises(ValueError, match=f"{setting}: expected at least 1"):
        ServerConfig(**{setting: 0})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("setting", ["creatives_per_second", "drain_seconds"])
def test_config_refuses_what_is_no_length_or_rate(setting: str, number: float) -> None:
    with pytest.raises(ValueError, match=f"{setting}: expected"):
        ServerConfig(**{setting: number})


def _own_channel(address: str) -> grpc.Channel:
    """One that shares its connection with no other channel of this process."""
    return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])


def test_a_client_that_watches_no_health_goes_elsewhere_while_the_server_drains(
    start_server: Any, connect: Any, held_scorer: Any, scorer: Scorer
) -> None:
    first, second = start_server(held_scorer), start_server(scorer)
    request = scoring_pb2.ScoreRequest(creative=scoring_pb2.Creative(headline="text"))
    stubs = connect(first.address)
    running = stubs.scoring.Score.future(request, timeout=60)
    assert held_scorer.entered.wait(30)
    with _own_channel(f"ipv4:{first.address},{second.address}") as channel:
        list_models = model_pb2_grpc.ModelServiceStub(channel).ListModels
        list_models(model_pb2.ListModelsRequest(), timeout=30)  # connected to the first
        drained: list[bool] = []
        stopper = threading.Thread(target=lambda: drained.append(first.stop()))
        stopper.start()
        refused = False
        while not refused:
            call = stubs.models.ListModels.future(model_pb2.ListModelsRequest(), timeout=30)
            refused = call.code() is grpc.StatusCode.UNAVAILABLE
        score = scoring_pb2_grpc.ScoringServiceStub(channel).Score
        codes = {grpc.StatusCode.UNAVAILABLE}
        while grpc.StatusCode.OK not in codes:
            codes.add(score.future(request, timeout=30).code())
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert not running.done()
    held_scorer.released.set()
    stopper.join(30)
    assert (drained, running.code()) == ([True], grpc.StatusCode.OK)


def _call_until(ended: threading.Event, address: str, codes: "set[grpc.StatusCode]") -> None:
    """Makes calls, five at a time, over a connection of its own."""
    request = scoring_pb2.ScoreRequest(creative=scoring_pb2.Creative(headline="text"))
    with _own_channel(address) as channel:
        score = scoring_pb2_grpc.ScoringServiceStub(channel).Score
        while not ended.is_set():
            calls = [score.future(request, timeout=30) for _ in range(5)]
            codes.update(call.code() for call in calls)


@pytest.mark.parametrize("round_number", range(5))
def test_under_load_the_end_of_the_server_is_unavailable_to_every_caller(
    start_server: Any, wait_until: Any, scorer: Scorer, round_number: int
) -> None:
    server = start_server(scorer)
    ended, codes = threading.Event(), set[grpc.StatusCode]()
    callers = [
        threading.Thread(target=_call_until, args=(ended, server.address, codes)) for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    wait_until(lambda: grpc.StatusCode.OK in codes)
    assert server.stop()
    ended.set()
    for caller in callers:
        caller.join(30)
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
