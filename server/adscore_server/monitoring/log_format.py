"""The log of the process: where it goes, its two forms, and what it leaves out."""

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
    """Sends the log to stderr, one line an entry, with times in UTC.

    Args:
        level: One of `LOG_LEVELS`.
        form: One of `LOG_FORMATS`.

    Raises:
        ValueError: It is none of them.
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
    # What others write may quote a creative: gRPC the texts of exceptions, Pillow what an
    # image says of itself.
    for name in ("grpc", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    without_image_noise()


def log_handler(stream: TextIO, form: str = "text") -> logging.Handler:
    """Writes entries in one of `LOG_FORMATS`, and errors that come again and again now and then."""
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

        Names and texts of a model's folder may come from anywhere: what would steer a terminal is
        escaped, and a further line is set in, so that none looks like an entry of its own.
        """
        return printable(super().format(record)).replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """A JSON object a line: time (UTC), level, logger, message; a call's figures by their names."""

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
        return json.dumps(entry)  # in ASCII: no sign of it steers a terminal


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
