"""Whose work has the cores first."""

import contextlib
import os
import sys

# A third of what other threads get where all cores are busy.
_NICENESS = 5
_HIGHEST = 19


def give_way() -> None:
    """Lowers the priority of this thread; Linux alone has one for each thread."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, min(own + _NICENESS, _HIGHEST))
