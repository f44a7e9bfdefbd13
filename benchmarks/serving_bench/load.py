"""Sends creatives from many threads, in a closed loop or as they would arrive by themselves."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving_bench.pictures import Ad

Send = Callable[[Sequence[Ad]], None]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Load:
    """What one process sends.

    Attributes:
        seconds: How long calls are started for.
        callers: Threads; each has one call open at a time.
        batch: Creatives of a call.
        calls_per_second: Calls arrive by themselves, as a Poisson process of this rate; 0 means
            a closed loop, in which a caller sends again as soon as it is answered.
    """

    seconds: float
    callers: int
    batch: int = 1
    calls_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it.

    Attributes:
        creatives: Number that was scored.
        seconds: From the start to the last answer.
        latencies_ms: Of each call. Where calls arrive by themselves they count from the time at
            which a call was due, so that a slow answer is not hidden by those that had to wait
            for it to be sent at all ("coordinated omission").
        cpu_seconds: Of the process that sent them.
    """

    creatives: int
    seconds: float
    latencies_ms: list[float]
    cpu_seconds: float


def run_load(send: Send, ads: Iterator[Ad], load: Load, seed: int) -> Done:
    """Sends creatives until the time is over and all that was sent is answered.

    Raises:
        Exception: Whatever the first call that failed raised.
    """
    start, start_cpu = time.monotonic(), time.process_time()
    due_times = _Shared(_due_times(load, start, seed))
    calls = _Shared(iter(lambda: tuple(itertools.islice(ads, load.batch)), ()))
    latencies: list[float] = []
    failures: list[BaseException] = []

    def call_until_over() -> None:
        try:
            while not failures and (due := due_times.next()) is not None:
                _sleep_until(due)
                ads_of_call = calls.next()
                begin = due if load.calls_per_second else time.monotonic()
                send(ads_of_call or ())
                latencies.append((time.monotonic() - begin) * 1000)
        except BaseException as error:
            failures.append(error)

    _run_threads(call_until_over, load.callers)
    if failures:
        raise failures[0]
    seconds, cpu = time.monotonic() - start, time.process_time() - start_cpu
    return Done(len(latencies) * load.batch, seconds, latencies, cpu)


def _due_times(load: Load, start: float, seed: int) -> Iterator[float]:
    """When calls are to start; in a closed loop, at once."""
    if not load.calls_per_second:
        while time.monotonic() - start < load.seconds:
            yield 0.0
        return
    random_source = random.Random(seed)  # noqa: S311 - arrivals, no secret
    due = start
    while True:
        due += random_source.expovariate(load.calls_per_second)
        if due - start >= load.seconds:
            return
        yield due


class _Shared(Generic[Item]):
    """An iterator that many threads take from."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def next(self) -> Item | None:
        """The next item; None after the last."""
        with self._lock:
            return next(self._items, None)


def _sleep_until(due: float) -> None:
    wait = due - time.monotonic()
    if wait > 0:
        time.sleep(wait)


def _run_threads(work: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=work, name=f"caller-{n}") for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
