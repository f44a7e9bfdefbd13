"""How many calls a server takes in at once: many in a burst, few under lasting pressure."""

import time
from collections.abc import Callable

# A queue that is full adds its whole length to what each call takes, and answers no more of them
# than a short one. A burst is worth the wait, since it ends; pressure that lasts is not.
_SHORTEN_SECONDS = 0.1
_LENGTHEN_SECONDS = 1.0


class PressureLimit:
    """A limit that refusals halve, and that doubles again for each second without one.

    It starts at its most, so that a burst finds room; at ten times what a server can answer it is
    at its fewest within half a second. Used by one thread at a time.

    Args:
        most: Calls that are let in when there is no pressure.
        fewest: Calls that are always let in, enough to keep all cores busy; `most` where it is
            less.
        clock: Seconds of the monotonic clock.
    """

    def __init__(self, most: int, fewest: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._fewest = min(fewest, most)
        self._clock = clock
        self._limit = most
        self._changed = self._refused = clock()

    def admits(self, calls: int) -> bool:
        """Says whether one more call is let in beside so many, and learns from a refusal."""
        if self._limit == self._most and calls < self._most:
            return True  # the usual case reads no clock
        now = self._clock()
        self._lengthen(now)
        if calls < self._limit:
            return True
        self._refused = now
        if now - self._changed >= _SHORTEN_SECONDS or self._limit == self._most:
            self._limit = max(self._fewest, self._limit // 2)
            self._changed = now
        return False

    def _lengthen(self, now: float) -> None:
        quiet = now - max(self._refused, self._changed)
        while quiet >= _LENGTHEN_SECONDS and self._limit < self._most:
            self._limit = min(self._most, 2 * self._limit)
            self._changed = now
            quiet -= _LENGTHEN_SECONDS
