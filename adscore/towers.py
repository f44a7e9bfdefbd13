"""A tower and its memory: headlines or images -> encodings, each different one run once."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from adscore.cache import EncodedPart, EncodingCache
from adscore.encoder import Encodings

# Larger batches are no faster, and their intermediate results no longer fit the caches.
LARGEST_BATCH = 64


class _Part(Protocol):
    @property
    def encoded(self) -> EncodedPart | None: ...


PartT = TypeVar("PartT", bound=_Part)


class Tower(Generic[PartT]):
    """Encodes parts of creatives of one kind; safe to use from many threads.

    Args:
        widths: Width of each output of its graph, by name.
        run: Encodes parts, at least one; gives the encodings, and for each part whether
            something was noticed (see `cache.EncodedPart`).
        key: What a part is known by, see `cache`; empty where that is not known.
        cache: Keeps what the tower said; None means that nothing is kept.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        run: Callable[[Sequence[PartT]], tuple[Encodings, NDArray[np.bool_]]],
        key: Callable[[PartT], str | bytes],
        cache: EncodingCache | None,
    ) -> None:
        self.widths = widths
        self._run = run
        self._content_key = key
        self._cache = cache

    def encode(self, parts: Sequence[PartT | None]) -> tuple[Encodings, NDArray[np.bool_]]:
        """Encodes a batch.

        Returns:
            For each part a row of every encoding, zeros for what is absent; and whether something
            was noticed, (batch,).
        """
        fresh = {self._key(p): p for p in parts if p is not None and p.encoded is None}
        if not fresh:
            return self._spread(parts, {}, {}, np.zeros(0, dtype=bool))
        encodings, noticed = self._encode_all(list(fresh.values()))
        if len(fresh) == len(parts):  # all of them, in their order
            return encodings, noticed
        rows = {key: row for row, key in enumerate(fresh)}
        return self._spread(parts, rows, encodings, noticed)

    def _key(self, part: PartT) -> Hashable:
        """Equal for parts that are known to be equal, which are run once."""
        return self._content_key(part) or id(part)

    def _encode_all(self, parts: Sequence[PartT]) -> tuple[Encodings, NDArray[np.bool_]]:
        batches = [parts[at : at + LARGEST_BATCH] for at in range(0, len(parts), LARGEST_BATCH)]
        results = [self._run(batch) for batch in batches]
        if len(results) > 1:
            encodings = {
                name: np.concatenate([encoded[name] for encoded, _ in results])
                for name in self.widths
            }
            noticed = np.concatenate([noticed for _, noticed in results])
        else:
            [(encodings, noticed)] = results
        if self._cache is not None:
            self._remember(self._cache, parts, encodings, noticed)
        return encodings, noticed

    def _remember(
        self,
        cache: EncodingCache,
        parts: Sequence[PartT],
        encodings: Encodings,
        noticed: NDArray[np.bool_],
    ) -> None:
        rows = np.concatenate([encodings[name] for name in self.widths], axis=1)
        for part, row, notice in zip(parts, rows, noticed.tolist(), strict=True):
            if key := self._content_key(part):
                # A copy: a view would keep the whole batch.
                cache.put(key, EncodedPart(row.copy(), notice))

    def _spread(
        self,
        parts: Sequence[PartT | None],
        rows: Mapping[Hashable, int],
        encodings: Encodings,
        noticed: NDArray[np.bool_],
    ) -> tuple[Encodings, NDArray[np.bool_]]:
        """Lays out, a row a part, what was encoded (at `rows`) and what was known before."""
        spread = {
            name: np.zeros((len(parts), width), np.float32) for name, width in self.widths.items()
        }
        all_noticed = np.zeros(len(parts), dtype=bool)
        for position, part in enumerate(parts):
            if part is None:
                continue
            if part.encoded is None:
                row = rows[self._key(part)]
                all_noticed[position] = noticed[row]
                for name, values in encodings.items():
                    spread[name][position] = values[row]
            else:
                all_noticed[position] = part.encoded.noticed
                start = 0
                for name, width in self.widths.items():
                    spread[name][position] = part.encoded.row[start : start + width]
                    start += width
        return spread, all_noticed
