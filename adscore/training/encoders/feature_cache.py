"""Features of frozen encoders, kept on disk by the content that they were made from."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adscore.errors import TrainingError

Features = NDArray[np.float32]
Compute = Callable[[Sequence[int]], Features]

DIRECTORY_VARIABLE = "ADSCORE_CACHE"
FILE = "features.sqlite3"

# Rows that are computed and then written in one transaction: what an interruption can lose.
ROWS_A_WRITE = 256
LOCK_TIMEOUT_SECONDS = 60.0


def cache_directory() -> Path:
    """`$ADSCORE_CACHE`, or `~/.cache/adscore`."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "adscore"


def content_key(encoder: bytes, content: bytes) -> bytes:
    """What features are kept under: SHA-256 of the encoder's digest and its input's bytes."""
    return hashlib.sha256(encoder + hashlib.sha256(content).digest()).digest()


class FeatureCache:
    """A file of features; several trainings may use it at once, and nothing is half written.

    Args:
        directory: Folder of the file; made where it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def features(self, keys: Sequence[bytes], width: int, compute: Compute) -> Features:
        """Looks features up, and computes and keeps those that are missing.

        Args:
            keys: What each row is kept under.
            width: Number of features.
            compute: Positions of missing rows -> their features, (rows, width).

        Returns:
            Features in the order of the keys, (rows, width) float32.

        Raises:
            TrainingError: The file is broken or cannot be written.
        """
        result = np.empty((len(keys), width), dtype=np.float32)
        with self._connection() as connection:
            missing = [
                row for row, key in enumerate(keys) if not _read(connection, key, result[row])
            ]
            for start in range(0, len(missing), ROWS_A_WRITE):
                rows = missing[start : start + ROWS_A_WRITE]
                result[rows] = compute(rows)
                with connection:
                    connection.executemany(
                        "INSERT OR REPLACE INTO features VALUES (?, ?)",
                        [(keys[row], result[row].tobytes()) for row in rows],
                    )
        return result

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, value BLOB)"
                )
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise TrainingError(
                f"{self._path}: the cache of features cannot be used: {error}. Delete it, or "
                f"name another folder in {DIRECTORY_VARIABLE}"
            ) from error


def _read(connection: sqlite3.Connection, key: bytes, row: Features) -> bool:
    found = connection.execute("SELECT value FROM features WHERE key = ?", (key,)).fetchone()
    if found is None or len(found[0]) != row.nbytes:
        return False
    row[:] = np.frombuffer(found[0], dtype=np.float32)
    return True
