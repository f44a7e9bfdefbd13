"""Features of headlines and images, computed once and kept on disk by their content."""

import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adscore.errors import TrainingError

Features = NDArray[np.float16]
Compute = Callable[[Sequence[int]], NDArray[np.floating[Any]]]

DIRECTORY_VARIABLE = "ADSCORE_CACHE"
FILE = "features.sqlite3"
# The format of the files, raised with each change. Each format has its own folder, so that several
# versions of adscore may train at once.
FORMAT = "format-3"

FLOAT16_BYTES = 2
MAX_FLOAT16 = float(np.finfo(np.float16).max)

# Rows computed and then written in one transaction: the most that an interruption can lose.
ROWS_A_WRITE = 256
LOCK_TIMEOUT_SECONDS = 60.0


def cache_directory() -> Path:
    """`$ADSCORE_CACHE`, or `~/.cache/adscore`."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "adscore"


def halved(features: NDArray[np.floating[Any]]) -> Features:
    """Features in half precision, as they are stored; values out of its range are clipped."""
    kept: Features = np.clip(features, -MAX_FLOAT16, MAX_FLOAT16).astype(np.float16)
    return kept


@dataclass(frozen=True, slots=True)
class Stored:
    """Features on disk.

    Attributes:
        values: A memory-mapped file of many rows, (rows, width) float16.
        index: Which of them are meant, (n,).
    """

    values: Features
    index: NDArray[np.int64]

    def read(self) -> NDArray[np.float32]:
        """All that are meant, in memory, (n, width)."""
        return self.values[self.index].astype(np.float32)


class FeatureCache:
    """A file of features for each width, and an index of their positions.

    Several trainings may use them at once. Features are on disk before the index names them, so
    that no partly written row is ever read.

    Args:
        directory: Parent of the folder of files, which is named by their format; created if
            missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / FORMAT
        self._path = self._directory / FILE

    def features(self, keys: Sequence[bytes], width: int, compute: Compute) -> Stored:
        """Looks features up, and computes and stores those that are missing.

        Args:
            keys: Cache key of each row.
            width: Number of features.
            compute: Positions of missing rows -> their features, (rows, width), at most
                `ROWS_A_WRITE` at a time.

        Returns:
            Features in the order of the keys.

        Raises:
            TrainingError: A file is broken or cannot be written.
        """
        with self._connection() as connection:
            index = self._places(connection, keys, width)
            missing = np.flatnonzero(index < 0).tolist()
            for start in range(0, len(missing), ROWS_A_WRITE):
                rows = missing[start : start + ROWS_A_WRITE]
                computed = compute(rows)
                index[rows] = self._append(connection, [keys[row] for row in rows], computed)
        return Stored(self._values(width), index)

    def stored(self, keys: Sequence[bytes], width: int) -> Stored:
        """Stored features, in the order of the keys.

        Raises:
            TrainingError: As `features`, or some are missing.
        """

        def missing(rows: Sequence[int]) -> NDArray[np.float32]:
            raise TrainingError(
                f"{self._path}: expected features that were kept. Received: none for {len(rows)} "
                "of them and perhaps more; another program has deleted them. Train again"
            )

        return self.features(keys, width, missing)

    def keep(self, keys: Sequence[bytes], features: NDArray[np.floating[Any]]) -> None:
        """Stores computed features, (n, width), in one transaction.

        Raises:
            TrainingError: As `features`.
        """
        if len(keys):
            with self._connection() as connection:
                self._append(connection, keys, features)

    def known(self, keys: Sequence[bytes], width: int) -> NDArray[np.bool_]:
        """Which features are stored, (n,).

        Raises:
            TrainingError: As `features`.
        """
        with self._connection() as connection:
            return self._places(connection, keys, width) >= 0

    def keys(self, width: int) -> frozenset[bytes]:
        """The cache keys of all features of a width.

        Raises:
            TrainingError: As `features`.
        """
        with self._connection() as connection:
            rows = connection.execute("SELECT key FROM places WHERE width = ?", (width,))
            found = [key for (key,) in rows]
            known = self._places(connection, found, width) >= 0
        return frozenset(itertools.compress(found, known.tolist()))

    def _places(
        self, connection: sqlite3.Connection, keys: Sequence[bytes], width: int
    ) -> NDArray[np.int64]:
        stored, places = self._rows(width), np.full(len(keys), -1, dtype=np.int64)
        query = "SELECT place FROM places WHERE key = ? AND width = ?"
        for row, key in enumerate(keys):
            found = connection.execute(query, (key, width)).fetchone()
            if found is not None and found[0] < stored:
                places[row] = found[0]
        return places

    def _append(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[bytes],
        computed: NDArray[np.floating[Any]],
    ) -> NDArray[np.int64]:
        """Appends rows and returns their positions."""
        width = computed.shape[1]
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # one writer at a time
            first = self._rows(width)
            places = np.arange(first, first + len(keys))
            with self._file(width).open("r+b" if self._file(width).exists() else "wb") as file:
                file.seek(first * width * FLOAT16_BYTES)  # overwrites what an interruption left
                file.write(halved(computed).tobytes())
                file.flush()
                os.fsync(file.fileno())
            rows = zip(keys, itertools.repeat(width), places.tolist(), strict=False)
            connection.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", rows)
        return places

    def _file(self, width: int) -> Path:
        return self._directory / f"features-{width}.f16"

    def _rows(self, width: int) -> int:
        """Whole rows of the file of a width."""
        path = self._file(width)
        return path.stat().st_size // (width * FLOAT16_BYTES) if path.exists() else 0

    def _values(self, width: int) -> Features:
        rows = self._rows(width)
        if not rows:
            return np.empty((0, width), dtype=np.float16)
        return np.memmap(self._file(width), np.float16, "r", shape=(rows, width))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            connect = partial(sqlite3.connect, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
            with closing(connect(self._path)) as connection:
                # Take the write lock first: SQLite does not wait for it once the transaction has
                # read, nor for the lock that a change of journal mode needs.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS places "
                    "(key BLOB, width INTEGER, place INTEGER, PRIMARY KEY (key, width))"
                )
                connection.execute("COMMIT")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise TrainingError(
                f"{self._path}: the cache of features cannot be used: {error}. Delete it, or "
                f"name another folder in {DIRECTORY_VARIABLE}"
            ) from error
