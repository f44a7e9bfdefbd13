"""A bound on the pixels that are decoded at once, whatever number of threads decodes."""

import contextlib
import threading
from collections.abc import Iterator

# Images up to this many pixels pass freely: they are the rule, and take little memory.
FREE_PIXELS = 2_000_000


class PixelBudget:
    """Lets threads decode large images as long as these fit into it together; others wait.

    A small file may unpack into 20 bytes for each of its pixels, so that a few of the largest
    images that are accepted, decoded at once, would take the memory of many.

    Args:
        pixels: Pixels of the large images that are decoded at once; an image that alone has
            more is decoded alone.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Holds room for an image of so many pixels; waits until there is some."""
        if pixels <= FREE_PIXELS:
            yield
            return
        with self._changed:
            while self._taken and self._taken + pixels > self._pixels:
                self._changed.wait()
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()
