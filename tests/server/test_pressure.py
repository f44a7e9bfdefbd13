"""The limit of calls that a server takes in: long for a burst, short under pressure."""

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from adscore_server.calls.pressure import PressureLimit


@dataclass
class Clock:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def room(limit: PressureLimit) -> int:
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


def test_a_burst_finds_all_the_room_there_is() -> None:
    limit = PressureLimit(40, 4, Clock())
    assert room(limit) == 40
    assert limit.room == 4  # one more than that is pressure


def test_ten_times_as_many_calls_as_end_leave_room_for_the_fewest() -> None:
    clock = Clock()
    limit = PressureLimit(64, 4, clock)
    held = 0
    for _ in range(5):
        held = pass_calls(limit, clock, came=1_000, ended=100, held=held)
        assert limit.room == 4
    assert held <= 4


def test_callers_who_come_again_when_told_to_keep_their_room() -> None:
    clock = Clock()
    limit = PressureLimit(64, 4, clock)
    held = 0
    for _ in range(5):
        held = pass_calls(limit, clock, came=200, ended=100, held=held)
    assert held >= 60
    assert limit.room == math.inf


def test_room_comes_back_within_a_second_or_so_of_the_last_pressure() -> None:
    clock = Clock()
    limit = PressureLimit(40, 4, clock)
    room(limit)
    assert limit.room == 4
    grown = []
    for _ in range(5):
        clock.seconds += 0.25
        limit.admits(0)
        grown.append(limit.room)
    assert grown == sorted(grown)
    assert grown[-1] == math.inf
    assert room(limit) == 40


@given(
    most=st.integers(1, 100),
    fewest=st.integers(1, 100),
    steps=st.lists(st.tuples(st.integers(0, 150), st.floats(0, 5)), max_size=50),
)
def test_never_above_the_most_nor_below_the_fewest(
    most: int, fewest: int, steps: list[tuple[int, float]]
) -> None:
    clock = Clock()
    limit = PressureLimit(most, fewest, clock)
    for calls, seconds in steps:
        clock.seconds += seconds
        admitted = limit.admits(calls)
        assert admitted or calls >= min(fewest, most)
        assert not admitted or calls < most
