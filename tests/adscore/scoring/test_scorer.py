import dataclasses
import io
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from adscore.bundle import Manifest, read_bundle
from adscore.creative import Creative, Score, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.pixel_budget import PixelBudget
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
    [of_short, of_long] = scorer.score([creative, long])
    assert of_short.warnings == ()
    assert Warning.HEADLINE_TRUNCATED in of_long.warnings


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


def test_an_image_of_which_nothing_shows_is_noted(scorer: Scorer, creative: Creative) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 255, 255, 0)).save(file, "PNG")
    (score,) = scorer.score([dataclasses.replace(creative, image=file.getvalue())])
    assert Warning.IMAGE_BLANK in score.warnings


@pytest.mark.parametrize("headline", ["{KeyWord:Shoes} today", "NaN"])
def test_a_headline_that_nobody_sees_is_noted(
    scorer: Scorer, creative: Creative, headline: str
) -> None:
    (score,) = scorer.score([dataclasses.replace(creative, headline=headline)])
    assert Warning.HEADLINE_PLACEHOLDER in score.warnings
    assert Warning.HEADLINE_PLACEHOLDER not in scorer.score([creative])[0].warnings


# === Versions of the preprocessing ===

CURLY, STRAIGHT = "Don\u2019t miss it", "Don't miss it"


def test_spellings_of_one_headline_score_the_same(scorer: Scorer, creative: Creative) -> None:
    assert scorer.manifest.preprocessing.version == 3
    curly, straight, entity = scorer.score(
        [
            dataclasses.replace(creative, headline=one)
            for one in (CURLY, STRAIGHT, "Don&#39;t miss it")
        ]
    )
    assert curly == straight == entity


def test_headline_that_is_invisible_is_absent(scorer: Scorer, creative: Creative) -> None:
    absent, invisible = scorer.score(
        [dataclasses.replace(creative, headline=headline) for headline in ("", "\u200b\u200f")]
    )
    assert invisible == absent


def test_model_of_0_1_reads_as_it_did(model_dir: Path, creative: Creative) -> None:
    bundle = read_bundle(model_dir / "1")
    written = msgspec.to_builtins(bundle.manifest)
    del written["preprocessing"]["version"]  # which 0.1 did not write
    manifest = msgspec.convert(written, Manifest)
    assert manifest.preprocessing.version == 1
    old = Scorer(dataclasses.replace(bundle, manifest=manifest))
    curly, straight = (
        old.preparer.creative(dataclasses.replace(creative, headline=headline))
        for headline in (CURLY, STRAIGHT)
    )
    assert curly.headline is not None
    assert straight.headline is not None
    assert (curly.headline.text, straight.headline.text) == (CURLY, STRAIGHT)


# === Limits and steps ===


def test_limits_are_lowered_at_opening(model_dir: Path, creative: Creative) -> None:
    scorer = Scorer.open(model_dir, RuntimeOptions(max_headline_characters=5, max_image_bytes=10))
    assert scorer.manifest.limits.max_headline_characters == 5
    assert refusal(scorer, creative).reason is Reason.HEADLINE_TOO_LONG


def test_a_creative_is_prepared_in_one_step_or_in_two(scorer: Scorer, creative: Creative) -> None:
    checked = scorer.preparer.check(creative)
    assert checked.pixels > 0
    assert not checked.takes_long
    with scorer.preparer.budget.claim(checked.pixels):
        prepared = scorer.preparer.decode(checked)
    together = scorer.preparer.creative(creative)
    assert scorer.score_prepared([prepared]) == scorer.score_prepared([together])


def test_a_large_image_waits_for_others_when_it_is_decoded(model_dir: Path) -> None:
    budget = PixelBudget(4_000_000)
    scorer = Scorer.open(model_dir, RuntimeOptions(budget=budget))
    file = io.BytesIO()
    Image.new("L", (2_000, 1_500), 200).save(file, "PNG")
    large = Creative("headline", file.getvalue())
    others = budget.claim(4_000_000)
    with ThreadPoolExecutor(1) as threads:
        prepared = threads.submit(scorer.preparer.creative, large)
        with pytest.raises(TimeoutError):
            prepared.result(0.05)
        scorer.preparer.check(large)  # waits for nothing
        others.release()
        assert prepared.result(60).image is not None


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


@pytest.mark.parametrize(
    ("names", "text"),
    [((), "the model reads none"), (("placement",), "Did you mean 'placement'?")],
    ids=range(2),
)
def test_unread_context_is_told_what_is_read(
    model_dir: Path, creative: Creative, names: tuple[str, ...], text: str
) -> None:
    bundle = read_bundle(model_dir / "1")
    limits = dataclasses.replace(bundle.manifest.limits, context_names=names)
    manifest = dataclasses.replace(bundle.manifest, limits=limits)
    scorer = Scorer(dataclasses.replace(bundle, manifest=manifest))
    error = refusal(scorer, dataclasses.replace(creative, context={"placemnt": "top"}))
    assert text in str(error)


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
