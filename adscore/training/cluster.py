"""Features that Spark computes: distinct headlines and images go out, features come back in pieces.

Executors read images as the local engine does, run the same encoders on batches of the same
shape, and answer in half precision. The driver puts each piece into its cache of features before it
sends the next one out: a training that is killed loses one piece, and the rest of the training
finds every feature there, as if they had been computed here.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from adscore.progress import Progress
from adscore.training.encoders.encoding import HeadlineEncoding, ImageEncoding
from adscore.training.encoders.feature_cache import FeatureCache, halved
from adscore.training.images import EncodeAll, Image, ImageReader, encode_images, tell_images

if TYPE_CHECKING:
    from adscore.offline.spark import Cluster

# Rows of a piece per task: a few seconds of work, so that start-up does not matter.
ROWS_A_TASK = 512
# And in all: 100 MB of features, which come back through the driver's JVM.
MAX_ROWS = 8_192
# Limit of a piece for images stored in the table itself.
MAX_BYTES = 64 * 1024 * 1024
# Files that a task reads at once; more than cores, since a download mostly waits.
DOWNLOADS = 16

RESULT = pa.schema(
    [
        ("number", pa.int64()),
        ("key", pa.binary()),
        ("features", pa.binary()),  # float16; null where they are known, or cannot be computed
        ("error", pa.string()),
    ]
)

_Headlines: TypeAlias = HeadlineEncoding
_Images: TypeAlias = tuple[ImageReader, ImageEncoding, frozenset[bytes]]


def keep_headlines(
    cluster: "Cluster", headlines: Sequence[str], encoding: HeadlineEncoding, cache: FeatureCache
) -> None:
    """Computes the features of normalised headlines that the cache lacks, and keeps them.

    Raises:
        TrainingError: The cache cannot be used.
    """
    texts = list(dict.fromkeys(headlines))
    width = encoding.encoder.width
    there = cache.known([encoding.key(text) for text in texts], width)
    missing = [text for text, known in zip(texts, there.tolist(), strict=True) if not known]
    shared = cluster.shared(encoding)
    for first, last in _pieces(missing, cluster.tasks):
        rows = pa.table({"number": np.arange(first, last), "headline": missing[first:last]})
        _keep(cluster.run(rows, _encode_headlines, shared, RESULT), width, cache)


def encode_there(cluster: "Cluster") -> EncodeAll:
    """Returns the function that encodes all images on a cluster; see `images.EncodeAll`."""

    def encode_all(
        images: Sequence[Image],
        reader: ImageReader,
        encoding: ImageEncoding,
        cache: FeatureCache,
        progress: Progress,
    ) -> tuple[list[bytes], list[str]]:
        width = encoding.encoder.width
        shared = cluster.shared((reader, encoding, cache.keys(width)))
        keys, errors = [b""] * len(images), [""] * len(images)
        for first, last in _pieces(images, cluster.tasks):
            some = images[first:last]
            # An image is a path or a file; each has its own column.
            columns = {
                "number": pa.array(np.arange(first, last)),
                "path": pa.array([i if isinstance(i, str) else None for i in some], pa.string()),
                "file": pa.array([i if isinstance(i, bytes) else None for i in some], pa.binary()),
            }
            found = cluster.run(pa.table(columns), _encode_images, shared, RESULT)
            _keep(found, width, cache)
            for row in found.select(["number", "key", "error"]).to_pylist():
                keys[row["number"]], errors[row["number"]] = row["key"], row["error"]
            tell_images(progress, last, len(images))
        return keys, errors

    return encode_all


def _pieces(items: Sequence[Image], tasks: int) -> list[tuple[int, int]]:
    """Start and end of each piece."""
    pieces, first, size = [], 0, 0
    most = min(MAX_ROWS, ROWS_A_TASK * tasks)
    for place, item in enumerate(items):
        if place > first and (place - first >= most or size + len(item) > MAX_BYTES):
            pieces.append((first, place))
            first, size = place, 0
        size += len(item)
    return [*pieces, (first, len(items))] if items else []


def _keep(found: pa.Table, width: int, cache: FeatureCache) -> None:
    computed = found.filter(found["features"].is_valid())
    rows = [np.frombuffer(row, np.float16) for row in computed["features"].to_pylist()]
    if rows:
        cache.keep(computed["key"].to_pylist(), np.stack(rows).reshape(-1, width))


# === On an executor ===


def _encode_headlines(encoding: _Headlines, batch: pa.RecordBatch) -> pa.RecordBatch:
    texts = batch["headline"].to_pylist()
    features = [row.tobytes() for row in halved(encoding.encode(texts))]
    keys = [encoding.key(text) for text in texts]
    return pa.record_batch([batch["number"], keys, features, [""] * len(texts)], schema=RESULT)


def _encode_images(shared: _Images, batch: pa.RecordBatch) -> pa.RecordBatch:
    reader, encoding, known = shared
    cells = zip(batch["path"].to_pylist(), batch["file"].to_pylist(), strict=True)
    images = [path if file is None else file for path, file in cells]
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        found = encode_images(
            images, reader, encoding, lambda keys: [key in known for key in keys], pool
        )
    features: list[bytes | None] = [None] * len(images)
    for number, row in zip(found.computed, halved(found.features), strict=True):
        features[number] = row.tobytes()
    return pa.record_batch([batch["number"], found.keys, features, found.errors], schema=RESULT)
