import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.bundle import read_bundle
from adscore.creative import Creative, Warning
from adscore.scoring.cache import ENTRY_OVERHEAD_BYTES, EncodedPart, EncodingCache
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.preparation import PreparedCreative
from adscore.scoring.scorer import Scorer

MEGABYTE = 1024 * 1024


def part(width: int = 4, value: float = 1.0) -> EncodedPart:
    return EncodedPart(np.full(width, value, np.float32))


@pytest.fixture
def cached(model_dir: Path) -> Scorer:
    return Scorer(read_bundle(model_dir / "1"), RuntimeOptions(cache_bytes=MEGABYTE))


@pytest.fixture
def tower_runs(cached: Scorer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each run of the image tower was given."""
    runs: list[int] = []
    tower = cached._graphs._images
    assert tower is not None
    run = tower._run
    monkeypatch.setattr(tower, "_run", lambda parts: runs.append(len(parts)) or run(parts))
    return runs


# === The cache ===


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 200)), max_size=60))
def test_a_cache_never_holds_more_than_its_bytes(puts: list[tuple[int, int]]) -> None:
    cache = EncodingCache(5_000)
    for key, width in puts:
        cache.put(str(key), part(width))
        statistics = cache.statistics()
        assert statistics.bytes <= 5_000
        assert statistics.bytes >= statistics.entries * ENTRY_OVERHEAD_BYTES
        assert (statistics.entries == 0) == (statistics.bytes == 0)


def test_what_was_not_asked_for_the_longest_time_goes_first() -> None:
    cache = EncodingCache(2 * (ENTRY_OVERHEAD_BYTES + 4 * 4 + 4))
    cache.put("a", part())
    cache.put("b", part())
    assert cache.get("a") is not None
    cache.put("c", part())
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_a_part_larger_than_the_cache_is_not_kept() -> None:
    cache = EncodingCache(1_000)
    cache.put("a", part())
    cache.put("b", part(width=1_000))
    assert cache.get("a") is not None
    assert cache.get("b") is None


def test_hits_and_misses_are_counted_by_many_threads() -> None:
    cache = EncodingCache(MEGABYTE)

    def use(number: int) -> None:
        cache.get(str(number % 10))
        cache.put(str(number % 10), part())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(1_000)))
    statistics = cache.statistics()
    assert statistics.hits + statistics.misses == 1_000
    assert statistics.entries == 10


# === Scoring with it ===


def test_a_creative_that_comes_again_scores_the_same_and_is_not_decoded(
    cached: Scorer, creatives: list[Creative], tower_runs: list[int]
) -> None:
    first = cached.score(creatives[:1])
    again = cached.preparer.creative(creatives[0])
    assert again.image is not None
    assert again.image.pixels is None
    assert cached.score_prepared([again]) == first
    assert tower_runs == [1]


def test_hits_and_misses_in_one_batch_score_as_without_a_cache(
    cached: Scorer, scorer: Scorer, creatives: list[Creative]
) -> None:
    cached.score(creatives[:7])
    halves = [
        dataclasses.replace(creatives[0], image=b""),
        dataclasses.replace(creatives[1], headline=""),
        dataclasses.replace(creatives[2], headline=creatives[3].headline),
    ]
    batch = [*halves, *creatives[5:12]]
    for received, expected in zip(cached.score(batch), scorer.score(batch), strict=True):
        assert received.warnings == expected.warnings
        # The last digits of a sum depend on the size of the batch that a part was encoded in.
        assert received.targets["ctr"].mean == pytest.approx(expected.targets["ctr"].mean, rel=1e-4)


def test_an_image_that_comes_several_times_in_a_batch_is_encoded_once(
    cached: Scorer, creatives: list[Creative], tower_runs: list[int]
) -> None:
    same = [dataclasses.replace(creatives[0], headline=f"Offer {n}") for n in range(5)]
    scores = cached.score([*same, creatives[1]])
    assert tower_runs == [2]
    assert len({score.targets["ctr"].mean for score in scores}) == 6


def test_warnings_of_a_part_are_remembered(cached: Scorer, creatives: list[Creative]) -> None:
    long = dataclasses.replace(creatives[0], headline="shoes and more " * 60)
    first, again = cached.score([long]), cached.score([long])
    assert first == again
    assert Warning.HEADLINE_TRUNCATED in again[0].warnings


def test_what_was_prepared_without_content_keys_is_kept_apart(
    cached: Scorer, scorer: Scorer, creatives: list[Creative]
) -> None:
    """Pixels that were made rather than read from a file, as those that warm a model up."""
    prepared: list[PreparedCreative] = [
        scorer.preparer.creative(creative) for creative in creatives[:4]
    ]
    scores = [score.targets["ctr"].mean for score in cached.score_prepared(prepared)]
    expected = [score.targets["ctr"].mean for score in scorer.score_prepared(prepared)]
    assert scores == pytest.approx(expected, rel=1e-4)


def test_a_scorer_tells_what_its_cache_did(
    model_dir: Path, scorer: Scorer, creatives: list[Creative]
) -> None:
    cached = Scorer(read_bundle(model_dir / "1"), RuntimeOptions(cache_bytes=MEGABYTE))
    cached.score(creatives[:1])
    cached.score(creatives[:1])
    statistics = cached.cache_statistics
    assert (statistics.hits, statistics.misses, statistics.entries) == (2, 2, 2)
    assert scorer.cache_statistics.misses == 0


def test_two_models_do_not_share_what_they_said(
    model_dir: Path, creatives: list[Creative], cached: Scorer
) -> None:
    other = Scorer(read_bundle(model_dir / "1"), RuntimeOptions(cache_bytes=MEGABYTE))
    cached.score(creatives[:1])
    assert other.cache_statistics.entries == 0
