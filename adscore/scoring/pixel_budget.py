"""Bounds the pixels that are decoded at once, for any number of threads.

A claim can wait for its turn without holding anything else:

    with budget.claim(image.pixels):          # waits as long as it takes
        image.decode()

    claim = budget.claim(image.pixels)
    claim.wait(timeout_seconds)               # up to a deadline, or until it is released elsewhere
    claim.when_granted(callback)              # or without a thread
    claim.release()                           # in any case, granted or not
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

# Images up to this many pixels do not count: they are the most common and take little memory.
FREE_PIXELS = 2_000_000


class PixelBudget:
    """Admits large images to decoding while they fit in together; others queue.

    A small file may unpack to 20 bytes per pixel, so a few of the largest accepted images,
    decoded at once, would take the memory of many.

    Args:
        pixels: Pixels of large images decoded at once; an image with more is decoded alone.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._taken = 0
        self._waiting: deque[PixelClaim] = deque()
        self._lock = threading.Lock()

    def claim(self, pixels: int) -> "PixelClaim":
        """Claims capacity for an image of this many pixels: granted at once, or in turn."""
        claim = PixelClaim(self, pixels)
        if pixels <= FREE_PIXELS:
            claim.settle()
            return claim
        with self._lock:
            self._waiting.append(claim)
        self._grant()
        return claim

    def give_back(self, claim: "PixelClaim") -> None:
        """Takes back the capacity of a claim, or its place in the queue."""
        if claim.pixels <= FREE_PIXELS:
            return
        with self._lock:
            if claim in self._waiting:
                self._waiting.remove(claim)
            else:
                self._taken -= claim.pixels
        self._grant()

    def _grant(self) -> None:
        granted = []
        with self._lock:
            while self._waiting:
                claim = self._waiting[0]
                if self._taken and self._taken + claim.pixels > self._pixels:
                    break
                self._taken += claim.pixels
                granted.append(self._waiting.popleft())
        for claim in granted:
            claim.settle()


class PixelClaim:
    """Capacity for one image, or its place in the queue; as a context manager it waits.

    Attributes:
        pixels: How many are claimed.
        granted: Whether the image may be decoded now.
    """

    def __init__(self, budget: PixelBudget, pixels: int) -> None:
        self._budget = budget
        self.pixels = pixels
        self.granted = False
        self._released = False
        self._settled = threading.Event()
        self._lock = threading.Lock()
        self._callback: Callable[[], None] | None = None

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits for its turn.

        Args:
            timeout_seconds: Maximum wait; None waits as long as it takes.

        Returns:
            Whether it is granted: False after the timeout, or if it was released meanwhile.
        """
        self._settled.wait(timeout_seconds)
        return self.granted

    def when_granted(self, callback: Callable[[], None]) -> None:
        """Registers a callback for the grant; runs it at once if granted, never after a release.

        The thread that gave capacity back runs it, so it must be quick.
        """
        with self._lock:
            self._callback = callback
            now = self.granted
        if now:
            callback()

    def release(self) -> None:
        """Gives the capacity back, or stops waiting; a second call does nothing."""
        with self._lock:
            if self._released:
                return
            self._released = True
            self.granted = False
            self._callback = None
        self._settled.set()
        self._budget.give_back(self)

    def settle(self) -> None:
        """Wakes the waiting thread; only for the budget."""
        with self._lock:
            self.granted = not self._released
            callback = self._callback if self.granted else None
        self._settled.set()
        if callback is not None:
            callback()

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
