"""Calls that are made again: counted by what the server saw, never by a clock."""

import asyncio
import itertools
import time

import grpc
import pytest

from adscore_client import (
    AdscoreError,
    AsyncClient,
    CallCancelledError,
    Client,
    DeadlineExceededError,
    InvalidCreativeError,
    ModelNotFoundError,
    OverloadedError,
    ServerError,
    ServerUnavailableError,
)
from adscore_client.testing import FakeServer
from adscore_protos.v1 import scoring_pb2

STOPPING = ServerUnavailableError("the server stops", reason="SERVER_STOPPING")
CANCELLED = CallCancelledError("the connection is reset", reason="RESET")
BUSY = OverloadedError("the queue is full", reason="QUEUE_FULL", retry_after_seconds=0.02)

CALLS = {
    "score": lambda client: client.score("headline"),
    "score_many": lambda client: list(client.score_many([("headline", None)])),
    "score_combinations": lambda client: client.score_combinations(["headline"], [b"image"]),
    "match": lambda client: client.match(["headline"], [b"image"]),
    "models": lambda client: client.models(),
    "model": lambda client: client.model(),
}


@pytest.fixture
def server():
    with FakeServer() as running:
        yield running


@pytest.fixture
def client(server):
    with Client(server.address, timeout_seconds=30) as connected:
        yield connected


@pytest.mark.parametrize("call", CALLS)
def test_call_outlives_failures(call, server, client):
    server.fail_next(STOPPING, times=2)
    server.fail_next(CANCELLED)
    server.fail_next(BUSY, times=8)
    CALLS[call](client)
    assert len(server.calls) == 12


@pytest.mark.parametrize("call", CALLS)
def test_failure_that_lasts_reaches_the_caller_at_the_deadline(call, server, patiently):
    server.fail_next(BUSY, times=100_000)

    def attempt(seconds):
        before = len(server.calls)
        with (
            Client(server.address, timeout_seconds=seconds) as client,
            pytest.raises((OverloadedError, DeadlineExceededError)) as caught,
        ):
            CALLS[call](client)
        return str(caught.value), len(server.calls) - before

    text, calls = patiently(attempt, lambda found: found[1] > 5)
    assert "queue is full" in text
    assert 5 < calls < 10_000


@pytest.mark.parametrize("call", CALLS)
def test_call_outlives_a_restart_of_the_server(call, monkeypatch):
    waits = itertools.count(1)

    async def sleep(self, seconds):
        time.sleep(min(seconds, 0.05))
        if next(waits) == 8:  # gRPC itself makes five attempts at most
            server.start()

    monkeypatch.setattr("adscore_client._connection.BlockingConnection.sleep", sleep)
    with FakeServer() as server, Client(server.address, timeout_seconds=60) as client:
        CALLS[call](client)
        server.stop()
        CALLS[call](client)
    assert next(waits) > 8


def test_server_that_asks_for_no_wait_is_not_asked_without_end(server):
    server.fail_next(OverloadedError("busy", retry_after_seconds=0.0), times=10_000)
    with Client(server.address, timeout_seconds=0.5) as client, pytest.raises(AdscoreError):
        client.score("headline")
    assert len(server.calls) <= 50


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "error",
    [
        InvalidCreativeError("image: expected a JPEG", field="image"),
        ModelNotFoundError("no such model"),
        ServerError("failed", code=grpc.StatusCode.INTERNAL),
        ServerError("failed", code=grpc.StatusCode.ABORTED),
    ],
)
def test_failure_that_time_does_not_mend_is_not_tried_again(call, error, server, client):
    server.fail_next(error)
    with pytest.raises(AdscoreError):
        CALLS[call](client)
    assert len(server.calls) == 1


@pytest.mark.parametrize("call", CALLS)
def test_wait_beyond_the_deadline_ends_the_call(call, server):
    server.fail_next(OverloadedError("busy", retry_after_seconds=600))
    client = Client(server.address, timeout_seconds=60)
    with client, pytest.raises((DeadlineExceededError, OverloadedError)):
        CALLS[call](client)
    assert len(server.calls) == 1


def test_attempts_share_one_deadline(server):
    server.fail_next(OverloadedError("busy", retry_after_seconds=0.3), times=4)
    with Client(server.address, timeout_seconds=8) as client:
        client.score("headline")
    left = [call.time_remaining_seconds for call in server.calls]
    # After four waits of 0.3 s; gRPC rounds what it tells the server.
    assert left[-1] < left[0] - 0.6


def test_banner_larger_than_what_grpc_keeps_by_default_is_sent_again(server, client):
    server.fail_next(STOPPING, times=2)
    client.score("headline", bytes(5_000_000))
    assert len(server.calls) == 3
    assert len(server.creatives[-1].image) == 5_000_000


def test_attempts_have_the_id_of_the_call(server, client):
    server.fail_next(BUSY, times=3)
    server.fail_next(ServerError("failed"))
    with pytest.raises(ServerError) as caught:
        client.score("headline")
    assert caught.value.request_id
    assert {call.metadata["x-request-id"] for call in server.calls} == {caught.value.request_id}
    client.score("headline")
    assert server.calls[-1].metadata["x-request-id"] != caught.value.request_id


def test_request_id_of_the_server_counts(server, client):
    server.fail_next(ServerError("failed", request_id="of-the-server"))
    with pytest.raises(ServerError) as caught:
        client.score("headline")
    assert caught.value.request_id == "of-the-server"


def test_stream_goes_on_where_it_broke(server, client):
    results = client.score_many([(str(n), None) for n in range(100)], batch_size=10)
    first = [next(results) for _ in range(10)]
    server.fail_next(STOPPING)
    assert len(first + list(results)) == 100
    received = [int(creative.headline) for creative in server.creatives]
    assert sorted(set(received)) == list(range(100))
    assert len(received) < 150  # what was answered is not sent again
    assert len(server.calls) == 2


@pytest.mark.parametrize("size", [1, 7, 40])
def test_no_result_is_lost_or_changed_by_breaks(size, server, client):
    creatives = [(str(n), None) for n in range(200)]
    expected = list(client.score_many(creatives))
    results = []
    for number, result in enumerate(client.score_many(creatives, batch_size=size)):
        if number % 50 == 0:
            # Four in all: a server that was ahead of this loop meets them one after another.
            server.fail_next(STOPPING if number % 100 else BUSY)
        results.append(result)
    assert results == expected
    assert len(server.calls) > 2  # that of `expected`, and two or more of the other


def test_failures_in_a_row_count_anew_after_an_answer(server, client):
    def creatives():
        for number in range(12):
            server.fail_next(BUSY, times=1)
            yield str(number), None

    assert len(list(client.score_many(creatives(), batch_size=1))) == 12


def test_async_client_does_the_same(server):
    async def run() -> int:
        async with AsyncClient(server.address, timeout_seconds=30) as client:
            server.fail_next(BUSY, times=8)
            server.fail_next(CANCELLED)
            await client.score("headline")
            server.fail_next(OverloadedError("busy", retry_after_seconds=600))
            with pytest.raises(OverloadedError):
                await client.score("headline")
            count = 0
            async for result in client.score_many([(str(n), None) for n in range(200)]):
                if count % 50 == 0:
                    server.fail_next(STOPPING)  # as above
                count += result.targets["ctr"].mean > 0
            return count

    assert asyncio.run(run()) == 200


def test_server_that_dies_in_the_middle_of_its_answer_is_left(serve, refuse):
    calls = []

    def begin_and_fail(request, context):
        calls.append(request)
        if len(calls) < 3:
            # gRPC's own attempts would end here.
            context.send_initial_metadata((("x-request-id", "r"),))
            refuse(context, grpc.StatusCode.UNAVAILABLE, "gone")
        return scoring_pb2.ScoreResponse(score=scoring_pb2.Score())

    address = serve(Score=begin_and_fail)
    with Client(address, timeout_seconds=30) as client:
        client.score("headline")
    assert len(calls) == 3

    async def score() -> None:
        calls.clear()
        async with AsyncClient(address, timeout_seconds=30) as client:
            await client.score("headline")

    asyncio.run(score())
    assert len(calls) == 3
