import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2
from adscore_server.access.tokens import new_token, token_line
from adscore_server.config import ServerConfig

TIMEOUT_SECONDS = 60.0


def request_of(creatives: Sequence[Creative], request_id: str, model: str = "") -> Any:
    wires = [
        scoring_pb2.Creative(id=one.id, headline=one.headline, image=one.image) for one in creatives
    ]
    return scoring_pb2.StreamScoreRequest(request_id=request_id, creatives=wires, model=model)


def stream(stubs: Any, requests: Iterator[Any] | Sequence[Any]) -> Any:
    return stubs.scoring.StreamScore(iter(requests), timeout=TIMEOUT_SECONDS)


def test_every_request_is_answered_with_a_result_for_each_creative(
    stubs: Any, creatives: list[Creative]
) -> None:
    pieces = {str(start): creatives[start : start + 7] for start in range(0, len(creatives), 7)}
    answers = list(stream(stubs, [request_of(piece, name) for name, piece in pieces.items()]))
    assert sorted(answer.request_id for answer in answers) == sorted(pieces)
    for answer in answers:
        assert [one.id for one in answer.results] == [one.id for one in pieces[answer.request_id]]
        assert all(result.score.targets["ctr"].mean > 0 for result in answer.results)


def test_scores_are_those_of_a_batch(stubs: Any, creatives: list[Creative]) -> None:
    [answer] = stream(stubs, [request_of(creatives, "all")])
    batch = stubs.batch_score(creatives)
    for received, expected in zip(answer.results, batch, strict=True):
        assert received.score.targets["ctr"].mean == pytest.approx(
            expected.score.targets["ctr"].mean, rel=1e-4
        )


def test_a_bad_creative_fails_alone(stubs: Any, creatives: list[Creative]) -> None:
    bad = Creative("text", b"no image", "bad")
    [answer] = stream(stubs, [request_of([creatives[0], bad, creatives[1]], "mixed")])
    assert [result.WhichOneof("outcome") for result in answer.results] == [
        "score",
        "error",
        "score",
    ]
    assert answer.results[1].error.field == "creatives[1].image"


@pytest.mark.parametrize(
    ("request_", "code", "reason", "field"),
    [
        ({"model": "none"}, grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", ""),
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "BATCH_EMPTY", "creatives"),
        ({"request_id": "x" * 257}, grpc.StatusCode.INVALID_ARGUMENT, "ID_TOO_LONG", "request_id"),
    ],
    ids=["model", "empty", "id"],
)
def test_a_request_that_is_wrong_as_a_whole_ends_the_stream(
    stubs: Any,
    refusal: Any,
    creatives: list[Creative],
    request_: Any,
    code: Any,
    reason: str,
    field: str,
) -> None:
    creative = scoring_pb2.Creative(headline="text")
    wrong = scoring_pb2.StreamScoreRequest(
        **{"creatives": [creative] if request_ else [], **request_}
    )
    received: list[Any] = []

    def requests() -> Iterator[Any]:
        yield request_of(creatives[:1], "good")
        while not received:
            threading.Event().wait(0.01)
        yield wrong

    def call() -> None:
        for answer in stream(stubs, requests()):
            received.append(answer.request_id)

    assert refusal(call)[:3] == (code, reason, field)
    assert received == ["good"]


def test_bytes_that_are_no_request_end_the_stream(stubs: Any, refusal: Any) -> None:
    raw = stubs.channel.stream_stream("/adscore.v1.ScoringService/StreamScore")
    code, reason, *_ = refusal(lambda: list(raw(iter([b"\xff\xff"]), timeout=TIMEOUT_SECONDS)))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_UNREADABLE")


def test_a_stream_without_requests_ends(stubs: Any) -> None:
    assert list(stream(stubs, [])) == []


def test_the_server_reads_on_only_while_it_has_room(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    config = ServerConfig("127.0.0.1:0", decode_threads=1)
    server = start_server(held_scorer, config=config)
    stubs = connect(server.address)
    calls = stream(stubs, [request_of(creatives[:1], str(number)) for number in range(20)])
    assert held_scorer.entered.wait(30)
    [running] = server._streaming._open
    wait_until(lambda: running._read_count == 2)
    threading.Event().wait(0.3)  # time in which a server without a bound would read them all
    assert running._read_count == 2
    held_scorer.released.set()
    assert {answer.request_id for answer in calls} == {str(number) for number in range(20)}


def test_draining_answers_what_was_read_and_then_says_that_the_server_stops(
    start_server: Any, connect: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer)
    stubs = connect(server.address)
    keep_open = threading.Event()

    def requests() -> Iterator[Any]:
        yield request_of(creatives[:1], "read")
        keep_open.wait(TIMEOUT_SECONDS)

    answers = stream(stubs, requests())
    assert held_scorer.entered.wait(30)
    stopped: list[bool] = []
    stopper = threading.Thread(target=lambda: stopped.append(server.stop()))
    stopper.start()
    held_scorer.released.set()
    assert next(answers).request_id == "read"
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    stopper.join(30)
    assert stopped == [True]
    keep_open.set()


def test_a_stream_whose_client_has_gone_is_not_worked_on(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer, config=ServerConfig("127.0.0.1:0", decode_threads=1))
    stubs = connect(server.address)
    calls = stream(stubs, [request_of(creatives[:1], str(number)) for number in range(20)])
    assert held_scorer.entered.wait(30)
    calls.cancel()
    wait_until(lambda: len(server._streams) == 0)  # gRPC has told that the caller has gone
    held_scorer.released.set()
    assert server.stop()
    assert held_scorer.runs == 1


def test_streams_beyond_the_limit_are_refused_at_once(
    start_server: Any, connect: Any, refusal: Any, scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(scorer, config=ServerConfig("127.0.0.1:0", max_streams=1))
    stubs = connect(server.address)
    keep_open = threading.Event()

    def requests() -> Iterator[Any]:
        yield request_of(creatives[:1], "1")
        keep_open.wait(TIMEOUT_SECONDS)

    first = stream(stubs, requests())
    assert next(first).request_id == "1"
    code, reason, *_ = refusal(lambda: list(stream(stubs, [])))
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert stubs.score(creatives[0]).creative_id == creatives[0].id
    keep_open.set()
    assert list(first) == []


def test_a_busy_stream_leaves_threads_to_other_calls(
    start_server: Any, connect: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    config = ServerConfig("127.0.0.1:0", decode_threads=1)
    stubs = connect(start_server(held_scorer, config=config).address)
    answers = stream(stubs, [request_of(creatives[:1], "1")])
    assert held_scorer.entered.wait(30)
    request = scoring_pb2.ScoreCombinationsRequest(headlines=["a"], images=[creatives[0].image])
    assert stubs.scoring.ScoreCombinations(request, timeout=30)
    held_scorer.released.set()
    assert next(answers).request_id == "1"


def test_a_stream_outlives_its_token_by_no_request(
    start_server: Any, connect: Any, scorer: Any, creatives: list[Creative], tmp_path: Path
) -> None:
    kept, revoked = new_token(), new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{token_line('kept', kept)}\n{token_line('revoked', revoked)}\n")
    config = ServerConfig("127.0.0.1:0", tokens=tokens)
    stubs = connect(start_server(scorer, config=config).address)
    goes_on = threading.Event()

    def requests() -> Iterator[Any]:
        yield request_of(creatives[:1], "before")
        goes_on.wait(TIMEOUT_SECONDS)
        yield request_of(creatives[:1], "after")

    metadata = (("authorization", f"Bearer {revoked}"),)
    answers = stubs.scoring.StreamScore(requests(), metadata=metadata, timeout=TIMEOUT_SECONDS)
    assert next(answers).request_id == "before"
    tokens.write_text(f"{token_line('kept', kept)}\n")
    goes_on.set()
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


@pytest.mark.parametrize(("read", "code"), [(1, "OK"), (0, "CANCELLED")])
def test_a_stream_read_to_its_end_is_no_cancelled_one(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    held_scorer: Any,
    creatives: list[Creative],
    caplog: pytest.LogCaptureFixture,
    read: int,
    code: str,
) -> None:
    caplog.set_level(logging.DEBUG, "adscore_server")
    server = start_server(held_scorer)
    stubs = connect(server.address)
    keep_open = threading.Event()

    def requests() -> Iterator[Any]:
        yield request_of(creatives[:1], "1")
        keep_open.wait(TIMEOUT_SECONDS)

    answers = stream(stubs, requests())
    assert held_scorer.entered.wait(30)
    if read:
        held_scorer.released.set()
        assert next(answers).request_id == "1"
    answers.cancel()
    wait_until(lambda: len(server._streams) == 0)  # gRPC has told that the caller has gone
    held_scorer.released.set()
    keep_open.set()
    lines: list[Any] = []
    wait_until(
        lambda: lines.extend(r.fields for r in caplog.records if hasattr(r, "fields")) or lines
    )
    assert lines[0]["code"] == code
