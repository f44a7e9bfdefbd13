"""Work on threads whose results come in order, and of which a bounded amount is ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


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
