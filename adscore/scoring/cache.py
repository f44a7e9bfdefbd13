"""A cache of encoded headlines and images.

Advertisers send one banner with twenty headlines, and the same creative every hour. Keys are made
from content, so equal files hit the cache whatever their names.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adscore.creative import Warning

# Overhead of an entry beside its numbers: key, row, links. A few hundred bytes, rounded up.
ENTRY_OVERHEAD_BYTES = 600


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A tower's output for one headline or image.

    Attributes:
        row: All outputs of the tower, one after the other, (width,) float32.
        warnings: Warnings from its preparation or from the tower.
    """

    row: NDArray[np.float32]
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Totals of a cache since its start, and its current size.

    Attributes:
        hits: Cache hits.
        misses: Cache misses.
        entries: Current number of parts.
        bytes: Memory that they take, in bytes.
    """

    hits: int = 0
    misses: int = 0
    entries: int = 0
    bytes: int = 0


class EncodingCache:
    """Encoded parts by their content; thread-safe. When full, it evicts the least recently used.

    Args:
        max_bytes: Maximum memory of the entries, in bytes.
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
        """Caches a part, unless it is larger than the whole cache."""
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
        """Totals so far and current size."""
        with self._lock:
            return CacheStatistics(self._hits, self._misses, len(self._parts), self._bytes)


def _size(key: str | bytes, part: EncodedPart) -> int:
    # A character of a headline takes up to 4 bytes.
    return part.row.nbytes + 4 * len(key) + ENTRY_OVERHEAD_BYTES
