"""The threads that work on calls, and how many calls may wait for them."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from adscore_server.pressure import PressureLimit

# How much a call that ends counts in the moving average of the time between two ends.
_SMOOTHING = 0.1


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
        self._limit = PressureLimit(most, most if fewest is None else fewest)
        self._calls: set[Future[Any]] = set()
        self._last_end = 0.0
        self._seconds_between_ends = 0.0

    def admits_one(self) -> bool:
        """Says whether one more call may come; whoever gives it one asks first."""
        return self._limit.admits(len(self._calls))

    @property
    def calls(self) -> int:
        """Calls that it holds, those that wait for a thread included."""
        return len(self._calls)

    @property
    def seconds_until_idle(self) -> float:
        """About how long the calls that it holds will take, at the rate at which calls end."""
        return len(self._calls) * self._seconds_between_ends

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Takes a call; it waits where all threads are busy."""
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
        if self._last_end and len(self._calls) > 1:  # idle time says nothing of the rate
            between = now - self._last_end
            self._seconds_between_ends += _SMOOTHING * (between - self._seconds_between_ends)
        self._last_end = now
        self._calls.discard(future)
