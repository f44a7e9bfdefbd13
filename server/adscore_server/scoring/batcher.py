"""Puts items that come at the same time into one run, since a run of many costs less for each.

The contract:

- There is no timer. As many threads work at once as there are cores: each prepares an item, or
  runs a batch. One that is done gives its core to the next item that waits to be prepared or, where
  none does or a batch is full, to the items that wait to be run, which are run together. So an idle
  server adds no delay, a busy one makes batches by itself, no core rests while an item waits, and
  threads do not take turns on a core, which costs more than the work between two turns.
- A batch holds items of one key (a model), in the order in which they were prepared, at most
  `max_batch_items`. Keys take turns by their oldest item.
- There are no threads of its own: whoever brings an item prepares it, and runs a batch, its own and
  those of others with it, or waits until another has. When idle, an item changes no thread.
- What waits is bounded. An item that finds no core and no room to wait is refused at once with
  `OverloadedError`. Prepared items that take `max_batch_bytes` are run before another is prepared.
- Under pressure, when there should be few items, one whose turn comes later than so few would have
  it wait gives way to those behind it, and is refused: what was let in before the pressure showed
  would otherwise hold up what comes after. The last in line never gives way. Nor are items gathered
  for a batch then: what is prepared is run by the next thread that is done.
- An item that is abandoned before its batch is put together is never run, nor prepared where it was
  not yet, and whoever brought it gets `CallAbandonedError` at once. One that is already running is
  run to its end, for the others.
- One bad item never fails its batch-mates: where a run of many raises, each is run again alone, and
  those that raise again get their own error.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

from adscore_server.errors import CallAbandonedError, OverloadedError
from adscore_server.scoring.ticket import Item, Key, Result, Ticket

# Is given what to call when nobody waits for a result any more; says whether somebody still does.
Watch = Callable[[Callable[[], None]], bool]

# How much a new item counts in the moving averages of the time that one takes.
_SMOOTHING = 0.1
# What an item may wait under pressure in any case: threads that change hands take some of it.
_LEAST_PATIENCE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much is worked on and how much may wait.

    Attributes:
        workers: Threads that work at once, at least 1: one for each core.
        max_batch_items: Most items of one batch, at least 1.
        max_batch_bytes: Bytes of prepared items that make a batch full, 0 or more.
        max_waiting_items: Most items that wait to be prepared, 0 or more; 0 means that none may.
    """

    workers: int
    max_batch_items: int
    max_batch_bytes: int
    max_waiting_items: int


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


class Pressure(Protocol):
    """What is known of the calls that bring items."""

    @property
    def room(self) -> float:
        """How many there should be now; infinite where there is no pressure."""

    def retry_seconds(self) -> float:
        """When one that is refused should come again."""


class MicroBatcher(Generic[Key, Item, Result]):
    """Runs items in batches; safe to use from many threads. The contract stands above.

    Args:
        run: Runs items of one key; gives a result for each, in their order.
        limits: How much is worked on and how much may wait.
        size_bytes: Memory that a prepared item takes, in bytes; None counts none.
        pressure: Says how many items there should be; None means any number.
    """

    def __init__(
        self,
        run: Callable[[Key, Sequence[Item]], Sequence[Result]],
        limits: BatchLimits,
        size_bytes: Callable[[Item], int] | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self._run = run
        self._pressure = pressure
        self._limits = limits
        self._size_bytes = size_bytes
        self._lock = threading.Lock()
        self._unprepared: deque[Ticket[Key, Item, Result]] = deque()
        self._prepared: deque[Ticket[Key, Item, Result]] = deque()
        self._prepared_bytes = 0
        self._working = 0
        self._prepare_seconds = self._run_seconds = 0.0
        self._batches = self._items = self._refused = self._abandoned = 0

    def submit(
        self,
        key: Key,
        prepare: Callable[[], Item],
        watch: Watch | None = None,
        arrival: float | None = None,
    ) -> Result:
        """Prepares an item, has it run, and waits for its result.

        Args:
            key: Only items of the same key are run together.
            prepare: Makes the item; called in this thread.
            watch: Tells, of an item that has to wait, when nobody waits for its result any more.
            arrival: Since when it has waited, in seconds of the monotonic clock; None means now.

        Raises:
            OverloadedError: There is no room to wait, or it waited too long under pressure.
            CallAbandonedError: Nobody waits for the result any more, and it was not run.
            Exception: What preparing or running the item raised.
        """
        ticket = Ticket[Key, Item, Result](key, time.monotonic() if arrival is None else arrival)
        try:
            self._enter(ticket)
            self._wait(ticket, watch)
            self._give_way(ticket)
            self._prepare(ticket, prepare)
            batch = self._wait(ticket, watch)
            if batch:
                self._run_batch(batch)
            return ticket.result()
        finally:
            ticket.let_go()

    def statistics(self) -> BatcherStatistics:
        """What it did so far, and what it holds."""
        with self._lock:
            waiting = len(self._unprepared) + len(self._prepared)
            return BatcherStatistics(
                self._batches, self._items, waiting, self._refused, self._abandoned
            )

    def _enter(self, ticket: Ticket[Key, Item, Result]) -> None:
        """Gives an item a core, or a place to wait for one."""
        with self._lock:
            if self._working < self._limits.workers:
                self._working += 1
                ticket.call()
            elif len(self._unprepared) < self._limits.max_waiting_items:
                self._unprepared.append(ticket)
            else:
                self._refused += 1
                raise OverloadedError(self._seconds_for(len(self._unprepared) + 1))

    def _give_way(self, ticket: Ticket[Key, Item, Result]) -> None:
        """Refuses an item that has its turn too late, for the sake of those behind it."""
        most = self._most_items()
        if self._pressure is None or most == math.inf:
            return
        waited = time.monotonic() - ticket.arrival
        with self._lock:
            patience = self._seconds_for(most - self._limits.workers)
            if not self._unprepared or waited <= max(patience, _LEAST_PATIENCE_SECONDS):
                return
            self._refused += 1
            self._give_core()
        raise OverloadedError(self._pressure.retry_seconds())

    def _most_items(self) -> float:
        """How many items there should be; infinite where there is no pressure."""
        return math.inf if self._pressure is None else self._pressure.room

    def _seconds_for(self, items: float) -> float:
        """About how long so many items take."""
        return items * (self._prepare_seconds + self._run_seconds) / self._limits.workers

    def _wait(
        self, ticket: Ticket[Key, Item, Result], watch: Watch | None
    ) -> Sequence[Ticket[Key, Item, Result]]:
        """Waits for a core or for the result; gives the batch that the item leads, if it does."""
        if not ticket.is_called() and watch is not None and not ticket.watched:
            ticket.watched = True
            if not watch(lambda: self._abandon(ticket)):
                self._abandon(ticket)
        return ticket.wait()

    def _prepare(self, ticket: Ticket[Key, Item, Result], prepare: Callable[[], Item]) -> None:
        start = time.monotonic()
        try:
            ticket.item = prepare()
            if self._size_bytes is not None:
                ticket.size_bytes = self._size_bytes(ticket.item)
        except BaseException:
            with self._lock:
                self._give_core()
            raise
        seconds = time.monotonic() - start
        with self._lock:
            self._prepare_seconds += _SMOOTHING * (seconds - self._prepare_seconds)
            self._prepared.append(ticket)
            self._prepared_bytes += ticket.size_bytes
            self._give_core(ticket)

    def _give_core(self, own: Ticket[Key, Item, Result] | None = None) -> None:
        """Gives the core of this thread, and any other that is free, to what waits.

        Args:
            own: What this thread brought, which had better lead its batch: no thread is woken then.
        """
        self._working -= 1
        while self._working < self._limits.workers and (self._unprepared or self._prepared):
            self._working += 1
            if self._unprepared and not self._batch_is_full():
                self._unprepared.popleft().call()
                continue
            batch = self._take_batch()
            leader = own if own is not None and own in batch else batch[0]
            leader.lead(batch)

    def _batch_is_full(self) -> bool:
        return bool(self._prepared) and (
            self._prepared_bytes >= self._limits.max_batch_bytes
            or len(self._next_batch()) == self._limits.max_batch_items
            or self._most_items() < math.inf
        )

    def _next_batch(self) -> Sequence[Ticket[Key, Item, Result]]:
        """The oldest prepared item, and all that may run with it."""
        mates = [ticket for ticket in self._prepared if ticket.key == self._prepared[0].key]
        return mates[: self._limits.max_batch_items]

    def _take_batch(self) -> Sequence[Ticket[Key, Item, Result]]:
        batch = self._next_batch()
        for ticket in batch:
            self._prepared.remove(ticket)
            self._prepared_bytes -= ticket.size_bytes
        return batch

    def _abandon(self, ticket: Ticket[Key, Item, Result]) -> None:
        with self._lock:
            if ticket in self._unprepared:
                self._unprepared.remove(ticket)
            elif ticket in self._prepared:
                self._prepared.remove(ticket)
                self._prepared_bytes -= ticket.size_bytes
            else:
                return  # it is worked on, or done
            self._abandoned += 1
        ticket.fail(CallAbandonedError())

    def _run_batch(self, batch: Sequence[Ticket[Key, Item, Result]]) -> None:
        """Runs a batch in the thread of its leader."""
        start = time.monotonic()
        try:
            self._settle(batch)
        finally:
            seconds = (time.monotonic() - start) / len(batch)
            with self._lock:
                self._batches += 1
                self._items += len(batch)
                self._run_seconds += _SMOOTHING * (seconds - self._run_seconds)
                self._give_core()

    def _settle(self, batch: Sequence[Ticket[Key, Item, Result]]) -> None:
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
