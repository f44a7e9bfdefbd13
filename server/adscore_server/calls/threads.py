"""The threads that work on calls, and how many calls may wait for them."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from adscore_server.calls.pressure import PressureLimit

# How much a call that ends counts in the moving average of the time between two ends.
_SMOOTHING = 0.1
# Bounds of what a refused caller is told: nothing is known at first, and nobody waits longer.
_SHORTEST_RETRY_SECONDS = 0.01
_LONGEST_RETRY_SECONDS = 5.0


class CallThreads(ThreadPoolExecutor):
    """Threads that work on calls, a bound on the calls that wait, and a way to wait for all.

    Args:
        threads: Calls that are worked on at once.
        max_waiting: Most calls that wait for a thread; see `admits_one`.
        name: Names the threads.
        fewest: Calls that have room under lasting pressure too, those that are worked on
            included; None means that room does not shrink.
    """

    def __init__(
        self, threads: int, max_waiting: int, name: str = "call", fewest: int | None = None
    ) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=name)
        most = threads + max_waiting
        self._queues = max_waiting > 0
        self._limit = PressureLimit(most, most if fewest is None else fewest)
        self._calls: set[Future[Any]] = set()
        self._last_end = 0.0
        self._next_turn = 0.0
        self._seconds_between_ends = 0.0

    def admits_one(self) -> bool:
        """Says whether one more call may come; whoever gives it one asks first."""
        return self._limit.admits(len(self._calls))

    @property
    def room(self) -> float:
        """Calls that have room now; infinite where it is not shrunk by pressure."""
        return self._limit.room

    @property
    def calls(self) -> int:
        """Calls that it holds, those that wait for a thread included."""
        return len(self._calls)

    def retry_seconds(self) -> float:
        """About how long until the call refused now is worth another try, 0.01 to 5 seconds.

        With a queue, until those that it holds, and those that were refused and told to come
        before this one, are done, at the rate at which calls end: callers that are all told the
        same would come all at once. Without a queue, until the next call ends.
        """
        now = time.monotonic()
        between = self._seconds_between_ends
        ends = len(self._calls) if self._queues else 1
        turn = now + ends * between
        if self._queues:
            turn = max(turn, self._next_turn)
            self._next_turn = min(turn + between, now + _LONGEST_RETRY_SECONDS)
        return min(max(turn - now, _SHORTEST_RETRY_SECONDS), _LONGEST_RETRY_SECONDS)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Takes a call; it waits where all threads are busy."""
        if not self._calls:
            self._last_end = time.monotonic()  # idle time says nothing of the rate
        future = super().submit(fn, *args, **kwargs)
        self._calls.add(future)
        future.add_done_callback(self._ended)
        return future

    def wait_for_calls(self, timeout_seconds: float) -> bool:
        """Waits for the calls taken so far; those that come meanwhile do not count.

        Returns:
            Whether all of them ended in time.
        """
        return not wait(self._calls.copy(), timeout_seconds).not_done

    def _ended(self, future: Future[Any]) -> None:
        now = time.monotonic()
        between = now - self._last_end
        self._seconds_between_ends += _SMOOTHING * (between - self._seconds_between_ends)
        self._last_end = now
        self._calls.discard(future)
