"""The contract of the queue for work: batches, pressure, and callers who have gone."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adscore_server.calls.call import Call
from adscore_server.calls.queue import WorkQueue
from adscore_server.errors import CallAbandonedError, OverloadedError

TIMEOUT_SECONDS = 30.0


class Item(Call):
    """A call that brings a number."""

    def __init__(
        self, item: int, *, alone: bool = False, waited_seconds: float = 0.0, caller: str = ""
    ) -> None:
        super().__init__("/test")
        self.caller = caller
        self.item, self.alone = item, alone
        self.arrival -= waited_seconds
        self.result: Future[int] = Future()

    def fail(self, error: Exception) -> None:
        self.answered = True
        self.result.set_exception(error)


class HeldWork:
    """Doubles numbers once it is released; remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def __call__(self, calls: Sequence[Any]) -> None:
        self.batches.append([call.item for call in calls])
        self.entered.release()
        assert self.released.wait(TIMEOUT_SECONDS)
        for call in calls:
            call.answered = True
            call.result.set_result(2 * call.item)


class Pressed:
    """Pressure that a test sets."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity

    def retry_seconds(self) -> float:
        return 0.5


@pytest.fixture
def work() -> Iterator[HeldWork]:
    held = HeldWork()
    yield held
    held.released.set()


@pytest.fixture
def make_queue(work: HeldWork) -> Iterator[Callable[..., WorkQueue]]:
    made: list[WorkQueue] = []

    def make(
        workers: int = 1,
        max_together: int = 100,
        pressure: Any = None,
        batch_seconds: float = math.inf,
    ) -> WorkQueue:
        def is_alone(call: Any) -> bool:
            return bool(call.alone)

        made.append(WorkQueue(work, workers, max_together, pressure, is_alone, batch_seconds))
        return made[-1]

    yield make
    work.released.set()
    for queue in made:
        queue.stop(wait=True)


def put(queue: WorkQueue, *items: Item) -> list[Item]:
    for item in items:
        queue.put(item)
    return list(items)


def put_first(queue: WorkQueue, work: HeldWork) -> Item:
    [first] = put(queue, Item(1))
    assert work.entered.acquire(timeout=TIMEOUT_SECONDS)
    return first


def results(items: Sequence[Item]) -> list[int]:
    return [item.result.result(TIMEOUT_SECONDS) for item in items]


def test_a_call_that_finds_a_worker_free_is_worked_on_alone(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    work.released.set()
    queue = make_queue(workers=2)
    for number in range(3):
        assert results(put(queue, Item(number))) == [2 * number]
    assert work.batches == [[0], [1], [2]]


def test_calls_that_wait_are_worked_on_together_in_their_order(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue()
    items = [put_first(queue, work), *put(queue, *map(Item, range(2, 7)))]
    work.released.set()
    assert results(items) == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1], [2, 3, 4, 5, 6]]


def test_a_batch_is_no_larger_than_the_limit_and_a_large_call_is_taken_alone(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue(max_together=2)
    items = [put_first(queue, work)]
    items += put(queue, Item(2), Item(3), Item(4), Item(5, alone=True), Item(6))
    work.released.set()
    assert results(items) == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1], [2, 3], [4], [5], [6]]


def test_a_worker_takes_its_share_and_leaves_the_rest_to_the_others(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue(workers=2)
    items = [put_first(queue, work), put_first(queue, work)]
    items += put(queue, *map(Item, range(2, 8)))
    work.released.set()
    results(items)
    assert max(map(len, work.batches)) == 3


def test_callers_take_turns_however_many_calls_one_of_them_sends(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue(max_together=1)
    items = [put_first(queue, work)]
    items += put(queue, *(Item(number, caller="many") for number in range(2, 6)))
    items += put(queue, Item(10, caller="few"), Item(11, caller="few"))
    work.released.set()
    results(items)
    assert work.batches == [[1], [2], [10], [3], [11], [4], [5]]


def test_calls_that_take_long_are_not_worked_on_together(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue(batch_seconds=1e-9)
    items = [put_first(queue, work), *put(queue, *map(Item, range(2, 5)))]
    work.released.set()
    results(items)
    assert work.batches == [[1], [2], [3], [4]]


def test_dropped_calls_are_never_worked_on_and_their_batch_mates_are(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue()
    first = put_first(queue, work)
    [kept, *gone, last] = put(queue, *map(Item, range(100, 108)))
    assert all(queue.drop(call) for call in gone)
    work.released.set()
    assert results([first, kept, last]) == [2, 200, 214]
    assert work.batches[1:] == [[100, 107]]
    assert queue.statistics().abandoned == 6


@pytest.mark.parametrize("how", ["gone", "deadline"])
def test_a_call_whose_caller_has_gone_or_given_up_is_not_worked_on(
    make_queue: Callable[..., WorkQueue], work: HeldWork, wait_until: Any, how: str
) -> None:
    queue = make_queue()
    put_first(queue, work)
    late, good = put(queue, Item(2), Item(3))
    if how == "gone":
        late.gone = True
    else:
        late.deadline = time.monotonic() - 1
    work.released.set()
    assert results([good]) == [6]
    assert isinstance(late.result.exception(TIMEOUT_SECONDS), CallAbandonedError)
    wait_until(lambda: queue.statistics().abandoned == 1)


def test_dropping_what_is_worked_on_or_done_changes_nothing(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    queue = make_queue()
    first = put_first(queue, work)
    assert not queue.drop(first)
    [second] = put(queue, Item(2))
    work.released.set()
    assert results([first, second]) == [2, 4]
    assert not queue.drop(second)
    assert results(put(queue, Item(3))) == [6]


def test_no_more_is_worked_on_at_once_than_there_are_workers() -> None:
    working, largest, lock = 0, 0, threading.Lock()
    three = threading.Event()

    def work(calls: Sequence[Any]) -> None:
        nonlocal working, largest
        with lock:
            working += 1
            largest = max(largest, working)
            if working == 3:
                three.set()
        assert three.wait(TIMEOUT_SECONDS)  # the first ones wait for each other
        threading.Event().wait(0.002)
        with lock:
            working -= 1
        for call in calls:
            call.result.set_result(call.item)

    queue = WorkQueue(work, workers=3, max_together=4)
    items = put(queue, *map(Item, range(200)))
    assert results(items) == list(range(200))
    assert largest == 3
    queue.stop(wait=True)


def test_work_that_raises_fails_its_calls_and_the_worker_goes_on(work: HeldWork) -> None:
    def fail(calls: Sequence[Any]) -> None:
        if calls[0].item == 1:
            raise KeyError("planted")
        work(calls)

    work.released.set()
    queue = WorkQueue(fail, workers=1, max_together=1)
    bad, good = put(queue, Item(1), Item(2))
    assert isinstance(bad.result.exception(TIMEOUT_SECONDS), KeyError)
    assert results([good]) == [4]
    queue.stop(wait=True)


@pytest.mark.parametrize("capacity", [4, math.inf])
def test_under_pressure_the_newest_comes_first_and_what_waited_long_is_refused(
    make_queue: Callable[..., WorkQueue], work: HeldWork, capacity: float
) -> None:
    queue = make_queue(pressure=Pressed(capacity))
    first = put_first(queue, work)
    # The last is no less old, but nobody waits behind it.
    old_and_last = put(queue, *(Item(item, waited_seconds=60) for item in (2, 3, 4)))
    work.released.set()
    if capacity == math.inf:
        assert results([first, *old_and_last]) == [2, 4, 6, 8]
        return
    assert results([first, old_and_last[-1]]) == [2, 8]
    for item in old_and_last[:-1]:
        error = item.result.exception(TIMEOUT_SECONDS)
        assert isinstance(error, OverloadedError)
        assert error.retry_seconds == 0.5
    assert work.batches == [[1], [4]]
    assert queue.statistics().refused == 2


def test_pieces_of_calls_take_turns_with_calls_and_with_each_other(
    make_queue: Callable[..., WorkQueue], work: HeldWork
) -> None:
    done: list[str] = []

    class Pieces:
        def __init__(self, name: str, count: int) -> None:
            self.left = [f"{name}{number}" for number in range(count)]

        def take(self) -> tuple[Callable[[], None], bool]:
            name = self.left.pop(0)
            return lambda: done.append(name), bool(self.left)

    class Noted(HeldWork):
        def __call__(self, calls: Sequence[Any]) -> None:
            done.extend(str(call.item) for call in calls)
            super().__call__(calls)

    noted = Noted()
    queue = WorkQueue(noted, workers=1, max_together=1)
    first = put_first(queue, noted)
    queue.put_pieces(Pieces("a", 2), 2)
    queue.put_pieces(Pieces("b", 2), 2)
    items = put(queue, *map(Item, range(2, 5)))
    noted.released.set()
    results([first, *items])
    queue.stop(wait=True)
    assert done == ["1", "a0", "2", "b0", "3", "a1", "4", "b1"]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-3, 50)), min_size=1, max_size=80),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_every_call_gets_its_own_result(
    items: list[tuple[str, int]], workers: int, largest: int
) -> None:
    def work(calls: Sequence[Any]) -> None:
        assert len(calls) <= largest
        for call in calls:
            if call.item < 0:
                call.fail(ValueError("negative"))
            else:
                call.result.set_result(call.item)

    queue = WorkQueue(work, workers, largest, is_alone=lambda call: getattr(call, "alone"))  # noqa: B009
    calls = put(queue, *(Item(number, alone=name == "a") for name, number in items))
    for (_, number), call in zip(items, calls, strict=True):
        if number < 0:
            assert isinstance(call.result.exception(TIMEOUT_SECONDS), ValueError)
        else:
            assert call.result.result(TIMEOUT_SECONDS) == number
    queue.stop(wait=True)
    assert queue.statistics().waiting == 0
