"""What the client costs and what it withstands: import, memory, throughput, servers that die.

    make bench ONLY=client
    make bench ONLY=client ARGS="--quick --model models/banners"

Without --model, one is trained from a small simulated log, which takes a minute.
"""

import argparse
import contextlib
import itertools
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from adscore_client import AdscoreError, Client, Creative
from adscore_client import _bulk as bulk
from adscore_client import _image_reader as image_reader
from shared.model import read_creatives, run_adscore, train_model
from shared.processes import Running, adscore_server

IMPORTS = ("grpc", "adscore_client", "tritonclient.grpc")
CALLERS = 16
KIB_OF_MAXRSS = 1024  # Linux counts it in KiB

# A fake server that forgets what it received: it must not be what grows.
SERVE_FAKE = """
import threading
from collections import deque
from adscore_client.testing import FakeServer
with FakeServer(score=lambda creative: 0.01) as server:
    server._script.creatives = deque(maxlen=1)
    print(server.address, flush=True)
    threading.Event().wait()
"""


@dataclass
class Outcome:
    """What became of calls."""

    answered: int = 0
    failures: list[AdscoreError] = field(default_factory=list)


def main() -> None:
    """Runs and prints every part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a model's folder")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    measure_imports(repeats=5 if options.quick else 15)
    measure_memory(100_000 // scale)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adscore-bench-")))
        model = options.model or train_model(folder)
        creatives = sample_creatives(folder)
        measure_requests_in_flight(model, creatives, 3_000 // scale)
        measure_shrinking(model, creatives)
        for name, call in (("score", call_one_by_one), ("score_many", call_in_bulk)):
            survive(model, creatives, 10_000 // scale, name, call)


# === Import ===


def measure_imports(repeats: int) -> None:
    """Prints how long imports take, each in processes of its own."""
    print("\nimport, median of", repeats, "processes")
    base = 0.0
    for name in IMPORTS:
        times = [import_seconds(name) for _ in range(repeats)]
        if None in times:
            print(f"  {name:20} not installed")
            continue
        median = statistics.median(filter(None, times))
        base = base or median
        print(f"  {name:20} {median * 1000:6.0f} ms  {(median - base) * 1000:+5.0f} ms over grpc")


def import_seconds(name: str) -> float | None:
    """Imports a module in a new process; None where it is not installed."""
    code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


# === Memory ===


def measure_memory(count: int) -> None:
    """Prints the most memory that this process ever took, as score_many goes on."""
    print(f"\nscore_many over {count:,} creatives of a generator, image of 20 kB each")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE_FAKE], stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip()
        with Client(address) as client:
            creatives = (Creative(f"headline {n}", os.urandom(20_000)) for n in range(count))
            started = time.perf_counter()
            for done, _ in enumerate(client.score_many(creatives), start=1):
                if done in {count // 100, count // 10, count // 2, count}:
                    rate = done / (time.perf_counter() - started)
                    print(f"  after {done:7,}: {max_rss_mib():6.1f} MiB, {rate:,.0f} a second")
    finally:
        process.kill()
        process.communicate()


def max_rss_mib() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB_OF_MAXRSS / 2**20


# === Requests in flight ===


def measure_requests_in_flight(model: Path, creatives: list[Creative], count: int) -> None:
    """Prints how many creatives a second score_many gets from one server."""
    print(f"\nscore_many of {count:,} creatives, by requests in flight (32 creatives each)")
    usual = bulk.REQUESTS_IN_FLIGHT
    with adscore_server(model) as server, Client(server.address) as client:
        list(client.score_many(creatives[:64]))
        for number in (1, 2, 4, 8):
            bulk.REQUESTS_IN_FLIGHT = number
            started = time.perf_counter()
            repeated = itertools.islice(itertools.cycle(creatives), count)
            answered = sum(1 for _ in client.score_many(repeated))
            print(f"  {number}: {answered / (time.perf_counter() - started):7,.0f} a second")
    bulk.REQUESTS_IN_FLIGHT = usual


# === Smaller images ===


def measure_shrinking(model: Path, creatives: list[Creative]) -> None:
    """Prints what shrink_images saves and how much it changes the scores."""
    print(f"\nshrink_images, {len(creatives)} drawn banners, by times the size that is read")
    usual = image_reader._HEADROOM
    with adscore_server(model) as server, Client(server.address) as client:
        limits = client.model().limits
        expected = rates(client, creatives)
        size = sum(len(creative.image) for creative in creatives)
        for headroom in (1, 2, 4):
            image_reader._HEADROOM = headroom
            smaller = [replace(c, image=image_reader.shrink(c.image, limits)) for c in creatives]
            sent = sum(len(creative.image) for creative in smaller) / size
            changes = sorted(
                abs(a / b - 1) for a, b in zip(rates(client, smaller), expected, strict=True)
            )
            print(
                f"  {headroom}: {sent:4.0%} of the bytes, rates change by "
                f"{statistics.median(changes):.2%} (median), {changes[-1]:.2%} (most)"
            )
    image_reader._HEADROOM = usual
    spread = statistics.stdev(expected) / statistics.fmean(expected)
    print(
        f"  for comparison: the rates of these banners differ by {spread:.0%} (standard deviation)"
    )


def rates(client: Client, creatives: list[Creative]) -> list[float]:
    """The expected rates of creatives."""
    results = list(client.score_many(creatives))
    return [next(iter(result.targets.values())).mean for result in results]


# === Servers that die ===


def survive(
    model: Path,
    creatives: list[Creative],
    count: int,
    name: str,
    call: Callable[[Client, list[Creative], int, Outcome], None],
) -> Outcome:
    """Calls three servers; one is killed after a third of the calls, one drained after two."""
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(adscore_server(model)) for _ in range(3)]
        client = stack.enter_context(Client([s.address for s in servers], timeout_seconds=30))
        disturber = threading.Thread(target=disturb, args=(servers, outcome, count), daemon=True)
        disturber.start()
        started = time.perf_counter()
        call(client, creatives, count, outcome)
        seconds = time.perf_counter() - started
        disturber.join(timeout=60)
        drained = servers[1].process.exit_code
    print(
        f"\n{name}, three servers, one killed, one drained (exit code {drained}): "
        f"{len(outcome.failures)} failed of {count:,} in {seconds:.1f} s"
    )
    for error in outcome.failures[:3]:
        print("  ", repr(error))
    return outcome


def disturb(servers: list[Running], outcome: Outcome, count: int) -> None:
    """Kills the first server after a third of the calls, drains the second after two thirds."""
    signals = (signal.SIGKILL, signal.SIGTERM)
    for number, (server, kind) in enumerate(zip(servers, signals, strict=False), start=1):
        while outcome.answered < number * count // 3:
            time.sleep(0.005)
        server.process.end(kind)


def call_one_by_one(
    client: Client, creatives: list[Creative], count: int, outcome: Outcome
) -> None:
    """Scores from many threads, one creative a call."""
    lock = threading.Lock()

    def one(creative: Creative) -> None:
        try:
            client.score(creative.headline, creative.image)
        except AdscoreError as error:
            outcome.failures.append(error)
        with lock:
            outcome.answered += 1

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(one, itertools.islice(itertools.cycle(creatives), count)))


def call_in_bulk(client: Client, creatives: list[Creative], count: int, outcome: Outcome) -> None:
    """Scores over one stream."""
    for result in client.score_many(itertools.islice(itertools.cycle(creatives), count)):
        if isinstance(result, AdscoreError):
            outcome.failures.append(result)
        outcome.answered += 1


# === What is scored ===


def sample_creatives(folder: Path) -> list[Creative]:
    """Draws creatives that no model has seen."""
    run_adscore("sample", folder / "new", "--creatives", 120, "--campaigns", 10, "--seed", 1)
    return [Creative(one.headline, one.image) for one in read_creatives(folder / "new")]


if __name__ == "__main__":
    main()
