"""The cores that this process may use, and bounded work on threads."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_OWN_GROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def usable_cores(own_group: Path = _OWN_GROUP, groups: Path = _GROUPS) -> int:
    """Cores that the process may run on, and no more than its quota of CPU time pays for.

    Args:
        own_group: Names the process's control group, as `/proc/self/cgroup` does.
        groups: Where control groups (version 2) are mounted.

    Returns:
        At least 1; a part of a core counts as one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota(own_group, groups)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def in_order(
    pool: Executor, work: Callable[[ItemT], ResultT], items: Iterable[ItemT], ahead: int
) -> Iterator[ResultT]:
    """Does work on a pool; memory is bounded, whatever the speed of those who give and take.

    Args:
        pool: Does the work.
        work: What is done to each item.
        items: Taken one by one, no sooner than needed.
        ahead: Results, ready or not yet, that wait behind the one that is given out.
    """
    waiting: deque[Future[ResultT]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _quota(own_group: Path, groups: Path) -> float | None:
    """The smallest quota of the group and those above it, in cores; None where there is none."""
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return None
    own = next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")
    folders = [groups / own, *(groups / own).parents]
    quotas = [_quota_of(one) for one in folders if one.is_relative_to(groups)]
    return min((one for one in quotas if one is not None), default=None)


def _quota_of(group: Path) -> float | None:
    """Reads `cpu.max`: microseconds of CPU time in each period, such as `150000 100000`."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # not there, or "max": no quota
        return None
