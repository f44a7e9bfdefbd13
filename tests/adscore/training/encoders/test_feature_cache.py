"""Features on disk: looked up by content, never half written, shared by trainings."""

import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from adscore.errors import TrainingError
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import ImageSize
from adscore.table import Columns, read_table
from adscore.training import images
from adscore.training.encoders.encoding import (
    HeadlineEncoding,
    ImageEncoding,
    headline_features,
)
from adscore.training.encoders.feature_cache import FORMAT, FeatureCache, cache_directory
from adscore.training.encoders.published import open_image_encoder, open_text_encoder
from adscore.training.images import ReadImages, read_images

HEADLINES = ["Save 20% on running shoes", "A calmer way to plan", "Less"]
SIZE = ImageSize(16, 16)


@pytest.fixture
def runs(monkeypatch):
    """How many rows each run of a graph had."""
    counted = []
    run = Graph.run

    def count(graph, inputs):
        counted.append(len(next(iter(inputs.values()))))
        return run(graph, inputs)

    monkeypatch.setattr(Graph, "run", count)
    return counted


@pytest.fixture
def table(sample_dir):
    """The log's first twenty creatives."""
    log = read_table(sample_dir / "creatives.csv", Columns(), [])
    return log.without(range(20, 60))


@pytest.fixture
def read(table, image_encoder, cache):
    """Reads the features of the table's images."""
    encoder = open_image_encoder(str(image_encoder))
    return lambda: read_images(table, SIZE, encoder)


def features_of(encoder, headlines, cache):
    return headline_features(headlines, HeadlineEncoding(encoder), FeatureCache(cache)).read()


def of_rows(read: ReadImages):
    return read.values[read.index]


def test_known_headlines_are_not_encoded_again(text_encoder, cache, runs):
    encoder = open_text_encoder(str(text_encoder))
    first = features_of(encoder, HEADLINES, cache)
    again = open_text_encoder(str(text_encoder))
    runs.clear()
    assert np.array_equal(features_of(again, HEADLINES[::-1], cache), first[::-1])
    assert not runs
    features_of(again, [*HEADLINES, "new"], cache)
    assert len(runs) == 1


def test_known_images_are_neither_decoded_nor_encoded_again(read, runs):
    first = read()
    assert len(runs) == 2  # of 16 images, and of 4 with copies of the last
    assert first.values.dtype == np.float16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "decode", None)
        again = read()
    assert len(runs) == 2
    assert np.array_equal(of_rows(first), of_rows(again))


def test_features_are_those_of_the_decoded_pixels(image_encoder, table, read, monkeypatch):
    monkeypatch.setattr(images, "IMAGES_AT_ONCE", 7)
    kept = of_rows(read())
    encoder = open_image_encoder(str(image_encoder))
    graph = Graph(encoder.model.SerializeToString(), RuntimeOptions())
    expected = graph.run({"pixels": of_rows(read_images(table, SIZE, None))})["features"]
    np.testing.assert_allclose(kept, expected, rtol=1e-3, atol=1e-3)


def test_features_do_not_depend_on_what_is_encoded_beside_them(text_encoder, image_encoder):
    rng = np.random.default_rng(0)
    words = ["save", "20%", "on", "running", "shoes", "a", "calmer", "way"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(40)]
    pixels = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    headline = HeadlineEncoding(open_text_encoder(str(text_encoder)))
    image = ImageEncoding(open_image_encoder(str(image_encoder)))
    # As they come out of a process elsewhere, which has one thread.
    other_headline, other_image = pickle.loads(pickle.dumps((headline, image)))
    all_texts, all_pixels = headline.encode(texts), image.encode(pixels)
    for rows in np.array_split(rng.permutation(40), 7):
        some = other_headline.encode([texts[row] for row in rows])
        assert np.array_equal(some, all_texts[rows])
        assert np.array_equal(other_image.encode(pixels[rows]), all_pixels[rows])


def test_another_encoder_has_features_of_its_own(text_encoder, cache, change_json):
    before = open_text_encoder(str(text_encoder))
    pooling = text_encoder / "1_Pooling" / "config.json"
    change_json(pooling, pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    after = open_text_encoder(str(text_encoder))
    assert before.digest() != after.digest()
    mean = features_of(before, HEADLINES, cache)
    assert not np.allclose(mean, features_of(after, HEADLINES, cache))


def test_interrupted_run_keeps_what_was_written(tmp_path):
    keys = [bytes([row % 256, row // 256]) for row in range(600)]

    def fail_late(rows):
        if rows[0] >= 256:
            raise KeyboardInterrupt
        return np.array(rows, np.float32)[:, None]

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path).features(keys, 1, fail_late)
    asked = []

    def compute(rows):
        asked.extend(rows)
        return np.array(rows, np.float32)[:, None]

    found = FeatureCache(tmp_path).features(keys, 1, compute)
    assert asked == list(range(256, 600))
    assert found.read()[:, 0].tolist() == list(range(600))


KILLED = """
import os, signal, sys
from adscore.scoring.image import ImageSize
from adscore.table import Columns, read_table
from adscore.training import images
from adscore.training.encoders import feature_cache, published

written = []
def kill_the_second(file):
    written.append(file)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

feature_cache.os.fsync = kill_the_second
images.IMAGES_AT_ONCE = 8
table = read_table(sys.argv[1], Columns(), []).without(range(20, 60))
encoder = published.open_image_encoder(sys.argv[2])
images.read_images(table, ImageSize(16, 16), encoder)
"""


def test_a_killed_training_goes_on_from_the_features_it_has(sample_dir, image_encoder, cache, read):
    """Killed after the file was written, and before the database was."""
    arguments = [str(sample_dir / "creatives.csv"), str(image_encoder)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    decoded = []
    decode = images.decode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "decode", lambda *image: (decoded.append(image), decode(*image))[1])
        resumed = read()
    assert len(decoded) == 20 - 8
    shutil.rmtree(cache)
    assert np.array_equal(of_rows(resumed), of_rows(read()))


def test_trainings_share_one_cache_at_once(tmp_path):
    keys = [str(row).encode() for row in range(700)]

    def train(_):
        compute = lambda rows: np.array(rows, np.float32)[:, None]  # noqa: E731
        return FeatureCache(tmp_path / "new").features(keys, 1, compute).read()[:, 0].tolist()

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(train, range(4)):
            assert found == list(range(700))


def test_features_of_another_width_are_computed_anew(tmp_path):
    FeatureCache(tmp_path).features([b"key"], 1, lambda _: np.zeros((1, 1), np.float32))
    found = FeatureCache(tmp_path).features([b"key"], 2, lambda _: np.ones((1, 2), np.float32))
    assert found.read().tolist() == [[1.0, 1.0]]


def test_half_a_row_that_an_interruption_left_is_overwritten(tmp_path):
    row = lambda value: lambda _: np.full((1, 3), value, np.float32)  # noqa: E731
    FeatureCache(tmp_path).features([b"first"], 3, row(1.0))
    (file,) = tmp_path.rglob("*.f16")
    with file.open("ab") as rest:
        rest.write(b"half")
    FeatureCache(tmp_path).features([b"second"], 3, row(2.0))
    both = FeatureCache(tmp_path).features([b"first", b"second"], 3, None)
    assert both.read().tolist() == [[1.0] * 3, [2.0] * 3]


def test_features_whose_file_was_deleted_are_computed_anew(tmp_path):
    FeatureCache(tmp_path).features([b"key"], 1, lambda _: np.zeros((1, 1), np.float32))
    (file,) = tmp_path.rglob("*.f16")
    file.unlink()
    found = FeatureCache(tmp_path).features([b"key"], 1, lambda _: np.ones((1, 1), np.float32))
    assert found.read().tolist() == [[1.0]]


def test_broken_cache_is_named(tmp_path):
    (tmp_path / FORMAT).mkdir()
    (tmp_path / FORMAT / "features.sqlite3").write_bytes(b"no database" * 200)
    with pytest.raises(TrainingError, match=r"features.sqlite3: the cache .* Delete it") as caught:
        FeatureCache(tmp_path).features([b"key"], 1, lambda _: np.zeros((1, 1), np.float32))
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_cache_of_another_version_is_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / "features.sqlite3")) as theirs:
        theirs.execute("CREATE TABLE features (key BLOB)")
        FeatureCache(tmp_path).features([b"key"], 1, lambda _: np.zeros((1, 1), np.float32))
        tables = theirs.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("features",)]


def test_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ADSCORE_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("ADSCORE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "adscore"
