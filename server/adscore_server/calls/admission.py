"""Limits the calls that a server accepts, and picks the one to evict when it is full."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection

from adscore_server.calls.call import Call
from adscore_server.connections import Peer, peer_of

# A full queue adds its whole length to the latency of each call, and answers no more calls than a
# short one. A burst that fits is worth the wait, since it ends. So are callers who retry when told
# to: they and their next calls make two for each call that ends. More than that is pressure.
_COMING_FOR_EACH_ENDED = 3
_INTERVAL_SECONDS = 0.2


class PressureLimit:
    """A limit on calls that drops to its minimum under pressure and doubles without it.

    It starts at its maximum, so that a burst fits. There is pressure when a call is refused and,
    in the current interval of 0.2 s, more than three calls came for each that ended. Each interval
    without pressure doubles the limit. Not thread-safe, except for `capacity`.

    Args:
        max_calls: Calls accepted without pressure.
        min_calls: Calls always accepted, enough to keep all cores busy.
        clock: Monotonic seconds.
    """

    def __init__(
        self, max_calls: int, min_calls: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max = max_calls
        self._min = min(min_calls, max_calls)
        self._clock = clock
        self._limit = max_calls
        self._pressed = False
        self._start = clock()
        self._came = self._taken = 0

    @property
    def capacity(self) -> float:
        """Calls accepted now; infinite at the maximum."""
        return math.inf if self._limit == self._max else self._limit

    def admits(self, calls: int) -> bool:
        """Whether one more call is accepted beside this many; a refusal may lower the limit."""
        self._end_intervals(calls)
        self._came += 1
        if calls < self._limit:
            self._taken += 1
            return True
        ended = self._taken - calls
        if self._came > _COMING_FOR_EACH_ENDED * (ended + self._min):
            self._limit = self._min
            self._pressed = True
        return False

    def _end_intervals(self, calls: int) -> None:
        intervals = int((self._clock() - self._start) / _INTERVAL_SECONDS)
        if not intervals:
            return
        quiet = intervals - self._pressed
        self._limit = min(self._max, self._limit << min(quiet, self._max.bit_length()))
        self._pressed = False
        self._start += intervals * _INTERVAL_SECONDS
        self._came, self._taken = 0, calls


# How long a caller may take to send its request, and to receive its answer.
SLOW_SECONDS = 30.0
# How long a call may wait for its caller before it may be evicted when no place is free.
_PATIENCE_SECONDS = 1.0
# A call whose request has not arrived by then does not count as waiting work.
_SILENT_SECONDS = 0.1
# Weight of the latest call in the moving average of the time between two ends.
_SMOOTHING = 0.1
# Bounds of the retry delay: at first nothing is known, and no caller should wait longer.
_MIN_RETRY_SECONDS = 0.01
_MAX_RETRY_SECONDS = 5.0


class Places:
    """The calls of one kind that a server holds, from arrival to delivery.

    When no place is free, a call that has waited long enough for its own caller (to send the
    request or read the answer) is evicted, first from the caller with the most of these. If there
    is none, the caller with the most calls loses one to a caller with fewer: one that waits for its
    caller, or the newest one on which work has not begun. A caller is a token or, without tokens,
    a host; between calls of the same caller, its connections count as callers.

    Args:
        max_calls: Calls that wait for their answer at once; as many more may wait for delivery or
            for the rest of their request.
        min_calls: Calls held even under pressure; None means that pressure has no effect.
        queues: Whether calls queue, so that refused callers should wait for the queue too.
        max_bytes: Bytes of requests held at once; a single request may exceed this.
        patience_seconds: How long a call may wait for its caller when no place is free.
    """

    def __init__(
        self,
        max_calls: int,
        min_calls: int | None = None,
        *,
        queues: bool = True,
        max_bytes: float = math.inf,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._limit = PressureLimit(max_calls, max_calls if min_calls is None else min_calls)
        self._max_calls, self._queues = max_calls, queues
        self._max_bytes, self._patience_seconds = max_bytes, patience_seconds
        self._bytes = self._refused = 0
        self._lock = threading.Lock()
        self._held: dict[Call, None] = {}
        self._last_end = self._next_turn = self._seconds_between_ends = 0.0

    @property
    def refused(self) -> int:
        """Number of calls that found no place."""
        return self._refused

    def __len__(self) -> int:
        return len(self._held)

    @property
    def capacity(self) -> float:
        """Calls that fit now; infinite unless pressure lowers it."""
        return self._limit.capacity

    def take(self, call: Call) -> tuple[bool, Call | None]:
        """Gives a call a place if there is one.

        Returns:
            Whether it has a place; and the call evicted for it, which the caller must end.
        """
        with self._lock:
            # A caller's next call may arrive before gRPC reports that the last one was delivered.
            silent = time.monotonic() - _SILENT_SECONDS
            waiting = sum(
                not one.answered and not 0.0 < one.idle_since < silent for one in self._held
            )
            admitted, loser = self._limit.admits(waiting), None
            admitted = admitted and len(self._held) - waiting <= self._max_calls
            if not admitted:
                loser = self._slow_call() or self._call_above_share(call)
            if admitted or loser is not None:
                if not self._held:
                    self._last_end = time.monotonic()  # idle time says nothing about the rate
                self._held[call] = None
                return True, loser
            self._refused += 1
        return False, None

    def holds_request(self, call: Call) -> bool:
        """Whether the request that has just arrived fits beside those already held."""
        with self._lock:
            if call not in self._held:
                return True  # its caller has gone
            self._bytes += call.bytes_in
            return self._bytes <= self._max_bytes or self._bytes == call.bytes_in

    def leave(self, call: Call) -> None:
        """Frees the place of a call."""
        with self._lock:
            if call not in self._held:
                return
            del self._held[call]
            self._bytes -= call.bytes_in
            now = time.monotonic()
            between = now - self._last_end
            self._seconds_between_ends += _SMOOTHING * (between - self._seconds_between_ends)
            self._last_end = now

    def calls(self) -> list[Call]:
        """The calls that it holds, oldest first."""
        with self._lock:
            return list(self._held)

    def unanswered(self) -> int:
        """Number of calls that still wait for their answer."""
        return sum(not call.answered for call in self.calls())

    def peers(self) -> set[Peer] | None:
        """The peers being served; None while the peer of a new call is unknown."""
        contexts = [call.context for call in self.calls()]
        if None in contexts:
            return None
        return {peer_of(context.peer()) for context in contexts if context is not None}

    def retry_seconds(self) -> float:
        """Estimates when a call refused now should retry, from 0.01 to 5 seconds.

        With a queue, that is when the held calls and the earlier refused ones are done, at the
        rate at which calls end; with the same delay for all, callers would return all at once.
        Without a queue, it is when the next call ends.
        """
        with self._lock:
            now = time.monotonic()
            between = self._seconds_between_ends
            turn = now + (len(self._held) if self._queues else 1) * between
            if self._queues:
                turn = max(turn, self._next_turn)
                self._next_turn = min(turn + between, now + _MAX_RETRY_SECONDS)
            return min(max(turn - now, _MIN_RETRY_SECONDS), _MAX_RETRY_SECONDS)

    def _slow_call(self) -> Call | None:
        """The oldest call that waits for its caller, from the caller with the most of these."""
        patient = time.monotonic() - self._patience_seconds
        slow = [call for call in self._held if 0.0 < call.idle_since < patient]
        if not slow:
            return None
        name, _ = _busiest(slow)
        return next(call for call in slow if caller_of(call) == name)

    def _call_above_share(self, newcomer: Call) -> Call | None:
        """A call of the caller with the most calls, or of its connection with the most.

        It is one that waits for its caller, else the newest on which work has not begun. None if
        the newcomer's caller is the one with the most, or has hardly fewer.
        """
        for whose in (caller_of, connection_of):
            name, count = _busiest(self._held, whose)
            own = whose(newcomer)
            if name == own:
                continue
            if count <= 1 + sum(whose(call) == own for call in self._held):
                return None
            theirs = [call for call in self._held if whose(call) == name]
            waiting = next((call for call in theirs if call.idle_since), None)
            return waiting or next(
                (one for one in reversed(theirs) if one.work and one.work.drop(one)), None
            )
        return None


def caller_of(call: Call) -> str:
    """The caller: the name of a token, or a host."""
    return call.caller or call.peer.rpartition(":")[0]


def connection_of(call: Call) -> str:
    """The connection by which the call came."""
    return call.peer


def _busiest(calls: Collection[Call], whose: Callable[[Call], str] = caller_of) -> tuple[str, int]:
    return Counter(map(whose, calls)).most_common(1)[0]
