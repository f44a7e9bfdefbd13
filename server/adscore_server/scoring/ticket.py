"""One item on its way through the batcher, and the waiting of the thread that brought it."""

import threading
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class Ticket(Generic[Key, Item, Result]):
    """One item on its way through a batcher."""

    item: Item

    def __init__(self, key: Key, arrival: float) -> None:
        self.key = key
        self.arrival = arrival
        self.size_bytes = 0
        self.watched = False
        # Held while there is nothing to do; a bare lock wakes its thread twice as fast as an Event.
        self._idle = threading.Lock()
        self._idle.acquire()
        self._batch: Sequence[Ticket[Key, Item, Result]] = ()
        self._results: list[Result] = []
        self._error: Exception | None = None

    def is_called(self) -> bool:
        """Whether `wait` would come back at once."""
        return not self._idle.locked()

    def wait(self) -> "Sequence[Ticket[Key, Item, Result]]":
        """Waits until it has a core, is done, or leads a batch, which it gives.

        Raises:
            Exception: What became of it instead.
        """
        self._idle.acquire()
        if self._error is not None:
            raise self._error
        return self._batch

    def result(self) -> Result:
        """What became of the item, once it is done."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def let_go(self) -> None:
        """Forgets what it was for: it stands in its own batch, and in the traceback of its error.

        Otherwise a model that was replaced would stay until Python looks for cycles.
        """
        self._batch = ()
        self._error = None
        self.__dict__.pop("key", None)
        self.__dict__.pop("item", None)

    def call(self) -> None:
        """Gives it a core."""
        self._idle.release()

    def lead(self, batch: "Sequence[Ticket[Key, Item, Result]]") -> None:
        """Gives it a core, to run a batch with."""
        self._batch = batch
        self._idle.release()

    def succeed(self, result: Result) -> None:
        """Says what became of it."""
        self._results.append(result)
        self._wake()

    def fail(self, error: Exception) -> None:
        """Says why nothing became of it."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if not self._batch:  # the thread of one that leads is awake
            self._idle.release()
