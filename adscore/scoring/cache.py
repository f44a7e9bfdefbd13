"""What the towers said of a headline or an image, kept for when the same one comes again.

Advertisers send one banner with twenty headlines, and the same creative every hour. A part is known
by its content, so equal files are equal whatever they are called.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adscore.creative import Warning

# What an entry takes beside its numbers: key, row, links. Some hundred bytes, rounded up.
ENTRY_OVERHEAD_BYTES = 600


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """What a tower says of one headline or image.

    Attributes:
        row: All outputs of the tower, one after the other, (width,) float32.
        warnings: What was noticed of it, on the way to the tower or by it.
    """

    row: NDArray[np.float32]
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What a cache did since it was made.

    Attributes:
        hits: Parts that were found.
        misses: Parts that were looked for in vain.
        entries: Parts that it holds.
        bytes: Memory that they take, in bytes.
    """

    hits: int = 0
    misses: int = 0
    entries: int = 0
    bytes: int = 0


class EncodingCache:
    """Encoded parts by their content; safe to use from many threads.

    When there is no room, those go first that were not asked for the longest time.

    Args:
        max_bytes: Most memory that entries may take, in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = self._hits = self._misses = 0
        self._parts: OrderedDict[str | bytes, EncodedPart] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str | bytes) -> EncodedPart | None:
        """Looks a part up.

        Args:
            key: A normalised headline, or the SHA-256 of an image file.
        """
        with self._lock:
            part = self._parts.get(key)
            if part is None:
                self._misses += 1
                return None
            self._hits += 1
            self._parts.move_to_end(key)
            return part

    def put(self, key: str | bytes, part: EncodedPart) -> None:
        """Keeps a part, unless it is larger than the whole cache."""
        size = _size(key, part)
        if size > self._max_bytes:
            return
        with self._lock:
            if key in self._parts:
                return
            self._parts[key] = part
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= _size(*self._parts.popitem(last=False))

    def statistics(self) -> CacheStatistics:
        """What it did so far."""
        with self._lock:
            return CacheStatistics(self._hits, self._misses, len(self._parts), self._bytes)


def _size(key: str | bytes, part: EncodedPart) -> int:
    # A character of a headline takes up to 4 bytes.
    return part.row.nbytes + 4 * len(key) + ENTRY_OVERHEAD_BYTES
