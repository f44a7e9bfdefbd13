"""Faults of processes, disks, clients and networks, and what the other callers notice."""

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from shared.processes import Running
from soaking.ads import Ads, fresh_creative
from soaking.callers import HUNG, RIGHT, WRONG, Callers, connect, outcome_of, score
from soaking.rows import Row, tally
from soaking.swaps import served

# What a call may be told when its server goes away: another server may take it.
_RETRY = ("UNAVAILABLE SERVER_STOPPING", "UNAVAILABLE (connection)")
# Creatives of one batch: some 7 MB.
BATCH = 200
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def sigterm(model: Path, ads: Ads, seconds: float) -> Row:
    """A server is told to stop under load."""
    with served(model) as server, Callers(server.address, ads, 16) as callers:
        time.sleep(seconds)
        code = server.process.end(signal.SIGTERM)
    return Row(
        "SIGTERM",
        "under 16 callers",
        f"exit code {code}; {tally(callers.counts)}",
        code == 0 and _only(callers.counts, RIGHT, *_RETRY),
    )


def drain(model: Path, ads: Ads) -> Row:
    """A server is told to stop while it works on batches and streams."""
    with served(model) as server, connect(server.address) as channel:
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)
        creatives = [fresh_creative(ads.ads[n % len(ads.ads)], n) for n in range(BATCH)]
        batch = stub.BatchScore.future(scoring_pb2.BatchScoreRequest(creatives=creatives))
        sent = BATCH // 20
        parts = (
            scoring_pb2.StreamScoreRequest(request_id=str(n), creatives=creatives[n * 20 :][:20])
            for n in range(sent)
        )
        stream = stub.StreamScore(parts)
        answered = [next(stream).request_id]
        code = server.process.end(signal.SIGTERM)
        results = sum(result.HasField("score") for result in batch.result(timeout=1).results)
        ending = RIGHT
        try:
            answered += [answer.request_id for answer in stream]
        except grpc.RpcError as error:
            ending = outcome_of(error)
    outcome = (
        f"exit code {code}; {results} of {BATCH} scores of the batch; {len(answered)} of {sent} "
        f"answers of the stream, which ended {ending}"
    )
    told = len(answered) == sent or ending in _RETRY
    return Row(
        "SIGTERM", "a batch and a stream in flight", outcome, (code, results) == (0, BATCH) and told
    )


def kill_server(model: Path, ads: Ads, seconds: float) -> Row:
    """A server is killed under load; another takes its address."""
    with (
        served(model) as server,
        ExitStack() as later,
        Callers(server.address, ads, 16) as callers,
    ):
        time.sleep(seconds)
        server.process.end(signal.SIGKILL)
        start = time.monotonic()
        later.enter_context(served(model, address=server.address))
        started = time.monotonic() - start
        right = callers.counts[RIGHT]
        while callers.counts[RIGHT] < right + 100:
            time.sleep(0.02)
    return Row(
        "SIGKILL",
        "server killed under 16 callers, started again",
        f"ready after {started:.1f} s; {tally(callers.counts)}",
        _only(callers.counts, RIGHT, *_RETRY),
    )


def kill_worker(model: Path, ads: Ads, seconds: float) -> Row:
    """One of two workers is killed under load."""
    with served(model, "--workers", "2") as server, Callers(server.address, ads, 16) as callers:
        time.sleep(seconds)
        os.kill(server.workers[0], signal.SIGKILL)
        time.sleep(seconds)
        end = time.monotonic() + 30
        while len(server.workers) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        workers = len(server.workers)
    return Row(
        "SIGKILL",
        "one of 2 workers under 16 callers",
        f"{workers} workers again; {tally(callers.counts)}",
        workers == 2 and _only(callers.counts, RIGHT, *_RETRY),
    )


def full_disk(model: Path, ads: Ads, seconds: float) -> Row:
    """The log goes to a full disk; every call is logged."""
    with (
        served(model, "--log-level", "debug", stderr=Path("/dev/full")) as server,
        Callers(server.address, ads) as callers,
    ):
        time.sleep(seconds)
    code = server.process.exit_code
    return Row(
        "full disk",
        "log to /dev/full, a line for each call",
        f"{tally(callers.counts)}; exit code {code}",
        not callers.unanswered and not code,
    )


def half_open(server: Running, ads: Ads, seconds: float, connections: int = 200) -> Row:
    """Connections that begin and then say nothing, some within a request."""
    host, _, port = server.address.rpartition(":")
    with ExitStack() as stack:
        for number in range(connections):
            one = stack.enter_context(socket.create_connection((host, int(port))))
            one.sendall((b"", HTTP2_PREFACE[:10], HTTP2_PREFACE + EMPTY_SETTINGS)[number % 3])
        callers = _call_beside(server, ads, seconds)
    done = f"{connections} connections that say no more"
    return Row("half-open connection", done, _beside(callers), not callers.unanswered)


def slow_reader(server: Running, ads: Ads, seconds: float) -> Row:
    """Streams whose clients send all they can and read nothing."""
    before = server.process.usage().rss_mb
    stopping = threading.Event()
    sent: Counter[str] = Counter()

    def requests() -> Iterator[scoring_pb2.StreamScoreRequest]:
        for number in range(10_000):
            if stopping.is_set():
                return
            sent["requests"] += 1
            creatives = [fresh_creative(ads.ads[0], number * 100 + n) for n in range(20)]
            yield scoring_pb2.StreamScoreRequest(request_id=str(number), creatives=creatives)

    with ExitStack() as stack:
        for _ in range(4):
            channel = stack.enter_context(connect(server.address))
            scoring_pb2_grpc.ScoringServiceStub(channel).StreamScore(requests())
        callers = _call_beside(server, ads, seconds)
        grown = server.process.usage().rss_mb - before
        stopping.set()
    done = f"4 streams that read nothing; {sent['requests']} requests sent"
    outcome = f"{_beside(callers)}; memory {grown:+.0f} MB"
    return Row("slow client", done, outcome, not callers.unanswered and grown < 100)


def gone_mid_stream(server: Running, ads: Ads, seconds: float, streams: int = 50) -> Row:
    """Clients that go away in the middle of a stream."""

    def begin_and_go() -> None:
        for number in range(streams):
            creatives = [fresh_creative(ads.ads[0], number * 100 + n) for n in range(20)]
            request = scoring_pb2.StreamScoreRequest(request_id="1", creatives=creatives)
            channel = connect(server.address)
            scoring_pb2_grpc.ScoringServiceStub(channel).StreamScore(iter([request] * 5))
            time.sleep(0.02)
            channel.close()

    callers = _call_beside(server, ads, seconds, begin_and_go)
    with connect(server.address) as channel:
        ad, creative = next(ads.fresh())
        after, _ = score(scoring_pb2_grpc.ScoringServiceStub(channel), ad, creative)
    outcome = f"{_beside(callers)}; afterwards {after}"
    done = f"{streams} streams cut off"
    return Row("client gone mid-stream", done, outcome, not callers.unanswered and after == RIGHT)


def _call_beside(
    server: Running, ads: Ads, seconds: float, act: Callable[[], None] = lambda: None
) -> Callers:
    with Callers(server.address, ads, 4) as callers:
        end = time.monotonic() + seconds
        act()
        time.sleep(max(0.0, end - time.monotonic()))
    return callers


def _beside(callers: Callers) -> str:
    return f"4 callers beside: {tally(callers.counts)}"


def _only(counts: Counter[str], *expected: str) -> bool:
    return set(counts) <= set(expected) and not counts[WRONG] + counts[HUNG] and counts[RIGHT] > 0
