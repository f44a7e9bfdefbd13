"""The contract of the batcher, without a server."""

import functools
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adscore_server.errors import CallAbandonedError, OverloadedError
from adscore_server.scoring.batcher import BatchLimits, MicroBatcher

TIMEOUT_SECONDS = 30.0
ROOMY = BatchLimits(
    workers=1, max_batch_items=100, max_batch_bytes=1_000_000, max_waiting_items=100
)


class HeldRun:
    """Doubles numbers once it is released; remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def __call__(self, key: str, items: Sequence[int]) -> list[int]:
        self.batches.append((key, list(items)))
        self.entered.release()
        assert self.released.wait(TIMEOUT_SECONDS)
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [2 * item for item in items]


class Calls:
    """Threads that bring items, and the watches that they left with the batcher."""

    def __init__(self, batcher: MicroBatcher[str, int, int]) -> None:
        self.batcher = batcher
        self.abandon: dict[int, Callable[[], None]] = {}
        self._pool = ThreadPoolExecutor(64)

    def bring(self, item: int, key: str = "model", waited_seconds: float = 0.0) -> Future[int]:
        waiting = self.batcher.statistics().waiting
        arrival = time.monotonic() - waited_seconds
        future = self._pool.submit(
            self.batcher.submit, key, lambda: item, self._watch(item), arrival
        )
        while not future.done() and self.batcher.statistics().waiting <= waiting:
            threading.Event().wait(0.001)  # for the items to come in the order of the test
        return future

    def first(self, run: HeldRun, item: int = 1) -> Future[int]:
        future = self._pool.submit(self.batcher.submit, "model", lambda: item)
        assert run.entered.acquire(timeout=TIMEOUT_SECONDS)
        return future

    def _watch(self, item: int) -> Callable[[Callable[[], None]], bool]:
        def watch(abandon: Callable[[], None]) -> bool:
            self.abandon[item] = abandon
            return True

        return watch


@pytest.fixture
def run() -> Any:
    held = HeldRun()
    yield held
    held.released.set()


def test_an_item_that_finds_a_worker_free_is_run_alone_by_its_own_thread() -> None:
    threads: list[int] = []

    def run(key: str, items: Sequence[int]) -> list[int]:
        threads.append(threading.get_ident())
        return list(items)

    batcher = MicroBatcher[str, int, int](run, ROOMY)
    assert [batcher.submit("model", functools.partial(int, item)) for item in range(3)] == [0, 1, 2]
    assert threads == [threading.get_ident()] * 3


def test_items_that_wait_are_run_together_in_their_order(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, ROOMY))
    futures = [calls.first(run), *(calls.bring(item) for item in range(2, 7))]
    run.released.set()
    assert [future.result(TIMEOUT_SECONDS) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert run.batches == [("model", [1]), ("model", [2, 3, 4, 5, 6])]


def test_a_batch_is_no_larger_than_the_limit_and_of_one_key(run: HeldRun) -> None:
    limits = BatchLimits(1, max_batch_items=2, max_batch_bytes=1_000, max_waiting_items=100)
    calls = Calls(MicroBatcher(run, limits))
    futures = [calls.first(run)]
    for item, key in [(2, "b"), (3, "a"), (4, "b"), (5, "b"), (6, "a")]:
        futures.append(calls.bring(item, key))
    run.released.set()
    assert [future.result(TIMEOUT_SECONDS) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert run.batches[1:] == [("b", [2, 4]), ("a", [3, 6]), ("b", [5])]


def test_one_bad_item_fails_alone(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, ROOMY))
    futures = [calls.first(run), *(calls.bring(item) for item in (2, -3, 4))]
    run.released.set()
    assert futures[1].result(TIMEOUT_SECONDS) == 4
    assert futures[3].result(TIMEOUT_SECONDS) == 8
    with pytest.raises(ValueError, match="negative"):
        futures[2].result(TIMEOUT_SECONDS)
    assert calls.batcher.submit("model", lambda: 5) == 10


def test_a_run_with_too_few_results_fails_its_items() -> None:
    batcher = MicroBatcher[str, int, int](lambda key, items: [], ROOMY)
    with pytest.raises(ValueError, match="shorter"):
        batcher.submit("model", lambda: 1)


def test_abandoned_items_are_never_run_and_their_batch_mates_are(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, ROOMY))
    first = calls.first(run)
    kept = calls.bring(100)
    gone = [calls.bring(item) for item in range(2, 8)]
    last = calls.bring(101)
    for item in range(2, 8):
        calls.abandon[item]()
    for future in gone:  # at once, while the batch before still runs
        assert isinstance(future.exception(TIMEOUT_SECONDS), CallAbandonedError)
    run.released.set()
    assert [future.result(TIMEOUT_SECONDS) for future in (first, kept, last)] == [2, 200, 202]
    assert run.batches[1:] == [("model", [100, 101])]
    assert calls.batcher.statistics().abandoned == 6


def test_an_item_whose_caller_has_gone_before_it_waits_is_not_run(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, ROOMY))
    calls.first(run)
    with pytest.raises(CallAbandonedError):
        calls.batcher.submit("model", lambda: 2, watch=lambda abandon: False)
    assert calls.batcher.statistics().waiting == 0


def test_abandoning_what_runs_or_is_done_changes_nothing(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, ROOMY))
    first, second = calls.first(run), calls.bring(2)
    run.released.set()
    assert (first.result(TIMEOUT_SECONDS), second.result(TIMEOUT_SECONDS)) == (2, 4)
    calls.abandon[2]()
    assert calls.batcher.submit("model", lambda: 3) == 6


def test_what_finds_no_room_is_refused_at_once(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, BatchLimits(1, 10, 1_000, max_waiting_items=2)))
    calls.first(run)
    waiting = [calls.bring(item) for item in (2, 3)]
    with pytest.raises(OverloadedError) as caught:
        calls.batcher.submit("model", lambda: 4)
    assert caught.value.retry_seconds >= 0
    assert calls.batcher.statistics().refused == 1
    calls.abandon[2]()  # makes room
    late = calls.bring(5)
    run.released.set()
    assert [waiting[1].result(TIMEOUT_SECONDS), late.result(TIMEOUT_SECONDS)] == [6, 10]


def test_prepared_items_that_take_much_memory_are_run_before_another_is_prepared(
    run: HeldRun,
) -> None:
    limits = BatchLimits(1, 10, max_batch_bytes=1_000, max_waiting_items=100)
    calls = Calls(MicroBatcher(run, limits, size_bytes=lambda item: 500))
    futures = [calls.first(run), *(calls.bring(item) for item in range(2, 7))]
    run.released.set()
    assert [future.result(TIMEOUT_SECONDS) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert run.batches[1:] == [("model", [2, 3]), ("model", [4, 5]), ("model", [6])]


def test_an_item_that_cannot_be_prepared_fails_alone(run: HeldRun) -> None:
    calls = Calls(MicroBatcher(run, ROOMY))
    calls.first(run)

    def fail() -> int:
        raise ValueError("unreadable")

    broken = calls._pool.submit(calls.batcher.submit, "model", fail)
    good = calls.bring(2)
    run.released.set()
    assert good.result(TIMEOUT_SECONDS) == 4
    with pytest.raises(ValueError, match="unreadable"):
        broken.result(TIMEOUT_SECONDS)
    assert calls.batcher.submit("model", lambda: 3) == 6


def test_no_more_items_are_prepared_at_once_than_there_are_workers() -> None:
    working, most = 0, 0
    lock = threading.Lock()

    def prepare() -> int:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        threading.Event().wait(0.002)
        with lock:
            working -= 1
        return 1

    limits = BatchLimits(3, 4, 1_000, max_waiting_items=1_000)
    batcher = MicroBatcher[str, int, int](lambda key, items: list(items), limits)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: batcher.submit("model", prepare), range(200))) == 200
    assert most == 3


def test_no_more_batches_run_at_once_than_there_are_workers() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def run(key: str, items: Sequence[int]) -> list[int]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        with lock:
            running -= 1
        return list(items)

    batcher = MicroBatcher[str, int, int](run, BatchLimits(3, 4, 1_000, 1_000))
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda item: batcher.submit("model", lambda: item), range(200)))
    assert results == list(range(200))
    assert most == 3


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-3, 50)), min_size=1, max_size=80),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_every_item_gets_its_own_result(
    items: list[tuple[str, int]], workers: int, largest: int
) -> None:
    def run(key: str, batch: Sequence[int]) -> list[str]:
        assert len(batch) <= largest
        if any(item < 0 for item in batch):
            raise ValueError("negative")
        return [f"{key}{item}" for item in batch]

    batcher = MicroBatcher[str, int, str](run, BatchLimits(workers, largest, 1_000, 1_000))

    def call(pair: tuple[str, int]) -> str:
        try:
            return batcher.submit(pair[0], lambda: pair[1])
        except ValueError:
            return "failed"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(call, items))
    assert results == [f"{key}{item}" if item >= 0 else "failed" for key, item in items]
    assert batcher.statistics().waiting == 0


@pytest.mark.parametrize("room", [4, math.inf])
def test_under_pressure_what_waited_long_gives_way_to_what_came_last(
    run: HeldRun, room: float
) -> None:
    class Pressed:
        room = 0.0  # of the test

        def retry_seconds(self) -> float:
            return 0.5

    pressure = Pressed()
    pressure.room = room
    batcher = MicroBatcher(run, ROOMY, pressure=pressure)
    calls = Calls(batcher)
    first = calls.first(run)
    old = [calls.bring(item, waited_seconds=60) for item in (2, 3)]
    new = calls.bring(4, waited_seconds=60)  # no less old, but nobody waits behind it
    run.released.set()
    assert [first.result(TIMEOUT_SECONDS), new.result(TIMEOUT_SECONDS)] == [2, 8]
    if room == math.inf:
        assert [future.result(TIMEOUT_SECONDS) for future in old] == [4, 6]
        return
    for future in old:
        error = future.exception(TIMEOUT_SECONDS)
        assert isinstance(error, OverloadedError)
        assert error.retry_seconds == 0.5
    assert run.batches == [("model", [1]), ("model", [4])]
    assert batcher.statistics().refused == 2
