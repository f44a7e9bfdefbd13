"""The queue of calls to score, and its workers: one thread per core, which does all the work.

The contract:

- There is no timer. A free worker takes a batch of waiting calls that may be worked on together: at
  most `max_together`, at most its share, and at most about 30 ms of work. So an idle server adds no
  delay, a busy one forms batches by itself, and slow calls make small batches. The worker does
  everything for them, up to the answer.
- Callers take turns, see `WaitingCalls`.
- A call of many creatives returns to the queue as `Pieces`. Calls and pieces take turns, and so do
  the pieces of different calls.
- A call that is dropped before it is taken is never worked on; nor is one whose caller has gone.
- Under pressure, when the call limit is low, workers take the newest call, one at a time: its
  caller still waits. Calls that have waited longer than a queue of that length should take are
  refused, except the last in line, and except one batch per worker accepted before the pressure.
- The length of the queue is bounded upstream, see `calls.admission`.
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

# Weight of a worker's latest batch in the moving average of the time that a call takes.
_SMOOTHING = 0.1
# Target duration of a batch, by that average: batching slow calls saves nothing, and all of them
# wait for the last.
_BATCH_SECONDS = 0.03
# The least that a call may wait under pressure: thread switches take part of it.
_MIN_PATIENCE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """Totals of a queue since its start, and its current length.

    Attributes:
        batches: Batches taken by workers.
        items: Calls taken by workers.
        waiting: Waiting calls, and calls with waiting pieces.
        refused: Calls refused after waiting too long.
        abandoned: Calls dropped because their callers had gone.
    """

    batches: int = 0
    items: int = 0
    waiting: int = 0
    refused: int = 0
    abandoned: int = 0


class Pressure(Protocol):
    """What the queue needs to know of admission."""

    @property
    def capacity(self) -> float:
        """The current limit on calls; infinite without pressure."""

    def retry_seconds(self) -> float:
        """The delay after which a refused call should retry."""


class Pieces(Protocol):
    """The remaining work of a call that is done in pieces."""

    def take(self) -> tuple[Callable[[], None], bool]:
        """Removes one piece; returns it and whether more remain."""


class WorkQueue:
    """Waiting calls and their workers; thread-safe. The module describes the contract.

    Args:
        work: Answers each of some calls; if it raises, they fail.
        workers: Threads, at least 1: one for each core.
        max_together: Maximum calls of a batch, at least 1.
        pressure: Gives the current limit on calls; None means no limit.
        is_alone: Whether a call must not share a batch.
        batch_seconds: Target duration of a batch, which always has at least one call.
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
        # A bare lock wakes its thread twice as fast as an Event does.
        self._idle: list[threading.Lock] = []
        self._call_seconds = 0.0
        self._batches = self._items = self._refused = self._abandoned = 0

    def put(self, call: Call) -> None:
        """Queues a call; never blocks."""
        pressed = self._pressure is not None and self._pressure.capacity < math.inf
        with self._lock:
            self._calls.append(call)
            self._put_under_pressure |= pressed
            waiter = self._wake_one()
        if waiter is not None:
            waiter.release()

    def put_pieces(self, pieces: Pieces, workers: int) -> None:
        """Queues the pieces of a call.

        Args:
            pieces: At least one.
            workers: How many workers they can keep busy.
        """
        with self._lock:
            self._pieces.append(pieces)
            waiters = [self._wake_one() for _ in range(min(workers, self._workers))]
        for waiter in waiters:
            if waiter is not None:
                waiter.release()

    def drop(self, call: Call) -> bool:
        """Removes a call from the queue; returns whether it was there."""
        with self._lock:
            try:
                self._calls.remove(call)
            except ValueError:
                return False
            self._abandoned += 1
            return True

    def statistics(self) -> QueueStatistics:
        """Totals so far and the current length."""
        with self._lock:
            waiting = len(self._calls) + len(self._pieces)
            return QueueStatistics(
                self._batches, self._items, waiting, self._refused, self._abandoned
            )

    def stop(self, *, wait: bool) -> None:
        """Makes the workers end once the queue is empty; optionally waits for them."""
        with self._lock:
            self._stopping = True
            waiters, self._idle = self._idle, []
        for waiter in waiters:
            waiter.release()
        for thread in self._threads if wait else ():
            thread.join()

    def _wake_one(self) -> "threading.Lock | None":
        """The lock of an idle worker; without one, starts a worker if more are allowed."""
        if self._idle:
            return self._idle.pop()
        if len(self._threads) < self._workers and not self._stopping:
            name = f"work-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()
        return None

    def _run(self) -> None:
        """The loop of a worker thread."""
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
            del calls, piece, late  # or they stay alive until the next ones come

    def _refuse(self, late: list[Call]) -> None:
        for call in late:
            seconds = self._pressure.retry_seconds() if self._pressure else 0.0
            call.fail(OverloadedError(seconds))

    def _take(self) -> tuple[list[Call], Callable[[], None] | None, list[Call]]:
        """Takes calls or a piece to work on, and calls that have waited too long."""
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
        """The current maximum of calls in a batch."""
        most = self._max_together
        if most * self._call_seconds <= self._batch_seconds:
            return most
        return max(1, int(self._batch_seconds / self._call_seconds))

    def _take_late(self, capacity: float) -> list[Call]:
        """Removes the calls that have waited longer than a queue of this capacity should take."""
        seconds = (capacity - self._workers) * self._call_seconds / self._workers
        oldest = time.monotonic() - max(seconds, _MIN_PATIENCE_SECONDS)
        # Calls accepted before the pressure are soon done and may stay.
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
        except Exception as error:  # a bug in adscore; the worker must survive
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
    """A queue for slow calls, on half the cores and at low priority, so that scores go first.

    Args:
        work: Answers a call; if it raises, the call fails.
        cores: Cores of the server, at least 1.
    """

    def __init__(self, work: Callable[[Call], None], cores: int) -> None:
        super().__init__(lambda calls: work(*calls), max(1, cores // 2), max_together=1)

    def _run(self) -> None:
        give_way()
        super()._run()


def quick_queue(answers: dict[str, Callable[[Call], Message]]) -> WorkQueue:
    """A queue with its own thread for calls that are answered at once.

    Args:
        answers: For each method, the function that makes its response.
    """

    def work(calls: Sequence[Call]) -> None:
        for call in calls:
            try:
                call.succeed(answers[call.method](call))
            except Exception as error:
                call.fail(error)

    return WorkQueue(work, workers=1, max_together=1)
