"""The log of the process: its destination, its two formats, and what it leaves out."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from adscore.console import printable, without_image_noise

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


def configure_logging(level: str, form: str = "text") -> None:
    """Sends the log to stderr, one line per entry, with times in UTC.

    Args:
        level: One of `LOG_LEVELS`.
        form: One of `LOG_FORMATS`.

    Raises:
        ValueError: The level or form is not one of these.
    """
    for option, value, known in (
        ("--log-level", level, LOG_LEVELS),
        ("--log-format", form, LOG_FORMATS),
    ):
        if value not in known:
            raise ValueError(f"{option}: expected one of {', '.join(known)}. Received: {value}")
    others = max(logging.WARNING, getattr(logging, level.upper()))
    logging.basicConfig(level=others, handlers=[log_handler(sys.stderr, form)])
    for name in ("adscore", "adscore_server"):
        logging.getLogger(name).setLevel(level.upper())
    # Other loggers may quote a creative: gRPC logs texts of exceptions, Pillow the metadata of
    # images.
    for name in ("grpc", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    without_image_noise()


def log_handler(stream: TextIO, form: str = "text") -> logging.Handler:
    """Writes entries in one of `LOG_FORMATS`, and rate-limits repeated errors."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(RepeatFilter())
    return handler


class TextFormatter(logging.Formatter):
    """A line for people, with the time in UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Formats one entry.

        Names and texts from a model's folder are untrusted: control characters are escaped, and
        continuation lines are indented, so that none looks like a separate entry.
        """
        return printable(super().format(record)).replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """A JSON object per line: time (UTC), level, logger, message, and a call's fields by name."""

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Formats one entry."""
        stamp = self.formatTime(record, self.datefmt)
        fields = getattr(record, "fields", None)
        entry = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": "call" if fields else record.getMessage(),
            **(fields or {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)  # in ASCII, free of terminal control characters


# Error texts name places in the code, so they are few; the limit bounds anything else.
_MOST_TEXTS = 100


@dataclass(slots=True)
class _Written:
    """When an error was last written (monotonic seconds), and how often it came since."""

    at: float
    left_out: int = 0


class RepeatFilter(logging.Filter):
    """Passes each error text at most once per interval; thread-safe.

    Otherwise a model whose graphs fail on every creative would fill the disk with one traceback.
    Dropped entries are counted, and the next written one gives the count.

    Args:
        interval_seconds: Minimum time between two entries of one text.
        clock: Monotonic seconds.
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
        """Whether to write an entry; always true below the level of errors."""
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
            self._written.pop(key, None)  # moves to the end, so that the first is the oldest
            self._written[key] = _Written(now)
            if len(self._written) > _MOST_TEXTS:
                del self._written[next(iter(self._written))]
        if before is not None and before.left_out:
            record.msg = f"{text}\n({before.left_out} more like it since it was last written)"
            record.args = ()
        return True
