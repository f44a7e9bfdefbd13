"""The log of the process: where it goes, its two forms, and what it leaves out."""

import json
import logging
import sys
import time
from typing import TextIO

from adscore.console import without_image_noise
from adscore_server.monitoring.log_repeats import RepeatFilter

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
        return json.dumps(entry, ensure_ascii=False)
