"""The time to retry that a full server tells."""

from typing import Any

import pytest

from adscore_server.calls import threads as call_threads
from adscore_server.calls.threads import CallThreads


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(call_threads, "time", made)
    return made


def test_idle_time_does_not_count(clock: Clock, wait_until: Any) -> None:
    with CallThreads(1, 1) as threads:
        for _ in range(5):
            clock.now += 3_600
            threads.submit(int).result()
            wait_until(lambda: not threads.calls)
        assert threads.retry_seconds() == pytest.approx(0.01)


@pytest.mark.parametrize("max_waiting", [0, 1])
def test_time_to_retry_is_some_seconds_at_most(
    clock: Clock, wait_until: Any, max_waiting: int
) -> None:
    def long() -> None:
        clock.now += 3_600

    with CallThreads(2, max_waiting) as threads:
        threads.submit(long).result()
        wait_until(lambda: not threads.calls)
        assert threads._seconds_between_ends == pytest.approx(360)
        if not max_waiting:  # until the next ends, however many there are
            assert threads.retry_seconds() == 5.0
        assert threads.retry_seconds() <= 5.0


def test_those_who_are_refused_are_told_to_come_one_after_the_other(clock: Clock) -> None:
    with CallThreads(2, 2) as threads:
        threads._seconds_between_ends = 0.1
        told = [threads.retry_seconds() for _ in range(4)]
        assert told == pytest.approx([0.01, 0.1, 0.2, 0.3])
        clock.now += 0.25  # two of them have had their turn
        assert threads.retry_seconds() == pytest.approx(0.15)
        assert [threads.retry_seconds() for _ in range(100)][-1] == 5.0
