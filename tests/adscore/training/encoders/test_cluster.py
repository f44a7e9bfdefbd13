"""Features that a cluster computes, without Spark: what goes out, what comes back, what is kept."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adscore.progress import SILENT
from adscore.scoring.image import ImageSize
from adscore.table import Columns, CreativeTable, read_table
from adscore.training import cluster as module
from adscore.training.cluster import encode_there, keep_headlines
from adscore.training.encoders.encoding import HeadlineEncoding, headline_features
from adscore.training.encoders.feature_cache import FeatureCache, cache_directory
from adscore.training.encoders.published import open_image_encoder, open_text_encoder
from adscore.training.images import read_images

SIZE = ImageSize(16, 16)


@dataclass
class Tasks:
    """Stands for the cluster: what travels is pickled, and rows come back in another order."""

    tasks: int = 3
    sent: list[pa.Table] = field(default_factory=list)
    computed: list[int] = field(default_factory=list)

    def shared(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def run(self, rows: pa.Table, work: Callable[..., Any], shared: bytes, schema: Any) -> pa.Table:
        self.sent.append(rows)
        done = [
            work(pickle.loads(shared), batch)
            for start in range(0, rows.num_rows, 4)
            for batch in rows.slice(start, 4).combine_chunks().to_batches()
        ]
        found = pa.Table.from_batches(done, schema)
        self.computed.append(found.num_rows - found["features"].null_count)
        return found.take(np.random.default_rng(0).permutation(found.num_rows))


@pytest.fixture
def table(sample_dir: Path) -> CreativeTable:
    return read_table(sample_dir / "creatives.csv", Columns(), []).without(range(30, 60))


def in_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> FeatureCache:
    monkeypatch.setenv("ADSCORE_CACHE", str(folder))
    return FeatureCache(cache_directory())


def test_images_have_the_features_of_this_machine_to_the_last_bit(
    image_encoder: Path, table: CreativeTable, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_A_TASK", 4)
    encoder = open_image_encoder(str(image_encoder))
    in_cache(monkeypatch, cache / "here")
    here = read_images(table, SIZE, encoder)
    # Some as files, as a table of bytes has them.
    files = [(Path(table.image_root) / str(image)).read_bytes() for image in table.images]
    mixed = [files[row] if row % 3 == 0 else image for row, image in enumerate(table.images)]
    in_cache(monkeypatch, cache / "there")
    tasks = Tasks()
    there = read_images(
        replace(table, images=mixed),
        SIZE,
        encoder,
        SILENT,
        encode_there(tasks),  # type: ignore[arg-type]
    )
    assert np.array_equal(there.values[there.index], here.values[here.index])
    assert [rows.num_rows for rows in tasks.sent] == [12, 12, 6]
    assert tasks.computed == [12, 12, 6]
    again = Tasks()
    read_images(table, SIZE, encoder, SILENT, encode_there(again))  # type: ignore[arg-type]
    assert again.computed == [0, 0, 0]


def test_headlines_have_the_features_of_this_machine_to_the_last_bit(
    text_encoder: Path, table: CreativeTable, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_A_TASK", 4)
    encoding = HeadlineEncoding(open_text_encoder(str(text_encoder)))
    texts = list(dict.fromkeys(table.headlines))
    here = headline_features(texts, encoding, in_cache(monkeypatch, cache / "here"))
    tasks, there = Tasks(), in_cache(monkeypatch, cache / "there")
    keep_headlines(tasks, [*texts, texts[0]], encoding, there)  # type: ignore[arg-type]
    keys = [encoding.key(text) for text in texts]
    assert np.array_equal(there.stored(keys, encoding.encoder.width).read(), here.read())
    keep_headlines(tasks, [*texts, "new"], encoding, there)  # type: ignore[arg-type]
    assert sum(tasks.computed) == len(texts) + 1


def test_an_image_that_cannot_be_read_is_named_with_its_rows(
    image_encoder: Path, table: CreativeTable, cache: Path
) -> None:
    images = list(table.images)
    images[4] = images[20] = "images/gone.png"
    images[9] = b"no image"
    broken = replace(table, images=images)
    encoder = open_image_encoder(str(image_encoder))
    here = read_images(broken, SIZE, encoder)
    there = read_images(broken, SIZE, encoder, SILENT, encode_there(Tasks()))  # type: ignore[arg-type]
    assert there.broken == here.broken
    assert [row for row, _ in here.broken] == [4, 9, 20]


def test_pieces_are_bounded_by_the_bytes_of_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    assert module._pieces([b"x" * 60, b"x" * 50, b"x" * 50, b"x" * 200, "a"], 9) == [
        (0, 1),
        (1, 3),
        (3, 4),
        (4, 5),
    ]
    assert module._pieces([], 9) == []
