"""What a full server answers, and what a caller who has gone costs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from adscore.creative import Creative
from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server.config import ServerConfig

TIMEOUT_SECONDS = 60.0


def request_of(creative: Creative) -> Any:
    wire = scoring_pb2.Creative(id=creative.id, headline=creative.headline, image=creative.image)
    return scoring_pb2.ScoreRequest(creative=wire)


@pytest.fixture
def full(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> Any:
    """A server with two calls on its two threads, and two that wait for one."""
    config = ServerConfig("127.0.0.1:0", threads=2, max_waiting_calls=2, decode_threads=1)
    server = start_server(held_scorer, config=config)
    stubs = connect(server.address)
    calls = [stubs.scoring.Score.future(request_of(one), timeout=60) for one in creatives[:4]]
    wait_until(lambda: len(server._scores) == 4)
    return server, stubs, calls


def test_a_call_beyond_the_queue_is_refused_at_once_with_a_time_to_retry(
    full: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    _, stubs, calls = full
    # While nothing at all is worked on: an answer that needed a free thread would not come.
    with pytest.raises(grpc.RpcError) as caught:
        stubs.scoring.Score(request_of(creatives[5]), timeout=TIMEOUT_SECONDS)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "Received: one that found its queue full" in error.details()
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in rpc_status.from_call(error).details:
        detail.Unpack(info)
        detail.Unpack(retry)
    assert info.reason == "QUEUE_FULL"
    milliseconds = retry.retry_delay.ToMilliseconds()
    assert milliseconds >= 1
    metadata = dict(error.trailing_metadata())
    assert metadata["grpc-retry-pushback-ms"] == str(milliseconds)
    held_scorer.released.set()
    assert [call.result().score.creative_id for call in calls] == [
        creative.id for creative in creatives[:4]
    ]
    assert stubs.score(creatives[5]).creative_id == creatives[5].id


def test_a_full_server_still_says_how_it_is(full: Any) -> None:
    _, stubs, _ = full
    health = health_pb2_grpc.HealthStub(stubs.channel)
    request = health_pb2.HealthCheckRequest()
    assert health.Check(request, timeout=30).status == health_pb2.HealthCheckResponse.SERVING
    assert stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=30).models


def test_of_six_calls_that_are_cancelled_while_a_batch_runs_none_is_run(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer, config=ServerConfig("127.0.0.1:0", decode_threads=1))
    stubs = connect(server.address)
    first = stubs.scoring.Score.future(request_of(creatives[0]), timeout=60)
    assert held_scorer.entered.wait(30)
    gone = [stubs.scoring.Score.future(request_of(one), timeout=60) for one in creatives[1:7]]
    kept = stubs.scoring.Score.future(request_of(creatives[7]), timeout=60)
    wait_until(lambda: server.statistics().queue.waiting == 7)
    for call in gone:
        call.cancel()
    wait_until(lambda: server.statistics().queue.abandoned == 6)
    held_scorer.released.set()
    assert first.result().score.creative_id == creatives[0].id
    assert kept.result().score.creative_id == creatives[7].id
    assert held_scorer.items == 2


def test_a_call_whose_deadline_passes_is_not_run(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    config = ServerConfig("127.0.0.1:0", threads=1, decode_threads=1)
    server = start_server(held_scorer, config=config)
    stubs = connect(server.address)
    first = stubs.scoring.Score.future(request_of(creatives[0]), timeout=60)
    assert held_scorer.entered.wait(30)
    late = [stubs.scoring.Score.future(request_of(one), timeout=0.2) for one in creatives[1:7]]
    codes = [call.exception().code() for call in late]
    assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 6
    wait_until(lambda: len(server._scores) == 1)  # the server knows it too
    held_scorer.released.set()
    assert first.result().score.creative_id == creatives[0].id
    wait_until(lambda: len(server._scores) == 0)
    assert held_scorer.items == 1


def test_a_batch_whose_caller_has_gone_is_left_off(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer, config=ServerConfig("127.0.0.1:0", decode_threads=1))
    stubs = connect(server.address)
    wires = [request_of(creative).creative for creative in creatives]
    request = scoring_pb2.BatchScoreRequest(creatives=wires)
    call = stubs.scoring.BatchScore.future(request, timeout=60)
    assert held_scorer.entered.wait(30)
    call.cancel()
    wait_until(lambda: len(server._scores) == 0)  # gRPC has told that the caller has gone
    held_scorer.released.set()
    wait_until(lambda: len(server._scores) == 0)
    assert held_scorer.runs == 1  # of four pieces


def test_many_more_calls_than_there_is_room_for_are_answered_or_refused(
    start_server: Any, connect: Any, wait_until: Any, scorer: Any, creatives: list[Creative]
) -> None:
    config = ServerConfig("127.0.0.1:0", threads=2, max_waiting_calls=4)
    server = start_server(scorer, config=config)
    stubs = connect(server.address)

    def call(number: int) -> str:
        creative = creatives[number % len(creatives)]
        try:
            assert stubs.score(creative).creative_id == creative.id
        except grpc.RpcError as error:
            return error.code().name  # type: ignore[attr-defined]
        return "OK"

    with ThreadPoolExecutor(40) as pool:
        outcomes = list(pool.map(call, range(400)))
    assert set(outcomes) == {"OK", "RESOURCE_EXHAUSTED"}
    wait_until(lambda: len(server._scores) == 0)
    assert stubs.score(creatives[0]).creative_id == creatives[0].id
