"""Errors that come again and again: written now and then, with how many there were."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# Texts of errors name places in the code, so there are few; whatever else there is stays bounded.
_MOST_TEXTS = 100


@dataclass(slots=True)
class _Written:
    """When an error was last written, by a monotonic clock, and how often it came since."""

    at: float
    left_out: int = 0


class RepeatFilter(logging.Filter):
    """Lets an error of one text through once an interval; safe to use from many threads.

    A model whose graphs fail on every creative would otherwise fill the disk with one traceback.
    What is left out is counted, and the count stands behind the next one that is written.

    Args:
        interval_seconds: Least time between two entries of one text.
        clock: Seconds that never go back.
    """

    def __init__(
        self, interval_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._written: dict[tuple[str, str, object], _Written] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether an entry is written; all below the level of errors are."""
        if record.levelno < logging.ERROR:
            return True
        text = record.getMessage()
        key = (record.name, text, record.exc_info and record.exc_info[0])
        now = self._clock()
        with self._lock:
            before = self._written.get(key)
            if before is not None and now - before.at < self._interval_seconds:
                before.left_out += 1
                return False
            self._written.pop(key, None)  # to the end: the first is the one that rested longest
            self._written[key] = _Written(now)
            if len(self._written) > _MOST_TEXTS:
                del self._written[next(iter(self._written))]
        if before is not None and before.left_out:
            record.msg = f"{text}\n({before.left_out} more like it since it was last written)"
            record.args = ()
        return True
