"""A process that sends creatives to a server.

Run by `workers.py` as `python -m serving_bench.client TRANSPORT ADDRESS PICTURES`, where
TRANSPORT is the full name of a function as those of `transports.py`.
"""

import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from serving_bench.load import Done, Send, run_load
from serving_bench.orders import Order, obey
from serving_bench.pictures import USUAL, Ad, Pictures
from serving_bench.transports import GRID_HEADLINES, GRID_IMAGES

# Streams of creatives are numbered by process, then by run: none of their files come twice.
_STREAMS_OF_A_PROCESS = 1_000_000
_START_SECONDS = 90


def main() -> None:
    """Obeys until the input ends."""
    transport, address, folder = sys.argv[1:]
    module, _, name = transport.rpartition(".")
    send = getattr(importlib.import_module(module), name)(address)
    streams = itertools.count(os.getpid() * _STREAMS_OF_A_PROCESS)
    if not transport.endswith((".stream", ".grid")):
        _wait_until_served(send, next(Pictures(Path(folder), USUAL).ads(next(streams))))

    def prepare(order: Order) -> Callable[[], Done]:
        stream = next(streams)
        ads = _ads(Pictures(Path(folder), order.kind), order.ads, stream)
        if order.number:
            return lambda: _run_stream(send, itertools.islice(ads, order.number))
        return lambda: run_load(send, ads, order.load, stream)

    obey(prepare)


def _wait_until_served(send: Send, ad: Ad) -> None:
    """Some servers print nothing once they can be called."""
    give_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            return send([ad])
        except Exception:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def _ads(pictures: Pictures, which: str, stream: int) -> Iterator[Ad]:
    if which == "singles_of_grids":
        return pictures.singles_of_grids(stream, GRID_HEADLINES, GRID_IMAGES)
    return pictures.ads(
        stream,
        repeat_images=which in ("repeated_images", "repeated"),
        repeat_headlines=which == "repeated",
    )


def _run_stream(send: Callable[[Iterator[Ad]], Iterator[Any]], ads: Iterator[Ad]) -> Done:
    start, start_cpu = time.monotonic(), time.process_time()
    scored = sum(1 for _ in send(ads))
    return Done(scored, time.monotonic() - start, [], time.process_time() - start_cpu)


if __name__ == "__main__":
    main()
