"""Which calls a server takes on: many in a burst, few under pressure, a share for each caller."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore_server.calls import admission
from adscore_server.calls.admission import Places, PressureLimit
from adscore_server.calls.call import Call


@dataclass
class Clock:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def places_in(limit: PressureLimit) -> int:
    """How many calls come in one after another until one is refused."""
    calls = 0
    while limit.admits(calls):
        calls += 1
    return calls


def pass_calls(limit: PressureLimit, clock: Clock, *, came: int, ended: int, held: int) -> int:
    """One second in which calls come and end evenly; returns how many are held after it."""
    done = 0.0
    for _ in range(came):
        clock.seconds += 1 / came
        held += limit.admits(held)
        done += ended / came
        if done >= 1 and held:
            held -= 1
            done -= 1
    return held


def test_a_burst_finds_all_the_places_there_are() -> None:
    limit = PressureLimit(40, 4, Clock())
    assert places_in(limit) == 40
    assert limit.capacity == 4  # one more than that is pressure


def test_ten_times_as_many_calls_as_end_leave_places_for_the_minimum() -> None:
    clock = Clock()
    limit = PressureLimit(64, 4, clock)
    held = 0
    for _ in range(5):
        held = pass_calls(limit, clock, came=1_000, ended=100, held=held)
        assert limit.capacity == 4
    assert held <= 4


def test_callers_who_come_again_when_told_to_keep_their_places() -> None:
    clock = Clock()
    limit = PressureLimit(64, 4, clock)
    held = 0
    for _ in range(5):
        held = pass_calls(limit, clock, came=200, ended=100, held=held)
    assert held >= 60
    assert limit.capacity == math.inf


def test_places_come_back_within_a_second_or_so_of_the_last_pressure() -> None:
    clock = Clock()
    limit = PressureLimit(40, 4, clock)
    places_in(limit)
    assert limit.capacity == 4
    grown = []
    for _ in range(5):
        clock.seconds += 0.25
        limit.admits(0)
        grown.append(limit.capacity)
    assert grown == sorted(grown)
    assert grown[-1] == math.inf
    assert places_in(limit) == 40


@given(
    max_calls=st.integers(1, 100),
    min_calls=st.integers(1, 100),
    steps=st.lists(st.tuples(st.integers(0, 150), st.floats(0, 5)), max_size=50),
)
def test_never_above_the_maximum_nor_below_the_minimum(
    max_calls: int, min_calls: int, steps: list[tuple[int, float]]
) -> None:
    clock = Clock()
    limit = PressureLimit(max_calls, min_calls, clock)
    for calls, seconds in steps:
        clock.seconds += seconds
        admitted = limit.admits(calls)
        assert admitted or calls >= min(min_calls, max_calls)
        assert not admitted or calls < max_calls


# === Places ===


class PlacesClock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> PlacesClock:
    made = PlacesClock()
    monkeypatch.setattr(admission, "time", made)
    return made


class Waiting(Call):
    """A call of a caller, in a queue unless it still waits for its request."""

    def __init__(self, caller: str, clock: PlacesClock, queue: set[Call], *, silent: bool) -> None:
        super().__init__("/test")
        self.caller = caller
        self.idle_since = clock.now if silent else 0.0
        self.work = self
        self._queue = queue
        if not silent:
            queue.add(self)

    def put(self, call: Call) -> None:
        raise NotImplementedError

    def drop(self, call: Call) -> bool:
        waited = call in self._queue
        self._queue.discard(call)
        return waited


def test_idle_time_does_not_count(clock: PlacesClock) -> None:
    places = Places(2)
    for _ in range(5):
        clock.now += 3_600
        call = Call("/test")
        places.take(call)
        places.leave(call)
    assert places.retry_seconds() == pytest.approx(0.01)


@pytest.mark.parametrize("queues", [False, True])
def test_time_to_retry_is_some_seconds_at_most(clock: PlacesClock, queues: bool) -> None:
    places, call = Places(3, queues=queues), Call("/test")
    places.take(call)
    clock.now += 3_600
    places.leave(call)
    assert places._seconds_between_ends == pytest.approx(360)
    if not queues:  # until the next ends, however many there are
        assert places.retry_seconds() == 5.0
    assert places.retry_seconds() <= 5.0


def test_those_who_are_refused_are_told_to_come_one_after_the_other(clock: PlacesClock) -> None:
    places = Places(4)
    places._seconds_between_ends = 0.1
    told = [places.retry_seconds() for _ in range(4)]
    assert told == pytest.approx([0.01, 0.1, 0.2, 0.3])
    clock.now += 0.25  # two of them have had their turn
    assert places.retry_seconds() == pytest.approx(0.15)
    assert [places.retry_seconds() for _ in range(100)][-1] == 5.0


def test_a_place_is_free_again_once_its_call_has_ended() -> None:
    places, calls = Places(2), [Call("/test") for _ in range(3)]
    assert [places.take(call)[0] for call in calls] == [True, True, False]
    places.leave(calls[0])
    places.leave(calls[0])  # again changes nothing
    assert places.take(calls[2]) == (True, None)
    assert len(places) == 2


def test_a_call_that_is_answered_leaves_its_place_to_the_next_until_too_many_are_not_read() -> None:
    places, calls = Places(2), [Call("/test") for _ in range(6)]
    taken = []
    for call in calls:
        taken.append(places.take(call)[0])
        call.answered = True
    assert taken == [True, True, True, False, False, False]
    assert len(places) == 3


def test_a_call_that_never_sends_its_request_gives_way_after_a_second(clock: PlacesClock) -> None:
    places, queue = Places(2), set[Call]()
    silent = [Waiting("slow", clock, queue, silent=True) for _ in range(5)]
    assert [places.take(call) for call in silent[:2]] == [(True, None)] * 2
    assert places.take(silent[2]) == (False, None)
    clock.now += 0.5  # by then it is no work that waits, and there are places for as many
    assert places.take(silent[2]) == (True, None)
    clock.now += 0.2
    assert places.take(silent[3]) == (False, None)
    clock.now += 1
    assert places.take(silent[4]) == (True, silent[0])


def test_calls_that_send_nothing_are_no_work_under_pressure(clock: PlacesClock) -> None:
    places, queue = Places(8, 1), set[Call]()
    silent = [Waiting("silent", clock, queue, silent=True) for _ in range(60)]
    for call in silent:
        places.take(call)
    assert places.capacity == 1
    clock.now += 0.15
    for caller in ("silent", "other"):
        working = Waiting(caller, clock, queue, silent=False)
        assert places.take(working)[0]
        places.leave(working)


def test_a_caller_with_few_calls_takes_the_place_of_the_newest_of_the_one_with_most(
    clock: PlacesClock,
) -> None:
    places, queue = Places(4), set[Call]()
    many = [Waiting("many", clock, queue, silent=False) for _ in range(4)]
    for call in many:
        places.take(call)
    queue.discard(many[0])  # it is worked on
    few = [Waiting("few", clock, queue, silent=False) for _ in range(3)]
    assert places.take(Waiting("many", clock, queue, silent=False)) == (False, None)
    for call, loser in zip(few, (many[3], many[2], None), strict=True):
        taken, gave_way = places.take(call)
        assert (taken, gave_way) == (loser is not None, loser)
        if gave_way is not None:
            places.leave(gave_way)


def test_calls_that_send_nothing_keep_no_other_caller_out_even_for_a_second(
    clock: PlacesClock,
) -> None:
    places, queue = Places(4), set[Call]()
    silent = [Waiting("silent", clock, queue, silent=True) for _ in range(4)]
    for call in silent:
        places.take(call)
    assert places.take(Waiting("silent", clock, queue, silent=True)) == (False, None)
    assert places.take(Waiting("other", clock, queue, silent=True)) == (True, silent[0])


def test_a_connection_with_few_calls_takes_the_place_of_one_with_most_of_the_same_caller(
    clock: PlacesClock,
) -> None:
    places, queue = Places(4), set[Call]()

    def call_by(port: int) -> Waiting:
        made = Waiting("", clock, queue, silent=True)
        made.peer = f"ipv4:127.0.0.1:{port}"
        return made

    many = [call_by(1) for _ in range(4)]
    for call in many:
        places.take(call)
    assert places.take(call_by(1)) == (False, None)
    assert places.take(call_by(2)) == (True, many[0])


def test_requests_beyond_the_bytes_that_may_wait_do_not_fit() -> None:
    places, calls = Places(4, max_bytes=100), [Call("/test") for _ in range(3)]
    for call, size in zip(calls, (500, 60, 30), strict=True):
        places.take(call)
        call.bytes_in = size
    assert places.holds_request(calls[0])  # one alone always fits
    assert not places.holds_request(calls[1])
    places.leave(calls[0])
    assert places.holds_request(calls[2])
