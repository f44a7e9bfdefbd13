"""How many calls a server takes in at once: many in a burst, few under pressure."""

import math
import time
from collections.abc import Callable

# A queue that is full adds its whole length to what each call takes, and answers no more of them
# than a short one. A burst that fits is worth the wait, since it ends, and so are callers who come
# again when they are told to: they and their next calls are two for each call that ends. Where more
# come, it is pressure.
_COMING_FOR_EACH_ENDED = 3
_INTERVAL_SECONDS = 0.2


class PressureLimit:
    """A limit on calls that pressure takes to its fewest, and that doubles while there is none.

    It starts at its most, so that a burst finds room. There is pressure where a call is refused
    and, in this interval of 0.2 s, more than three calls came for each that ended. Each interval
    without pressure doubles the limit. Used by one thread at a time, but for `room`.

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
        self._pressed = False
        self._start = clock()
        self._came = self._taken = 0

    @property
    def room(self) -> float:
        """Calls that are let in now; infinite where that is the most."""
        return math.inf if self._limit == self._most else self._limit

    def admits(self, calls: int) -> bool:
        """Says whether one more call is let in beside so many, and learns from a refusal."""
        self._look_at_interval(calls)
        self._came += 1
        if calls < self._limit:
            self._taken += 1
            return True
        ended = self._taken - calls
        if self._came > _COMING_FOR_EACH_ENDED * (ended + self._fewest):
            self._limit = self._fewest
            self._pressed = True
        return False

    def _look_at_interval(self, calls: int) -> None:
        intervals = int((self._clock() - self._start) / _INTERVAL_SECONDS)
        if not intervals:
            return
        quiet = intervals - self._pressed
        self._limit = min(self._most, self._limit << min(quiet, self._most.bit_length()))
        self._pressed = False
        self._start += intervals * _INTERVAL_SECONDS
        self._came, self._taken = 0, calls
