"""Whose work has the cores first."""

import contextlib
import os
import sys
import threading

# A tenth of what other threads get where all cores are busy.
_NICENESS = 10
_HIGHEST = 19

_THREAD = threading.local()


def give_way() -> None:
    """Lowers the priority of this thread, once; Linux alone has one for each thread."""
    if sys.platform != "linux" or getattr(_THREAD, "gives_way", False):
        return
    _THREAD.gives_way = True
    with contextlib.suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, min(own + _NICENESS, _HIGHEST))
