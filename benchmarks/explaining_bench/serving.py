"""What a server's scores wait for while it explains."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from adscore.creative import Creative
from adscore_client import Client, WhatIf
from explaining_bench.planted import Planted
from shared.processes import adscore_server

SECONDS = 20.0  # of each of the two measurements
CALLS_A_SECOND = 20.0
NO_CACHE = ("--cache-bytes", "0")


def score_latency(model: Path, sample: Sequence[Planted]) -> Iterator[tuple[str, str]]:
    """The latency of scores that come at a steady rate, without and with one who explains."""
    creatives = [one.creative for one in sample]
    # Without a cache: else the second round of explanations would cost nothing.
    with adscore_server(model, *NO_CACHE) as running, Client(running.address) as client:
        client.wait_until_ready(60)
        _latencies(client, creatives, 2.0)  # warm
        alone = _latencies(client, creatives, SECONDS)
        ended = threading.Event()
        explained: list[float] = []

        def explain() -> None:
            with Client(running.address, timeout_seconds=60) as own:
                while not ended.is_set():
                    one = sample[len(explained) % len(sample)]
                    what_if = WhatIf(boxes=[tuple(box) for box in one.boxes.values()])
                    start = time.perf_counter()
                    own.explain(one.creative.headline, one.creative.image, what_if=what_if)
                    explained.append(time.perf_counter() - start)

        thread = threading.Thread(target=explain)
        thread.start()
        beside = _latencies(client, creatives, SECONDS)
        ended.set()
        thread.join()
    ends = [1000 * np.quantile(times, 0.99) for times in (alone, beside)]
    yield (
        f"score, {CALLS_A_SECOND:g} calls a second, without and with one who explains",
        f"p99 {ends[0]:.1f} and {ends[1]:.1f} ms, {ends[1] / ends[0]:.1f} x; "
        f"{len(explained) / SECONDS:.1f} explanations a second beside, "
        f"p95 {np.quantile(explained, 0.95):.2f} s",
    )


def _latencies(client: Client, creatives: Sequence[Creative], seconds: float) -> list[float]:
    """Scores at a steady rate, each on time, whether or not the one before it is answered."""
    taken: list[float] = []
    threads = []

    def score(number: int, due: float) -> None:
        creative = creatives[number % len(creatives)]
        client.score(creative.headline, creative.image)
        taken.append(time.perf_counter() - due)

    start = time.perf_counter()
    for number in range(int(seconds * CALLS_A_SECOND)):
        due = start + number / CALLS_A_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        threads.append(threading.Thread(target=score, args=(number, due)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return taken
