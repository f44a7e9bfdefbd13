"""Thread priorities."""

import contextlib
import os
import sys

# Gives a thread a third of the share of others when all cores are busy.
_NICENESS = 5
_HIGHEST = 19


def give_way() -> None:
    """Lowers the priority of this thread; only Linux has per-thread priorities."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, min(own + _NICENESS, _HIGHEST))
