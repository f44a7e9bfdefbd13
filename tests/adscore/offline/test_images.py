"""Images of offline scoring: what is read, and how often."""

import shutil
from collections import Counter
from pathlib import Path

import fsspec
import pytest

from adscore.errors import InvalidCreativeError
from adscore.offline.core import BatchImages
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.preparation import PreparedCreative, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore.table import ImageSource


@pytest.fixture
def folder(sample_dir: Path, tmp_path: Path) -> Path:
    """Three images, two of them with the same content."""
    first, second = sorted((sample_dir / "images").iterdir())[:2]
    for image, name in ((first, "a"), (first, "b"), (second, "c")):
        shutil.copy(image, tmp_path / name)
    return tmp_path


@pytest.fixture
def caching(model_dir: Path) -> Scorer:
    return Scorer.open(model_dir, RuntimeOptions(cache_bytes=1 << 20))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each image was read."""
    counted: Counter[str] = Counter()
    read = ImageSource.read

    def count(self: ImageSource, name: str) -> bytes:
        counted[name] += 1
        return read(self, name)

    monkeypatch.setattr(ImageSource, "read", count)
    return counted


def encode(scorer: Scorer, images: BatchImages, *names: str) -> None:
    """Runs the image tower, so that the cache knows these."""
    prepared = images.from_names(names).values()
    scorer.predict([PreparedCreative(None, image) for image in prepared])


def test_an_image_is_read_once_as_long_as_the_cache_knows_it(
    caching: Scorer, folder: Path, reads: Counter[str]
) -> None:
    images = BatchImages(caching, str(folder))
    encode(caching, images, "a", "c")
    assert [image.encoded is None for image in images.from_names(["a", "b"]).values()] == [
        False,
        False,
    ]
    images.from_names(["a", "b", "c"])
    assert reads == {"a": 1, "b": 1, "c": 1}


def test_an_image_that_the_cache_forgot_is_read_again(
    model_dir: Path, folder: Path, reads: Counter[str]
) -> None:
    scorer = Scorer.open(model_dir, RuntimeOptions(cache_bytes=1))
    images = BatchImages(scorer, str(folder))
    encode(scorer, images, "a")
    assert images.from_names(["a"])["a"].pixels is not None
    assert reads == {"a": 2}


def test_many_names_are_forgotten_rather_than_kept_without_end(
    caching: Scorer, folder: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adscore.offline.core.REMEMBERED_NAMES", 2)
    images = BatchImages(caching, str(folder))
    encode(caching, images, "a", "b", "c")
    images.from_names(["a", "b", "c"])
    assert reads == {"a": 2, "b": 2, "c": 1}


def test_a_broken_image_costs_no_other_its_place(scorer: Scorer, folder: Path) -> None:
    (folder / "broken").write_bytes(b"GIF89a")
    (folder / "empty").touch()
    outcomes = BatchImages(scorer, str(folder)).from_names(["a", "broken", "empty", "gone", "b"])
    kinds = [isinstance(outcome, PreparedImage) for outcome in outcomes.values()]
    assert kinds == [True, False, False, False, True]
    assert "'empty': an empty file" in str(outcomes["empty"])


def test_images_behind_urls_are_those_of_files(scorer: Scorer, folder: Path) -> None:
    memory = fsspec.filesystem("memory")
    names = [f"{number}.png" for number in range(40)]
    for name in names:
        memory.pipe(f"/many/{name}", (folder / "ac"[len(name) % 2]).read_bytes())
    outcomes = BatchImages(scorer, "memory://many").from_names([*names, "gone.png"])
    assert list(outcomes) == [*names, "gone.png"]
    assert isinstance(outcomes.pop("gone.png"), InvalidCreativeError)
    local = BatchImages(scorer, str(folder)).from_names(["a", "c"])
    for name, outcome in outcomes.items():
        assert (outcome.pixels == local["ac"[len(name) % 2]].pixels).all()
