"""Requests received without a thread each, the public way beside it, and callers who are slow."""

import io
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image

from adscore.creative import Creative
from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server import server as server_module
from adscore_server.access.tokens import new_token, token_line
from adscore_server.calls import receive, router
from adscore_server.calls.receive import (
    ThreadlessReceiver,
    ThreadReceiver,
    receiver,
    works_without_threads,
)
from adscore_server.config import ServerConfig

SCORE = "/adscore.v1.ScoringService/Score"
GRID = "/adscore.v1.ScoringService/ScoreCombinations"
ALONE = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture(params=["threadless", "threads"])
def either_receiver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test with the way that rests on grpcio's inside, and with the public one."""
    if request.param == "threads":
        monkeypatch.setattr(server_module, "receiver", ThreadReceiver)


@pytest.fixture
def never() -> Iterator[Callable[[], Iterator[bytes]]]:
    """Makes requests of which none comes until the test ends."""
    ended = threading.Event()

    def wait() -> Iterator[bytes]:
        ended.wait(60)
        yield from ()

    yield wait
    ended.set()


def request_of(creative: Creative) -> bytes:
    wire = scoring_pb2.Creative(id=creative.id, headline=creative.headline, image=creative.image)
    return scoring_pb2.ScoreRequest(creative=wire).SerializeToString()


# === Both ways ===


def test_this_grpcio_needs_no_thread_for_a_call() -> None:
    assert works_without_threads()
    assert isinstance(receiver(1), ThreadlessReceiver)


def test_another_grpcio_takes_the_public_way_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    iterator = grpc._server._RequestIterator  # type: ignore[attr-defined]
    monkeypatch.delattr(iterator, "_raise_or_start_receive_message")
    monkeypatch.setattr(receive, "_CHECK_SECONDS", 0.5)
    works_without_threads.cache_clear()
    try:
        assert isinstance(receiver(1), ThreadReceiver)
    finally:
        works_without_threads.cache_clear()
    assert "is not known to adscore" in caplog.text


@pytest.mark.usefixtures("either_receiver")
def test_every_method_answers(
    start_server: Any, connect: Any, scorer: Any, creatives: list[Creative]
) -> None:
    stubs = connect(start_server(scorer).address)
    assert stubs.score(creatives[0]).creative_id == creatives[0].id
    assert len(stubs.batch_score(creatives)) == len(creatives)
    assert stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=60).models
    request = scoring_pb2.ScoreCombinationsRequest(headlines=["a"], images=[creatives[0].image])
    assert stubs.scoring.ScoreCombinations(request, timeout=60).targets


@pytest.mark.usefixtures("either_receiver")
def test_calls_in_flight_are_finished_and_others_refused_while_the_server_drains(
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
    score = stubs.channel.unary_unary(SCORE)
    call = score.future(request_of(creatives[0]), timeout=60)
    assert held_scorer.entered.wait(30)
    drained: list[bool] = []
    stopper = threading.Thread(target=lambda: drained.append(server.stop()))
    stopper.start()
    reason = ""
    while reason != "SERVER_STOPPING":
        other = stubs.models.ListModels.future(model_pb2.ListModelsRequest(), timeout=60)
        if other.exception() is not None:
            _, reason, *_ = refusal(other.result)
    held_scorer.released.set()
    stopper.join(30)
    assert call.code() is grpc.StatusCode.OK
    assert drained == [True]


@pytest.mark.usefixtures("either_receiver")
def test_cancelled_calls_leave_their_places_and_the_server_goes_on(
    start_server: Any, connect: Any, wait_until: Any, held_scorer: Any, creatives: list[Creative]
) -> None:
    server = start_server(held_scorer, config=ServerConfig("127.0.0.1:0", decode_threads=1))
    stubs = connect(server.address)
    score = stubs.channel.unary_unary(SCORE)
    calls = [score.future(request_of(one), timeout=60) for one in creatives[:8]]
    assert held_scorer.entered.wait(30)
    for call in calls:
        call.cancel()
    wait_until(lambda: len(server._scores) == 0)
    held_scorer.released.set()
    assert stubs.score(creatives[9]).creative_id == creatives[9].id


# === Callers who are slow ===


def test_calls_that_never_send_their_request_hold_no_thread(
    start_process: Any, model_dir: Path, creatives: list[Creative], connect: Any, never: Any
) -> None:
    process = start_process(model_dir)
    tasks = Path(f"/proc/{process.process.pid}/task")
    if not tasks.exists():
        pytest.skip("this system does not tell how many threads a process has")
    stubs = connect(process.address)
    stubs.score(creatives[0])
    before = len(list(tasks.iterdir()))
    silent = [stubs.channel.stream_unary(SCORE).future(never(), timeout=60) for _ in range(30)]
    assert stubs.score(creatives[1]).creative_id == creatives[1].id
    assert len(list(tasks.iterdir())) < before + 10
    assert not any(call.done() for call in silent)


@pytest.mark.usefixtures("either_receiver")
def test_silent_calls_of_one_token_give_way_to_others(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    scorer: Any,
    creatives: list[Creative],
    tmp_path: Path,
    never: Any,
) -> None:
    slow, good = new_token(), new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{token_line('slow', slow)}\n{token_line('good', good)}\n")
    config = ServerConfig("127.0.0.1:0", threads=2, max_waiting_calls=2, tokens=tokens)
    server = start_server(scorer, config=config)
    channel = connect(server.address).channel
    with grpc.insecure_channel(server.address, ALONE) as other:
        metadata = (("authorization", f"Bearer {slow}"),)
        stub: Any = other.stream_unary(SCORE)
        silent = [stub.future(never(), metadata=metadata, timeout=60) for _ in range(4)]
        wait_until(lambda: len(server._scores) == len(silent))
        call = channel.unary_unary(SCORE)
        metadata = (("authorization", f"Bearer {good}"),)
        assert call(request_of(creatives[0]), metadata=metadata, timeout=60)


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_request_that_does_not_come_in_time_ends_its_call(
    monkeypatch: pytest.MonkeyPatch,
    start_server: Any,
    connect: Any,
    refusal: Any,
    scorer: Any,
    never: Any,
    half_closed: bool,
) -> None:
    monkeypatch.setattr(router, "SLOW_SECONDS", 0.1)
    server = start_server(scorer)
    stub = connect(server.address).channel.stream_unary(SCORE)
    requests = iter(()) if half_closed else never()
    code, reason, *_ = refusal(lambda: stub(requests, timeout=60))
    assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_NOT_RECEIVED")
    assert len(server._scores) == 0 or server._scores.calls()[0].answered


def test_an_answer_that_is_not_read_holds_its_place_and_is_dropped_in_time(
    monkeypatch: pytest.MonkeyPatch,
    start_server: Any,
    connect: Any,
    wait_until: Any,
    scorer: Any,
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    grid = scoring_pb2.ScoreCombinationsRequest(
        headlines=[f"headline {number}" for number in range(100)], images=[file.getvalue()] * 100
    ).SerializeToString()
    server = start_server(
        scorer, config=ServerConfig("127.0.0.1:0", threads=8, max_waiting_calls=0)
    )
    # As a stream, an answer is taken only when it is asked for, and little of it beforehand.
    small_window = [*ALONE, ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1_024)]
    with grpc.insecure_channel(server.address, small_window) as channel:
        method: Any = channel.stream_stream(GRID)
        unread = [method(iter([grid]), timeout=120) for _ in range(2)]
        wait_until(lambda: len(server._scores) == 2 and not server._scores.unanswered())
        monkeypatch.setattr(router, "SLOW_SECONDS", 0.1)
        wait_until(lambda: len(server._scores) == 0)
        for call in unread:
            with pytest.raises(grpc.RpcError):
                list(call)


def test_calls_that_are_reset_at_once_fail_no_call_of_others(
    start_server: Any, connect: Any, scorer: Any, creatives: list[Creative], tmp_path: Path
) -> None:
    token = new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(token_line("good", token) + "\n")
    server = start_server(scorer, config=ServerConfig("127.0.0.1:0", tokens=tokens))
    call = connect(server.address).channel.unary_unary(SCORE)
    metadata = (("authorization", f"Bearer {token}"),)
    ended = threading.Event()
    strangers = [
        threading.Thread(target=_reset_calls, args=(server.address, ended)) for _ in range(2)
    ]
    for stranger in strangers:
        stranger.start()
    try:
        codes = {
            call.future(request_of(creatives[0]), metadata=metadata, timeout=60).code()
            for _ in range(200)
        }
    finally:
        ended.set()
        for stranger in strangers:
            stranger.join(30)
    assert codes == {grpc.StatusCode.OK}


def _reset_calls(address: str, ended: threading.Event) -> None:
    """Opens calls without a token, by hand, and resets each in the same breath."""
    host, port = address.split(":")
    while not ended.is_set():
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            settings = b"\0\0\0\4\0\0\0\0\0"
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
            stream = 1
            try:
                while not ended.is_set() and stream < 20_000:
                    frames = b"".join(_opened_and_reset(stream + 2 * n) for n in range(100))
                    stream += 200
                    connection.sendall(frames)
                    connection.setblocking(False)
                    try:
                        while connection.recv(1 << 16):
                            pass
                    except BlockingIOError:
                        connection.settimeout(5)
                    time.sleep(0.001)
            except OSError:  # the server has ended the connection
                continue


def _opened_and_reset(stream: int) -> bytes:
    fields = {
        ":method": "POST", ":scheme": "http", ":path": SCORE, ":authority": "x",
        "te": "trailers", "content-type": "application/grpc",
    }  # fmt: skip
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    return (
        struct.pack(">I", len(block))[1:] + b"\1\4" + struct.pack(">I", stream) + block
        + b"\0\0\4\3\0" + struct.pack(">II", stream, 8)
    )  # fmt: skip
