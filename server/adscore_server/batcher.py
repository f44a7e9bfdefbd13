"""Puts items that come at the same time into one run, since a run of many costs less for each.

The contract:

- There is no timer. An item that finds a worker free is run at once, alone; items that come while
  all workers are busy wait, and the next worker that becomes free takes those that wait together.
  So an idle server adds no delay, and a busy one makes batches by itself.
- A batch holds items of one key (a model), in the order in which they came, at most
  `max_batch_items`. Keys take turns by their oldest item.
- There are no threads of its own: whoever brings an item runs a batch, its own and those of others
  with it, or waits until another has. When idle, an item changes no thread.
- What waits is bounded in items and in bytes. An item beyond either is refused at once with
  `OverloadedError`; a single one larger than `max_waiting_bytes` is let in where nothing waits.
- An item that is abandoned before its batch is put together is never run, and whoever brought it
  gets `CallAbandonedError` at once. One that is already running is run to its end, for the others.
- One bad item never fails its batch-mates: where a run of many raises, each is run again alone, and
  those that raise again get their own error.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from adscore_server.errors import CallAbandonedError, OverloadedError

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

# How much a new run counts in the moving average of the time that an item takes.
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much is run and how much may wait.

    Attributes:
        workers: Batches that run at once, at least 1.
        max_batch_items: Most items of one batch, at least 1.
        max_waiting_items: Most items that wait, 0 or more; 0 means that none may.
        max_waiting_bytes: Most bytes of those that wait, 0 or more.
    """

    workers: int
    max_batch_items: int
    max_waiting_items: int
    max_waiting_bytes: int


@dataclass(frozen=True, slots=True)
class BatcherStatistics:
    """What a batcher did since it was made, and what it holds now.

    Attributes:
        batches: Batches that were run.
        items: Items that were run in them.
        waiting: Items that wait now.
        refused: Items that found no room.
        abandoned: Items that were dropped, since nobody waited for them any more.
    """

    batches: int = 0
    items: int = 0
    waiting: int = 0
    refused: int = 0
    abandoned: int = 0


class MicroBatcher(Generic[Key, Item, Result]):
    """Runs items in batches; safe to use from many threads. The contract stands above.

    Args:
        run: Runs items of one key; gives a result for each, in their order.
        limits: How much is run and how much may wait.
    """

    def __init__(
        self, run: Callable[[Key, Sequence[Item]], Sequence[Result]], limits: BatchLimits
    ) -> None:
        self._run = run
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket[Key, Item, Result]] = deque()
        self._waiting_bytes = 0
        self._running = 0
        self._item_seconds = 0.0
        self._batches = self._items = self._refused = self._abandoned = 0

    def submit(
        self,
        key: Key,
        item: Item,
        size_bytes: int = 0,
        watch: Callable[[Callable[[], None]], bool] | None = None,
    ) -> Result:
        """Has an item run, and waits for its result.

        Args:
            key: Only items of the same key are run together.
            item: What to run.
            size_bytes: Memory that the item takes while it waits.
            watch: Is given, for an item that has to wait, what to call when nobody waits for the
                result any more; says whether somebody still does.

        Raises:
            OverloadedError: There is no room to wait.
            CallAbandonedError: Nobody waits for the result any more, and it was not run.
            Exception: What running the item raised.
        """
        ticket = _Ticket[Key, Item, Result](key, item, size_bytes)
        waits = self._enter(ticket)
        if waits and watch is not None and not watch(lambda: self._abandon(ticket)):
            self._abandon(ticket)
        try:
            batch = ticket.wait()
            if batch:
                self._run_batch(batch)
            return ticket.result()
        finally:
            ticket.let_go()

    def statistics(self) -> BatcherStatistics:
        """What it did so far, and what it holds."""
        with self._lock:
            return BatcherStatistics(
                self._batches, self._items, len(self._waiting), self._refused, self._abandoned
            )

    def _enter(self, ticket: "_Ticket[Key, Item, Result]") -> bool:
        """Gives an item a worker, or a place to wait; says whether it has to wait."""
        with self._lock:
            if self._running < self._limits.workers:
                self._running += 1
                ticket.lead([ticket])
                return False
            self._require_room(ticket.size_bytes)
            self._waiting.append(ticket)
            self._waiting_bytes += ticket.size_bytes
            return True

    def _require_room(self, size_bytes: int) -> None:
        full = len(self._waiting) >= self._limits.max_waiting_items
        total = self._waiting_bytes + size_bytes
        if full or (self._waiting and total > self._limits.max_waiting_bytes):
            self._refused += 1
            seconds = (len(self._waiting) + 1) * self._item_seconds / self._limits.workers
            raise OverloadedError(seconds)

    def _abandon(self, ticket: "_Ticket[Key, Item, Result]") -> None:
        with self._lock:
            if ticket not in self._waiting:
                return  # it is running, or done
            self._waiting.remove(ticket)
            self._waiting_bytes -= ticket.size_bytes
            self._abandoned += 1
        ticket.fail(CallAbandonedError())

    def _run_batch(self, batch: "Sequence[_Ticket[Key, Item, Result]]") -> None:
        """Runs a batch in the thread of its first item, then makes the oldest that waits lead."""
        start = time.monotonic()
        try:
            self._settle(batch)
        finally:
            seconds = (time.monotonic() - start) / len(batch)
            with self._lock:
                self._batches += 1
                self._items += len(batch)
                self._item_seconds += _SMOOTHING * (seconds - self._item_seconds)
                self._hand_over()

    def _settle(self, batch: "Sequence[_Ticket[Key, Item, Result]]") -> None:
        try:
            results = self._run(batch[0].key, [ticket.item for ticket in batch])
            settled = list(zip(batch, results, strict=True))
        except Exception as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for ticket in batch:
                self._settle([ticket])
            return
        for ticket, result in settled:
            ticket.succeed(result)

    def _hand_over(self) -> None:
        """Gives the worker to the oldest item that waits, and to all that may run with it."""
        if not self._waiting:
            self._running -= 1
            return
        mates = [ticket for ticket in self._waiting if ticket.key == self._waiting[0].key]
        batch = mates[: self._limits.max_batch_items]
        for ticket in batch:
            self._waiting.remove(ticket)
            self._waiting_bytes -= ticket.size_bytes
        batch[0].lead(batch)


class _Ticket(Generic[Key, Item, Result]):
    """One item on its way through a batcher."""

    def __init__(self, key: Key, item: Item, size_bytes: int) -> None:
        self.key = key
        self.item = item
        self.size_bytes = size_bytes
        # Held while there is nothing to do; a bare lock wakes its thread twice as fast as an Event.
        self._idle = threading.Lock()
        self._idle.acquire()
        self._batch: Sequence[_Ticket[Key, Item, Result]] = ()
        self._results: list[Result] = []
        self._error: Exception | None = None

    def wait(self) -> "Sequence[_Ticket[Key, Item, Result]]":
        """Waits until the item is done, which gives nothing, or leads a batch, which it gives."""
        self._idle.acquire()
        return self._batch

    def result(self) -> Result:
        """What became of the item, once it is done."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def let_go(self) -> None:
        """Forgets what it was for; it stands in its own batch, and a call may hold it for long.

        Otherwise a model that was replaced would stay until Python looks for cycles.
        """
        self._batch = ()
        del self.key, self.item

    def lead(self, batch: "Sequence[_Ticket[Key, Item, Result]]") -> None:
        self._batch = batch
        self._idle.release()

    def succeed(self, result: Result) -> None:
        self._results.append(result)
        self._wake()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if not self._batch:  # the thread of one that leads is awake
            self._idle.release()
