import dataclasses
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import special

from adscore import checks
from adscore.bundle import MEAN_EMBEDDINGS, read_bundle, write_bundle
from adscore.creative import Creative
from adscore.errors import (
    BundleError,
    InvalidCreativeError,
    InvalidQuestionError,
    UnanswerableError,
)
from adscore.explanation import (
    MAX_WHAT_IFS,
    Box,
    ElementKind,
    IdeaKind,
    WhatIf,
    explain,
    plan,
)
from adscore.explanation.elements import Canvas
from adscore.explanation.head import Values
from adscore.scoring.graphs import EncodedCreatives
from adscore.scoring.image import ImageSize, decode
from adscore.scoring.scorer import Scorer


def logit(scorer: Scorer, creative: Creative) -> float:
    [score] = scorer.score([creative])
    mean = score.targets["ctr"].mean
    return math.log(mean / (1 - mean))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def banner() -> np.ndarray:
    """A grey banner of 120 x 90 pixels with a red button."""
    pixels = np.full((90, 120, 3), 128, np.uint8)
    pixels[60:80, 20:60] = (255, 0, 0)
    return pixels


def test_base_parts_and_remainder_are_the_logit_of_the_score(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    for creative in creatives[:20]:
        explanation = explain(scorer, creative)
        total = explanation.base + explanation.parts.total + explanation.remainder
        assert total == pytest.approx(logit(scorer, creative), abs=1e-9)
        assert abs(explanation.remainder) < 0.02
        assert explanation.mean == scorer.score([creative])[0].targets["ctr"].mean


def test_parts_are_against_the_average_creative(scorer: Scorer, creatives: list[Creative]) -> None:
    headline, image = creatives[0].headline, creatives[0].image
    both, text, picture = (
        explain(scorer, one) for one in (creatives[0], Creative(headline, b""), Creative("", image))
    )
    assert (text.parts.image, picture.parts.headline) == (None, None)
    assert text.parts.headline is not None
    assert picture.words == ()
    # Of many creatives, the parts cancel out.
    parts = [explain(scorer, one).parts for one in creatives]
    assert abs(np.mean([part.headline for part in parts])) < 0.05
    assert abs(np.mean([part.image for part in parts])) < 0.05
    assert both.base == explain(scorer, creatives[1]).base


def test_effect_of_a_word_is_the_change_of_the_score_without_it(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    creative = dataclasses.replace(creatives[0], headline="20% sparen: mit Läufern! 🔥")
    words = explain(scorer, creative).words
    assert [word.text for word in words] == ["20%", "sparen", "mit", "Läufern", "!", "🔥"]
    for word in words:
        left = creative.headline[: word.start] + creative.headline[word.end :]
        without = logit(scorer, dataclasses.replace(creative, headline=left))
        assert word.effect == pytest.approx(logit(scorer, creative) - without, abs=1e-5)


def test_effect_of_a_phrase_is_the_change_of_the_score_without_it(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    creative = dataclasses.replace(creatives[0], headline="Get the mug. Today only")
    for phrase, rest in zip(
        explain(scorer, creative).phrases, ("Today only", "Get the mug"), strict=True
    ):
        without = logit(scorer, dataclasses.replace(creative, headline=rest))
        assert phrase.effect == pytest.approx(logit(scorer, creative) - without, abs=1e-5)


def test_the_only_word_is_the_headline(scorer: Scorer, creatives: list[Creative]) -> None:
    explanation = explain(scorer, Creative("Sale", creatives[0].image))
    [word] = explanation.words
    assert word.effect != 0
    assert explanation.phrases == ()
    assert IdeaKind.DROP_WORD not in [idea.kind for idea in explanation.ideas]


def test_effect_of_an_element_is_the_change_of_the_score_where_it_is_painted_over(
    scorer: Scorer, banner: np.ndarray
) -> None:
    without = np.full_like(banner, 128)
    whole, plain = (Creative("Sale", png(pixels)) for pixels in (banner, without))
    [element] = explain(scorer, whole, WhatIf(boxes=[Box(20, 60, 60, 80)])).elements
    assert (element.kind, element.box) == (ElementKind.BOX, Box(20, 60, 60, 80))
    expected = logit(scorer, whole) - logit(scorer, plain)
    assert expected != 0
    assert element.effect == pytest.approx(expected, abs=1e-5)


def test_a_canvas_is_read_as_the_model_reads_its_file(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    size = ImageSize.of(scorer.manifest.preprocessing)
    data = next(one.image for one in creatives if one.image.startswith(b"\x89PNG"))
    canvas = Canvas(data, size, scorer.limits)
    canvas.decode()
    np.testing.assert_array_equal(canvas.whole, decode(data, size, scorer.limits)[0])


def test_one_colour_has_elements_that_do_nothing(scorer: Scorer) -> None:
    image = png(np.full((50, 50, 3), 77, np.uint8))
    boxes = [Box(0, 0, 50, 50), Box(10, 10, 11, 11), Box(49, 49, 50, 50)]
    explanation = explain(scorer, Creative("Sale", image), WhatIf(boxes=boxes))
    assert [element.effect for element in explanation.elements] == [0, 0, 0]


def test_ideas_are_what_raises_the_score_and_the_best_comes_first(
    model_dir: Path, creatives: list[Creative], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MIN_IDEA", 0.0)  # of a model that is hardly trained
    scorer = Scorer.open(model_dir)
    _with_members(scorer, lambda mean: np.repeat(special.logit(mean)[:, None], 3, axis=1))
    own, *others = creatives[:9]
    what_if = WhatIf(
        boxes=[Box(0, 0, 30, 30)],
        swaps=[(own.headline.split()[0], "Hurry")],
        headlines=[one.headline for one in others],
        images=[one.image for one in others],
    )
    ideas = explain(scorer, own, what_if).ideas
    assert ideas
    assert [one.effect for one in ideas] == sorted((i.effect for i in ideas), reverse=True)
    assert all(0 < idea.lower <= idea.effect <= idea.upper for idea in ideas)
    for kind, field, values in (
        (IdeaKind.HEADLINE, "headline", what_if.headlines),
        (IdeaKind.IMAGE, "image", what_if.images),
    ):
        found = {idea.position: idea.effect for idea in ideas if idea.kind is kind}
        changes = [
            logit(scorer, dataclasses.replace(own, **{field: value})) - logit(scorer, own)
            for value in values
        ]
        better = {place: change for place, change in enumerate(changes) if change > 0}
        assert better
        assert found == pytest.approx(better, abs=1e-5)


def test_what_the_ensemble_is_not_sure_of_is_no_idea() -> None:
    values = Values(np.array([-4.0, -3.8, -3.9]), np.array([[-4, -4], [-3.9, -3.7], [-4.1, -3.7]]))
    sure, unsure = values.change(1, 0), values.change(2, 0)
    assert (sure.effect, unsure.effect) == pytest.approx((0.2, 0.1))
    # Student's quantile of one degree of freedom, times the members' standard deviation.
    assert sure.half_width == pytest.approx(6.3138 * 0.2 / math.sqrt(2), rel=1e-3)
    assert math.isinf(Values(np.zeros(2), np.zeros((2, 1))).change(1, 0).half_width)


def test_explanations_repeat_and_change_no_score(
    model_dir: Path, creatives: list[Creative]
) -> None:
    scorer = Scorer.open(model_dir)
    before = scorer.score(creatives[:4])
    what_if = WhatIf(headlines=[creatives[1].headline], images=[creatives[1].image])
    assert explain(scorer, creatives[0], what_if) == explain(scorer, creatives[0], what_if)
    assert scorer.score(creatives[:4]) == before


def test_context_is_a_part_and_its_other_values_are_tried(
    model_with_context: Path, creatives: list[Creative]
) -> None:
    scorer = Scorer.open(model_with_context)
    creative = dataclasses.replace(creatives[0], context={"placement": "feed"})
    explanation = explain(scorer, creative)
    assert list(explanation.parts.context) == ["placement"]
    assert explain(scorer, creatives[0]).parts.context == {}


def test_model_that_tells_neither_average_nor_members_is_explained_without_ideas(
    model_dir: Path, tmp_path: Path, creatives: list[Creative]
) -> None:
    bundle = read_bundle(model_dir / "1")
    files = {name: data for name, data in bundle.files.items() if name != MEAN_EMBEDDINGS}
    old = Scorer.open(write_bundle(tmp_path / "old", bundle.manifest, files))
    _with_members(old, lambda _: None)
    explanation = explain(old, creatives[0])
    total = explanation.base + explanation.parts.total + explanation.remainder
    assert total == pytest.approx(logit(old, creatives[0]), abs=1e-9)
    assert explanation.words
    assert explanation.ideas == ()


def _with_members(scorer: Scorer, members: Callable[[Any], Any]) -> None:
    """Has a model say that of its ensemble, by the mean rates."""
    run = scorer.graphs.predict_members

    def predict(encoded: EncodedCreatives) -> Any:
        mean, _ = run(encoded)
        return mean, members(mean)

    scorer.graphs.predict_members = predict  # type: ignore[method-assign]


@pytest.mark.parametrize("data", [b"{", b'{"headline": [1.0]}', b'{"headline": "x"}'])
def test_average_that_no_head_can_read_is_refused(
    data: bytes, model_dir: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(model_dir / "1")
    files = {**bundle.files, MEAN_EMBEDDINGS: data}
    path = write_bundle(tmp_path / "bad", bundle.manifest, files)
    with pytest.raises(BundleError, match=r"mean_embeddings\.json: expected"):
        Scorer.open(path)


@pytest.mark.parametrize(
    ("what_if", "field", "reason"),
    [
        (WhatIf(boxes=[Box(0, 0, 5, 5), Box(5, 5, 121, 20)]), "boxes[1]", "BOX_OUTSIDE_IMAGE"),
        (WhatIf(boxes=[Box(5, 5, 5, 20)]), "boxes[0]", "BOX_OUTSIDE_IMAGE"),
        (WhatIf(boxes=[Box(-1, 0, 5, 5)]), "boxes[0]", "BOX_OUTSIDE_IMAGE"),
        (WhatIf(swaps=[("Sales", "Offer")]), "swaps[0]", "WORD_NOT_FOUND"),
        (WhatIf(swaps=[("Sale", " ")]), "swaps[0]", "WORD_NOT_FOUND"),
        (WhatIf(swaps=[("Sale", "x" * 12_000)]), "swaps[0]", "HEADLINE_TOO_LONG"),
        (WhatIf(headlines=["ok", " "]), "headlines[1]", "HEADLINE_MISSING"),
        (WhatIf(images=[b"no image"]), "images[0]", "IMAGE_UNREADABLE"),
        (WhatIf(headlines=["x"] * (MAX_WHAT_IFS + 1)), "headlines", "BATCH_TOO_LARGE"),
    ],
)
def test_question_that_cannot_be_asked_is_named(
    what_if: WhatIf, field: str, reason: str, scorer: Scorer, banner: np.ndarray
) -> None:
    with pytest.raises(InvalidQuestionError, match=r"expected .* Received: ") as caught:
        explain(scorer, Creative("Sale", png(banner)), what_if)
    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_other_bad_input_is_refused_clearly(
    scorer: Scorer, model_dir: Path, banner: np.ndarray
) -> None:
    image = png(banner)
    with pytest.raises(InvalidQuestionError, match="boxes: expected an image"):
        explain(scorer, Creative("Sale", b""), WhatIf(boxes=[Box(0, 0, 1, 1)]))
    with pytest.raises(InvalidQuestionError, match="Did you mean 'ctr'"):
        explain(scorer, Creative("Sale", image), target="crt")
    with pytest.raises(InvalidCreativeError, match="at most 1000 characters"):
        explain(scorer, Creative("x" * 12_000, image))
    with pytest.raises(InvalidCreativeError, match="headline: expected a headline, an image"):
        explain(scorer, Creative(" ", b""))
    bundle = read_bundle(model_dir / "1")
    limits = dataclasses.replace(bundle.manifest.limits, image_formats=())
    manifest = dataclasses.replace(bundle.manifest, limits=limits)
    textual = Scorer(dataclasses.replace(bundle, manifest=manifest))
    with pytest.raises(InvalidCreativeError, match="trained without images"):
        explain(textual, Creative("Sale", image), WhatIf(boxes=[Box(0, 0, 1, 1)]))
    with pytest.raises(UnanswerableError, match="expected a model that predicts a rate"):
        explain(
            Scorer(dataclasses.replace(bundle, manifest=dataclasses.replace(manifest, targets=()))),
            Creative("Sale", b""),
        )


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ((255, 0, 0), Box(20, 60, 60, 80)),
        ((143, 143, 143), Box(20, 60, 60, 80)),  # nearly of the ground's colour
        ((128, 128, 128), Box(30, 66, 50, 74)),  # none
    ],
)
def test_text_is_found_with_the_button_that_it_stands_on(
    button: tuple[int, int, int],
    expected: Box,
    scorer: Scorer,
    banner: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    banner[60:80, 20:60] = button
    banner[68:72, 32:48] = 0  # letters
    monkeypatch.setattr(checks, "text_boxes", lambda _: [(30.0, 66.0, 50.0, 74.0)])
    found = explain(scorer, Creative("Sale", png(banner)), WhatIf(find_text=True)).elements
    assert [(one.kind, one.box) for one in found] == [(ElementKind.TEXT, expected)]


def test_text_that_cannot_be_found_here_names_the_extra(
    scorer: Scorer, banner: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pixels: np.ndarray) -> None:
        raise checks.OcrMissingError("rapidocr")

    monkeypatch.setattr(checks, "text_boxes", missing)
    with pytest.raises(UnanswerableError, match=r"adscore\[check\]") as caught:
        explain(scorer, Creative("Sale", png(banner)), WhatIf(find_text=True))
    assert caught.value.reason == "TEXT_DETECTION_MISSING"
