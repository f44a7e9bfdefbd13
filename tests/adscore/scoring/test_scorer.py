import dataclasses
import io
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from adscore.bundle import read_bundle
from adscore.creative import Creative, Score, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import MAX_BATCH, Scorer


@pytest.fixture
def creative(creatives: list[Creative]) -> Creative:
    return creatives[0]


def refusal(scorer: Scorer, creative: Creative) -> InvalidCreativeError:
    with pytest.raises(InvalidCreativeError) as caught:
        scorer.preparer.creative(creative)
    return caught.value


def assert_same(received: Score, expected: Score) -> None:
    """The last digits of a sum depend on the size of the batch."""
    assert received.warnings == expected.warnings
    for name, target in expected.targets.items():
        values = dataclasses.astuple(received.targets[name])
        assert values == pytest.approx(dataclasses.astuple(target), rel=1e-4)


# === Scores ===


def test_scores_are_rates_inside_their_interval(scorer: Scorer, creatives: list[Creative]) -> None:
    for score in scorer.score(creatives):
        ctr = score.targets["ctr"]
        assert 0 < ctr.lower < ctr.mean < ctr.upper < 1
        assert 0 <= ctr.percentile <= 100


def test_percentiles_rank_as_the_means_do(scorer: Scorer, creatives: list[Creative]) -> None:
    targets = [score.targets["ctr"] for score in scorer.score(creatives)]
    percentiles = [t.percentile for t in sorted(targets, key=lambda target: target.mean)]
    assert percentiles == sorted(percentiles)
    assert percentiles[0] < 10 < 90 < percentiles[-1]


def test_a_score_does_not_depend_on_its_batch(scorer: Scorer, creatives: list[Creative]) -> None:
    together = scorer.score(creatives)
    for creative, score in zip(creatives[:8], together, strict=False):
        assert_same(scorer.score([creative])[0], score)


def test_more_creatives_than_the_largest_batch_keep_their_order(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    many = (creatives * 3)[: 2 * MAX_BATCH + 1]
    assert len(many) > 2 * MAX_BATCH
    expected = scorer.score(creatives)
    for number, score in enumerate(scorer.score(many)):
        assert_same(score, expected[number % len(creatives)])


def test_no_creatives_have_no_scores(scorer: Scorer) -> None:
    assert scorer.score([]) == []


def test_many_threads_get_the_scores_of_one(scorer: Scorer, creatives: list[Creative]) -> None:
    expected = scorer.score(creatives)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(scorer.score, [creatives] * 8):
            for received, score in zip(scores, expected, strict=True):
                assert_same(received, score)


def test_the_number_of_threads_does_not_change_a_score(
    model_dir: Path, scorer: Scorer, creative: Creative
) -> None:
    single = Scorer.open(model_dir, RuntimeOptions(threads=1))
    assert_same(single.score([creative])[0], scorer.score([creative])[0])


def test_a_model_has_the_names_of_its_folders(scorer: Scorer) -> None:
    assert (scorer.name, scorer.version) == ("sample", "1")


def test_headlines_that_look_the_same_score_the_same(scorer: Scorer, creative: Creative) -> None:
    headline = "  " + creative.headline.replace(" ", " \t") + "\n"
    spaced = dataclasses.replace(creative, headline=headline)
    assert scorer.score([spaced]) == scorer.score([creative])


@pytest.mark.parametrize(
    "headline", ["עכשיו במבצע", "اشتر الآن", "🚀👩‍👩‍👧‍👦", "\u200b", "x" * 1_000]
)
def test_any_script_is_scored(scorer: Scorer, creative: Creative, headline: str) -> None:
    (score,) = scorer.score([dataclasses.replace(creative, headline=headline)])
    assert math.isfinite(score.targets["ctr"].mean)


# === Warnings ===


def test_a_cut_headline_is_noted(scorer: Scorer, creative: Creative) -> None:
    long = dataclasses.replace(creative, headline="shoes and more " * 60)
    scores = scorer.score([creative, long])
    assert [score.warnings for score in scores] == [(), (Warning.HEADLINE_TRUNCATED,)]


def test_an_image_shrunk_too_far_is_noted(scorer: Scorer, creative: Creative) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64 * 16 + 1, 64)).save(file, "PNG")
    (score,) = scorer.score([dataclasses.replace(creative, image=file.getvalue())])
    assert score.warnings == (Warning.IMAGE_DOWNSCALED,)


@pytest.mark.parametrize(
    ("change", "warning"),
    [({"headline": ""}, Warning.MISSING_HEADLINE), ({"image": b""}, Warning.MISSING_IMAGE)],
)
def test_half_a_creative_is_scored_with_a_warning(
    scorer: Scorer, creative: Creative, change: dict[str, object], warning: Warning
) -> None:
    (score,) = scorer.score([dataclasses.replace(creative, **change)])
    assert warning in score.warnings
    assert 0 < score.targets["ctr"].lower < score.targets["ctr"].mean < score.targets["ctr"].upper
    assert score.targets["ctr"] != scorer.score([creative])[0].targets["ctr"]


# === Refusals ===


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"headline": "", "image": b""}, "headline", Reason.HEADLINE_MISSING),
        ({"headline": " \t\n", "image": b""}, "headline", Reason.HEADLINE_MISSING),
        ({"headline": "x" * 10_000}, "headline", Reason.HEADLINE_TOO_LONG),
        ({"headline": "a\0b"}, "headline", Reason.HEADLINE_NOT_TEXT),
        ({"headline": "a\ud800"}, "headline", Reason.HEADLINE_NOT_TEXT),
        ({"image": b"no image"}, "image", Reason.IMAGE_UNREADABLE),
        ({"image": b"\0" * (10 * 1024 * 1024 + 1)}, "image", Reason.IMAGE_TOO_MANY_BYTES),
        ({"context": {"moon": "full"}}, "context[moon]", Reason.CONTEXT_NAME_UNKNOWN),
    ],
    ids=range(8),
)
def test_the_field_at_fault_is_named(
    scorer: Scorer, creative: Creative, change: dict[str, object], field: str, reason: Reason
) -> None:
    error = refusal(scorer, dataclasses.replace(creative, **change))
    assert (error.field, error.reason) == (field, reason)
    assert str(error).startswith(f"{field}: expected ")
    assert "Received: " in str(error)


def test_one_broken_creative_is_not_scored_as_another(scorer: Scorer, creative: Creative) -> None:
    with pytest.raises(InvalidCreativeError):
        scorer.score([creative, dataclasses.replace(creative, image=b"no image")])


def test_limits_are_the_bundles_own(model_dir: Path, creative: Creative) -> None:
    bundle = read_bundle(model_dir / "1")
    limits = dataclasses.replace(bundle.manifest.limits, image_formats=("GIF",))
    manifest = dataclasses.replace(bundle.manifest, limits=limits)
    error = refusal(Scorer(dataclasses.replace(bundle, manifest=manifest)), creative)
    assert error.reason is Reason.IMAGE_UNREADABLE


def test_scoring_never_imports_what_training_needs(model_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adscore.scoring.scorer import Scorer; "
        "Scorer.open(Path(sys.argv[1])); "
        "print(sorted({'tensorflow', 'keras', 'tf2onnx', 'onnx', 'pyarrow'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, str(model_dir)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
