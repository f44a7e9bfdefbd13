"""What waits to be scored, and the threads that work on it: one for each core, all of it each.

The contract:

- There is no timer. A worker that is free takes what waits: calls that may be worked on together,
  at most `max_together`, its share of those that wait, and what takes some 30 ms. So an idle server
  adds no delay, a busy one makes batches by itself, and where calls take long batches are small.
  The worker does everything for them, up to the answer.
- Callers take turns, see `WaitingCalls`.
- A call of many creatives comes back as a `Pieces` of work. Calls and pieces take turns, and so do
  the pieces of different calls.
- A call that is dropped before it is taken is never worked on; nor is one whose caller has gone.
- Under pressure, while there should be few calls, workers take the newest one, alone: it still has
  a caller who waits. What has waited longer than so few calls would have it wait is refused, but
  for the last in line, and for a batch for each worker that was let in before the pressure.
- What waits is bounded by those who put it there, see `calls.admission`.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from adscore_server.calls.call import Call
from adscore_server.calls.priority import give_way
from adscore_server.calls.waiting import WaitingCalls
from adscore_server.errors import CallAbandonedError, OverloadedError

# How much what a worker took last counts in the moving average of the time that a call takes.
_SMOOTHING = 0.1
# What the calls of a batch should take together, by that average: a batch of calls that take long
# saves nothing, and all of them wait for the last.
_BATCH_SECONDS = 0.03
# What a call may wait under pressure in any case: threads that change hands take some of it.
_MIN_PATIENCE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """What a queue did since it was made, and what it holds now.

    Attributes:
        batches: How often a worker took calls.
        items: Calls that were taken.
        waiting: Calls that wait now, and pieces of others.
        refused: Calls that were refused after they had waited too long.
        abandoned: Calls that were dropped, since nobody waited for them any more.
    """

    batches: int = 0
    items: int = 0
    waiting: int = 0
    refused: int = 0
    abandoned: int = 0


class Pressure(Protocol):
    """What is known of the calls that are let in."""

    @property
    def capacity(self) -> float:
        """How many there should be now; infinite where there is no pressure."""

    def retry_seconds(self) -> float:
        """When one that is refused should come again."""


class Pieces(Protocol):
    """The rest of a call that is worked on in pieces."""

    def take(self) -> tuple[Callable[[], None], bool]:
        """Takes out one piece; says whether there are more."""


class WorkQueue:
    """Calls that wait, and workers; safe to use from many threads. The contract stands above.

    Args:
        work: Works on calls and answers each of them; where it raises, they fail.
        workers: Threads, at least 1: one for each core.
        max_together: Calls that are worked on together, at least 1.
        pressure: Says how many calls there should be; None means any number.
        is_alone: Whether a call is worked on without others.
        batch_seconds: What calls that are worked on together should take, one call in any case.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Call]], None],
        workers: int,
        max_together: int,
        pressure: Pressure | None = None,
        is_alone: Callable[[Call], bool] = lambda _: False,
        batch_seconds: float = _BATCH_SECONDS,
    ) -> None:
        self._work, self._workers, self._max_together = work, workers, max_together
        self._pressure, self._is_alone = pressure, is_alone
        self._batch_seconds = batch_seconds
        self._lock = threading.Lock()
        self._calls = WaitingCalls()
        self._pieces: deque[Pieces] = deque()
        self._pieces_first = self._put_under_pressure = False
        self._stopping = False
        self._threads: list[threading.Thread] = []
        # A bare lock wakes its thread twice as fast as an Event.
        self._idle: list[threading.Lock] = []
        self._call_seconds = 0.0
        self._batches = self._items = self._refused = self._abandoned = 0

    def put(self, call: Call) -> None:
        """Has a worker take a call; never blocks."""
        pressed = self._pressure is not None and self._pressure.capacity < math.inf
        with self._lock:
            self._calls.append(call)
            self._put_under_pressure |= pressed
            waiter = self._wake_one()
        if waiter is not None:
            waiter.release()

    def put_pieces(self, pieces: Pieces, workers: int) -> None:
        """Has workers go on with a call.

        Args:
            pieces: At least one.
            workers: How many of them there is work for.
        """
        with self._lock:
            self._pieces.append(pieces)
            waiters = [self._wake_one() for _ in range(min(workers, self._workers))]
        for waiter in waiters:
            if waiter is not None:
                waiter.release()

    def drop(self, call: Call) -> bool:
        """Takes a call out of the queue; says whether it was there."""
        with self._lock:
            try:
                self._calls.remove(call)
            except ValueError:
                return False
            self._abandoned += 1
            return True

    def statistics(self) -> QueueStatistics:
        """What it did so far, and what it holds."""
        with self._lock:
            waiting = len(self._calls) + len(self._pieces)
            return QueueStatistics(
                self._batches, self._items, waiting, self._refused, self._abandoned
            )

    def stop(self, *, wait: bool) -> None:
        """Has the workers end once nothing waits; waits for them where that is asked for."""
        with self._lock:
            self._stopping = True
            waiters, self._idle = self._idle, []
        for waiter in waiters:
            waiter.release()
        for thread in self._threads if wait else ():
            thread.join()

    def _wake_one(self) -> "threading.Lock | None":
        """The lock of a worker that is idle; starts a worker where none is and more are allowed."""
        if self._idle:
            return self._idle.pop()
        if len(self._threads) < self._workers and not self._stopping:
            name = f"work-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()
        return None

    def _run(self) -> None:
        """A worker's life."""
        idle = threading.Lock()
        idle.acquire()
        while True:
            with self._lock:
                calls, piece, late = self._take()
                if not calls and piece is None and not late:
                    if self._stopping:
                        return
                    self._idle.append(idle)
            self._refuse(late)
            if calls:
                self._work_on(calls)
            elif piece is not None:
                piece()
            elif not late:
                idle.acquire()
            del calls, piece, late  # or they stay until the next come

    def _refuse(self, late: list[Call]) -> None:
        for call in late:
            seconds = self._pressure.retry_seconds() if self._pressure else 0.0
            call.fail(OverloadedError(seconds))

    def _take(self) -> tuple[list[Call], Callable[[], None] | None, list[Call]]:
        """Calls or a piece to work on, and calls that waited too long."""
        if self._pieces and (self._pieces_first or not self._calls):
            self._pieces_first = False
            pieces = self._pieces.popleft()
            piece, more = pieces.take()
            if more:
                self._pieces.append(pieces)
            return [], piece, []
        self._pieces_first = True
        if not self._calls:
            return [], None, []
        capacity = math.inf if self._pressure is None else self._pressure.capacity
        if capacity < math.inf:
            return [self._calls.take_newest()], None, self._take_late(capacity)
        self._put_under_pressure = False
        share = min(self._together(), -(-len(self._calls) // self._workers))
        calls = [self._calls.take()]
        if not self._is_alone(calls[0]):
            while len(calls) < share and self._calls and not self._is_alone(self._calls.first()):
                calls.append(self._calls.take())
        return calls, None, []

    def _together(self) -> int:
        """How many calls a batch may hold now."""
        most = self._max_together
        if most * self._call_seconds <= self._batch_seconds:
            return most
        return max(1, int(self._batch_seconds / self._call_seconds))

    def _take_late(self, capacity: float) -> list[Call]:
        """Takes out the calls that have waited longer than so few would have them wait."""
        seconds = (capacity - self._workers) * self._call_seconds / self._workers
        oldest = time.monotonic() - max(seconds, _MIN_PATIENCE_SECONDS)
        # What was let in before the pressure, and is soon done, is in nobody's way.
        kept = 0 if self._put_under_pressure else self._together() * self._workers
        late = self._calls.take_older(oldest, kept)
        self._refused += len(late)
        return late

    def _work_on(self, calls: list[Call]) -> None:
        wanted = []
        for call in calls:
            if call.is_wanted():
                wanted.append(call)
            else:
                call.fail(CallAbandonedError())
        start = time.monotonic()
        try:
            if wanted:
                self._work(wanted)
        except Exception as error:  # a fault of adscore's; the worker must live
            for call in wanted:
                if not call.answered:
                    call.fail(error)
        seconds = (time.monotonic() - start) / len(calls)
        with self._lock:
            self._batches += bool(wanted)
            self._items += len(wanted)
            self._abandoned += len(calls) - len(wanted)
            self._call_seconds += _SMOOTHING * (seconds - self._call_seconds)


class BackgroundQueue(WorkQueue):
    """A queue for what takes long, so that scores go first: on half the cores, which give way.

    Args:
        work: Works on a call and answers it; where it raises, the call fails.
        cores: That the server has, at least 1.
    """

    def __init__(self, work: Callable[[Call], None], cores: int) -> None:
        super().__init__(lambda calls: work(*calls), max(1, cores // 2), max_together=1)

    def _run(self) -> None:
        give_way()
        super()._run()


def quick_queue(answers: dict[str, Callable[[Call], Message]]) -> WorkQueue:
    """A queue for what is answered at once, in a thread of its own.

    Args:
        answers: For each method what makes its response.
    """

    def work(calls: Sequence[Call]) -> None:
        for call in calls:
            try:
                call.succeed(answers[call.method](call))
            except Exception as error:
                call.fail(error)

    return WorkQueue(work, workers=1, max_together=1)
