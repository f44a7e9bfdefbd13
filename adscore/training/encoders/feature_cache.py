"""Features of headlines and images, computed once and kept on disk by their content."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import Pixels
from adscore.scoring.text import SubwordTokenizer
from adscore.training.encoders.published import ImageEncoder, TextEncoder

Features = NDArray[np.float32]
Compute = Callable[[Sequence[int]], Features]

DIRECTORY_VARIABLE = "ADSCORE_CACHE"
FILE = "features.sqlite3"

# Rows that are computed and then written in one transaction: what an interruption can lose.
ROWS_A_WRITE = 256
LOCK_TIMEOUT_SECONDS = 60.0

# Larger batches are no faster, and their maps no longer fit the processor's caches.
BATCH = 16


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


# === Encoding ===


def headline_features(
    encoder: TextEncoder, headlines: Sequence[str], cache: FeatureCache
) -> Features:
    """Features of normalised headlines, (headlines, width)."""
    digest = encoder.digest()
    keys = [content_key(digest, text.encode()) for text in headlines]
    graph = Graph(encoder.model.SerializeToString(), RuntimeOptions())
    tokenizer = SubwordTokenizer(
        encoder.tokenizer,
        encoder.tokens,
        padding_id=encoder.padding_id,
        pads_left=encoder.pads_left,
    )

    def compute(rows: Sequence[int]) -> Features:
        size = 1 if encoder.apart else BATCH
        parts = []
        for start in range(0, len(rows), size):
            texts = [headlines[row] for row in rows[start : start + size]]
            arrays, _ = tokenizer.encode(texts)
            parts.append(graph.run({name: arrays[name] for name in graph.input_names})["features"])
        return np.concatenate(parts)

    return cache.features(keys, encoder.width, compute)


def image_features(encoder: ImageEncoder, pixels: Pixels, cache: FeatureCache) -> Features:
    """Features of images (images, height, width, 3) uint8, (images, width)."""
    digest = encoder.digest()
    keys = [content_key(digest, image.tobytes()) for image in pixels]
    graph = Graph(encoder.model.SerializeToString(), RuntimeOptions())

    def compute(rows: Sequence[int]) -> Features:
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        return np.concatenate([graph.run({"pixels": pixels[b]})["features"] for b in batches])

    return cache.features(keys, encoder.width, compute)
