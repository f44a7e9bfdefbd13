"""Limits the creatives a second that each caller may send."""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Fills at a rate, up to one second's worth; while it is not empty, any amount may be taken.

    Amounts beyond its content become a debt that later callers wait for. So a batch larger than
    a second's worth passes, and the rate still holds over time.

    Args:
        rate: Inflow per second; above 0.
        clock: Monotonic seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._level = rate
        self._filled_at = clock()

    def take(self, amount: int) -> float:
        """Takes the whole amount or nothing.

        Returns:
            0 if it was taken, else the seconds after which a retry may succeed.
        """
        now = self._clock()
        self._level = min(self._rate, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._level <= 0:
            # The bucket must hold more than nothing, so the wait is never 0.
            return max(-self._level / self._rate, 0.001)
        self._level -= amount
        return 0.0


class RateLimiter:
    """One bucket for each caller; thread-safe.

    Args:
        creatives_per_second: The rate of each caller.
        clock: Monotonic seconds.
    """

    def __init__(
        self, creatives_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = creatives_per_second
        self._clock = clock
        self._lock = threading.Lock()
        # By token name, so bounded by the tokens that the operator made.
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, caller: str, creatives: int) -> float:
        """Takes from the bucket of a caller; see `TokenBucket.take`."""
        with self._lock:
            bucket = self._buckets.get(caller)
            if bucket is None:
                bucket = self._buckets[caller] = TokenBucket(self._rate, self._clock)
            return bucket.take(creatives)

    @property
    def creatives_per_second(self) -> float:
        """The rate of each caller."""
        return self._rate
