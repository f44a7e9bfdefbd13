"""Polls a model root in the background and publishes changes."""

import contextlib
import ctypes
import logging
import threading
from types import TracebackType
from typing import Self

from adscore_server.models.root import ModelRoot, Publish

# A lost volume or a huge file must not keep a drained server from exiting.
_PATIENCE_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class ModelPoller:
    """Polls in its own thread; as a context manager it starts and stops.

    That thread also opens models. ONNX Runtime and file reads release the GIL, so calls go on
    meanwhile.

    Args:
        models: The root.
        publish: Called with each new set of models, in the poller's thread.
        seconds: Seconds between scans; 0 never scans.
        patience_seconds: How long a model that is being opened may delay the stop.
    """

    def __init__(
        self,
        models: ModelRoot,
        publish: Publish,
        seconds: float,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._models = models
        self._publish = publish
        self._seconds = seconds
        self._patience_seconds = patience_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models")

    def __enter__(self) -> Self:
        if self._seconds:
            self._thread.start()
        return self

    def stop_looking(self) -> None:
        """Stops scanning, without waiting for a model that is being opened."""
        self._stopping.set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits a while for a model that is being opened; see `is_stuck`."""
        self.stop_looking()
        if self._thread.is_alive():  # a daemon thread inside ONNX Runtime would crash at exit
            self._thread.join(self._patience_seconds)

    @property
    def is_stuck(self) -> bool:
        """Whether the stopped poller still opens a model, which a normal exit would wait for."""
        return self._stopping.is_set() and self._thread.is_alive()

    def _run(self) -> None:
        dropped = self._models.counts.dropped
        while not self._stopping.wait(self._seconds):
            # By the next scan, the calls that still used a dropped model have ended.
            if self._models.counts.dropped != dropped:
                dropped = self._models.counts.dropped
                _return_memory()
            try:
                self._models.poll(self._publish, lambda: not self._stopping.is_set())
            except Exception:  # the next scan may find a usable folder
                _logger.exception("The model root could not be looked at")


def _return_memory() -> None:
    """Returns the memory of dropped models to the system, which glibc would keep.

    A model's few large blocks lie among the small ones of calls; 50 swaps would grow a server
    from 160 MB to 250 MB.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
