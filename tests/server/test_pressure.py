"""The limit of calls that a server takes in: long for a burst, short under lasting pressure."""

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


def test_a_burst_finds_all_the_room_there_is() -> None:
    assert room(PressureLimit(40, 4, Clock())) == 40


def test_lasting_pressure_leaves_room_for_the_fewest() -> None:
    clock = Clock()
    limit = PressureLimit(40, 4, clock)
    rooms = []
    for _ in range(10):
        rooms.append(room(limit))
        clock.seconds += 0.125
    assert rooms == [40, 20, 10, 5, 4, 4, 4, 4, 4, 4]


def test_refusals_that_come_together_count_once() -> None:
    limit = PressureLimit(40, 4, Clock())
    for _ in range(1_000):
        assert not limit.admits(40)
    assert room(limit) == 20


def test_room_comes_back_when_no_call_is_refused_any_more() -> None:
    clock = Clock()
    limit = PressureLimit(40, 4, clock)
    for _ in range(10):
        room(limit)
        clock.seconds += 0.125
    grown = []
    for _ in range(4):
        clock.seconds += 1.0
        assert limit.admits(0)
        grown.append(sum(limit.admits(calls) for calls in range(3)))
    assert grown == [3, 3, 3, 3]
    clock.seconds += 1.0
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
