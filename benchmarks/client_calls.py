"""What the client costs beside a bare gRPC stub on the same server: CPU and rate.

    make bench ONLY=client_calls
    make bench ONLY=client_calls ARGS="--server 127.0.0.1:50051 --image banner.jpg"

The stub builds its requests and reads every number of the answers, and has neither checks nor
ids, attempts or errors of its own. Both take turns in this process, for several rounds; CPU time
is that of this process, gRPC's threads included. Without --server, a server without a model
answers: what the client costs does not depend on the model, and rates are then those of the
fastest server there can be.
"""

import argparse
import itertools
import os
import random
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from adscore_client import Client
from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc

CALLERS = 32
BATCH = 32
REQUESTS_IN_FLIGHT = 4  # of the client's own streams
GRID = (15, 20)
IMAGE_BYTES = 15_000
TIMEOUT_SECONDS = 60

# Answers at once with the same score, and forgets what it received.
SERVE = """
import threading
from collections import deque
from adscore_client import Score, TargetScore
from adscore_client.testing import FakeServer
score = Score("", {"ctr": TargetScore(0.01, 0.005, 0.02, 50.0)})
with FakeServer(score=lambda creative: score) as server:
    server._script.creatives = deque(maxlen=1)
    server._script.calls = deque(maxlen=1)
    print(server.address, flush=True)
    threading.Event().wait()
"""

Work = Callable[[int], object]  # scores so many creatives


def main() -> None:
    """Measures each way of calling, by the stub and by the client in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--server", metavar="ADDRESS", help="one that runs already")
    parser.add_argument("--image", type=Path, help="a banner; random bytes unless given")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    options = parser.parse_args()
    image = options.image.read_bytes() if options.image else os.urandom(IMAGE_BYTES)
    server = None
    address = options.server
    if not address:
        server = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
        address = server.stdout.readline().strip()
    try:
        rounds, scale = (3, 10) if options.quick else (9, 1)
        measure_all(address, image, rounds, scale)
    finally:
        if server:
            server.kill()
            server.communicate()


def measure_all(address: str, image: bytes, rounds: int, scale: int) -> None:
    """Prints a line for each way of calling."""
    stub = scoring_pb2_grpc.ScoringServiceStub(grpc.insecure_channel(address))
    with Client(address, timeout_seconds=TIMEOUT_SECONDS) as client:
        cells = GRID[0] * GRID[1]
        ways = [
            ("Score, 1 caller", score_by_stub(stub, image), score_by_client(client, image), 1_000),
            (
                f"Score, {CALLERS} callers",
                spread(score_by_stub(stub, image)),
                spread(score_by_client(client, image)),
                3_200,
            ),
            ("stream", stream_by_stub(stub, image), stream_by_client(client, image), 3_200),
            ("grid 15 x 20", grid_by_stub(stub, image), grid_by_client(client, image), 30 * cells),
        ]
        print("CPU of the caller in ms a creative, creatives a second; client over stub")
        for name, bare, ours, count in ways:
            compare(name, bare, ours, max(count // scale, cells), rounds)


def compare(name: str, bare: Work, ours: Work, count: int, rounds: int) -> None:
    """Measures two ways in turn, and prints medians."""
    found: dict[str, list[tuple[float, float]]] = {"stub": [], "client": []}
    for _ in range(rounds + 1):  # the first is to warm up
        ways = [("stub", bare), ("client", ours)]
        random.shuffle(ways)
        for kind, work in ways:
            found[kind].append(measure(work, count))
    cpu, rate = (
        {kind: statistics.median(one[column] for one in found[kind][1:]) for kind in found}
        for column in (0, 1)
    )
    print(
        f"  {name:18} CPU {cpu['stub']:.4f} -> {cpu['client']:.4f}, "
        f"{cpu['client'] - cpu['stub']:+.4f} ({cpu['client'] / cpu['stub']:.2f} x)"
        f"   rate {rate['stub']:7,.0f} -> {rate['client']:7,.0f} "
        f"({rate['client'] / rate['stub']:.2f} x)",
        flush=True,
    )


def measure(work: Work, count: int) -> tuple[float, float]:
    """Returns CPU in ms a creative, and creatives a second."""
    cpu, started = cpu_seconds(), time.perf_counter()
    work(count)
    return (cpu_seconds() - cpu) / count * 1000, count / (time.perf_counter() - started)


def cpu_seconds() -> float:
    """CPU time of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


_numbers = itertools.count(random.getrandbits(48))


def headline(number: int) -> str:
    """A headline of its own."""
    return f"Save {number} % on running shoes"


def fresh(image: bytes) -> bytes:
    """The same picture, with a tail of its own: no cache knows it."""
    return image + next(_numbers).to_bytes(8)


def spread(work: Work) -> Work:
    """The same work by many threads at once."""
    pool = ThreadPoolExecutor(CALLERS)
    return lambda count: list(pool.map(work, [count // CALLERS] * CALLERS))


# === By a bare stub ===


def creative(number: int, image: bytes) -> scoring_pb2.Creative:
    """One message."""
    return scoring_pb2.Creative(headline=headline(number), image=fresh(image))


def read(score: scoring_pb2.Score) -> list[float]:
    """Every number of an answer, which is what a caller asks for."""
    return [
        number
        for target in score.targets.values()
        for number in (target.mean, target.lower, target.upper, target.percentile)
    ]


def score_by_stub(stub: scoring_pb2_grpc.ScoringServiceStub, image: bytes) -> Work:
    """One creative a call."""

    def work(count: int) -> None:
        for number in range(count):
            request = scoring_pb2.ScoreRequest(creative=creative(number, image))
            read(stub.Score(request, timeout=TIMEOUT_SECONDS).score)

    return work


def stream_by_stub(stub: scoring_pb2_grpc.ScoringServiceStub, image: bytes) -> Work:
    """Requests of many creatives over one stream."""

    def work(count: int) -> None:
        places = threading.Semaphore(REQUESTS_IN_FLIGHT)

        def requests() -> Iterator[scoring_pb2.StreamScoreRequest]:
            for number in range(count // BATCH):
                places.acquire()
                creatives = [creative(number * BATCH + n, image) for n in range(BATCH)]
                yield scoring_pb2.StreamScoreRequest(request_id=str(number), creatives=creatives)

        for answer in stub.StreamScore(requests()):
            places.release()
            for result in answer.results:
                read(result.score)

    return work


def grid_by_stub(stub: scoring_pb2_grpc.ScoringServiceStub, image: bytes) -> Work:
    """Headlines times images a call."""
    height, width = GRID

    def work(count: int) -> None:
        for number in range(count // (height * width)):
            request = scoring_pb2.ScoreCombinationsRequest(
                headlines=[headline(number * height + n) for n in range(height)],
                images=[fresh(image) for _ in range(width)],
            )
            answer = stub.ScoreCombinations(request, timeout=TIMEOUT_SECONDS)
            for target in answer.targets.values():
                list(zip(target.means, target.lowers, target.uppers, strict=True))

    return work


# === By the client ===


def score_by_client(client: Client, image: bytes) -> Work:
    """``Client.score``."""

    def work(count: int) -> None:
        for number in range(count):
            client.score(headline(number), fresh(image))

    return work


def stream_by_client(client: Client, image: bytes) -> Work:
    """``Client.score_many``."""

    def work(count: int) -> None:
        pairs = ((headline(number), fresh(image)) for number in range(count))
        for result in client.score_many(pairs, batch_size=BATCH):
            if isinstance(result, Exception):
                raise result

    return work


def grid_by_client(client: Client, image: bytes) -> Work:
    """``Client.score_combinations``."""
    height, width = GRID

    def work(count: int) -> None:
        for number in range(count // (height * width)):
            headlines = [headline(number * height + n) for n in range(height)]
            client.score_combinations(headlines, [fresh(image) for _ in range(width)])

    return work


if __name__ == "__main__":
    main()
