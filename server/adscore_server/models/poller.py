"""Polls a model root beside the calls, and hands on what has changed."""

import contextlib
import ctypes
import logging
import threading
from types import TracebackType
from typing import Self

from adscore_server.models.root import ModelRoot, Publish

# A volume that has gone, or a huge file, must not keep a drained server from its end.
_PATIENCE_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class ModelPoller:
    """Polls in a thread of its own; as a context manager it starts and stops.

    Models are opened in that thread. ONNX Runtime and the reading of files leave the other
    threads running, so calls go on meanwhile.

    Args:
        models: The root.
        publish: Told each new set of models, in the poller's thread.
        seconds: Seconds between scans; 0 never scans.
        patience_seconds: How long a model that is being opened may hold up the end.
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
        """Looks no more; what is being opened is not waited for."""
        self._stopping.set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits a while for the model that is being opened, if one is; see `is_stuck`."""
        self.stop_looking()
        if self._thread.is_alive():  # a daemon inside a graph's runtime would crash the exit
            self._thread.join(self._patience_seconds)

    @property
    def is_stuck(self) -> bool:
        """Whether, stopped, it still opens a model: a normal exit would wait for it."""
        return self._stopping.is_set() and self._thread.is_alive()

    def _run(self) -> None:
        dropped = self._models.counts.dropped
        while not self._stopping.wait(self._seconds):
            # One look later, the calls that still used what was dropped have ended.
            if self._models.counts.dropped != dropped:
                dropped = self._models.counts.dropped
                _return_memory()
            try:
                self._models.poll(self._publish, lambda: not self._stopping.is_set())
            except Exception:  # the next look may find a folder that can be used
                _logger.exception("The model root could not be looked at")


def _return_memory() -> None:
    """Has the allocator give back what models have left in it, where it can; glibc keeps it.

    A model is some large blocks among the small ones of calls, so that 50 swaps would leave a
    server of 160 MB at 250 MB.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
