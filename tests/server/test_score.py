"""Score: equality with the scoring core, and every bad input with its status."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def test_score_equals_the_scoring_core(
    stubs: Any, scorer: Scorer, creatives: list[Creative]
) -> None:
    for creative in creatives[:5]:
        [expected] = scorer.score([creative])
        received = stubs.score(creative)
        assert received.creative_id == creative.id
        assert (received.model, received.model_version) == ("sample", "1")
        assert not received.HasField("agreement")
        for name, target in expected.targets.items():
            on_wire = received.targets[name]
            assert on_wire.mean == target.mean
            assert on_wire.lower == target.lower
            assert on_wire.upper == target.upper
            assert on_wire.percentile == target.percentile


def test_model_and_version_can_be_named(stubs: Any, creatives: list[Creative]) -> None:
    for name, version in (("sample", ""), ("sample", "1"), ("", "1")):
        assert stubs.score(creatives[0], name, version).model_version == "1"


@pytest.mark.parametrize(
    "headline",
    ["مرحبا بالعالم", "שלום עולם", "🏃‍♀️🔥 Run 🎉", "日本語の見出し", "e\u0301te\u0301", "a" * 1000],
)
def test_headline_of_any_script_is_scored(stubs: Any, image: bytes, headline: str) -> None:
    assert 0 < stubs.score(Creative(headline, image)).targets["ctr"].mean < 1


def test_long_headline_says_that_it_was_cut(stubs: Any, image: bytes) -> None:
    score = stubs.score(Creative("many words " * 80, image))
    assert scoring_pb2.WARNING_HEADLINE_TRUNCATED in score.warnings


def test_large_image_says_that_it_was_downscaled(stubs: Any, encode: Callable[..., bytes]) -> None:
    picture = encode(Image.new("RGB", (6000, 4000), "red"), "JPEG")
    warnings = stubs.score(Creative("headline", picture)).warnings
    assert scoring_pb2.WARNING_IMAGE_DOWNSCALED in warnings


@pytest.mark.parametrize(
    ("headline", "reason"),
    [
        ("a" * 10_000, "HEADLINE_TOO_LONG"),
        ("nul \0 inside", "HEADLINE_NOT_TEXT"),
    ],
)
def test_bad_headline_is_refused(
    stubs: Any, refusal: Any, image: bytes, headline: str, reason: str
) -> None:
    code, received, field, text = refusal(lambda: stubs.score(Creative(headline, image)))
    assert (code, received, field) == (INVALID, reason, "creative.headline")
    assert "expected" in text
    assert "Received" in text


@pytest.mark.parametrize("headline", ["", " \t\n "])
def test_creative_without_headline_and_image_is_refused(
    stubs: Any, refusal: Any, headline: str
) -> None:
    code, reason, field, text = refusal(lambda: stubs.score(Creative(headline, b"")))
    assert (code, reason, field) == (INVALID, "HEADLINE_MISSING", "creative.headline")
    assert "a headline, an image or both" in text


def test_creative_without_headline_or_image_is_scored_with_a_warning(
    stubs: Any, image: bytes
) -> None:
    missing_headline = stubs.score(Creative("", image))
    missing_image = stubs.score(Creative("Only words", b""))
    assert scoring_pb2.WARNING_MISSING_HEADLINE in missing_headline.warnings
    assert scoring_pb2.WARNING_MISSING_IMAGE in missing_image.warnings
    for score in (missing_headline, missing_image):
        assert 0 < score.targets["ctr"].lower < score.targets["ctr"].mean < 1


def _animated_gif() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (60, 50), colour) for colour in ("red", "green", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def _palette_png_with_transparency() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 50), "red").quantize(4).save(file, "PNG", transparency=0)
    return file.getvalue()


def _saved(mode: str, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (60, 50)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(_animated_gif(), id="animated GIF"),
        pytest.param(_saved("CMYK", "JPEG"), id="CMYK JPEG"),
        pytest.param(_saved("I;16", "PNG"), id="16-bit PNG"),
        pytest.param(_palette_png_with_transparency(), id="palette PNG with transparency"),
        pytest.param(_saved("1", "PNG"), id="1-bit PNG"),
        pytest.param(_saved("LA", "PNG"), id="grey PNG with alpha"),
        pytest.param(_saved("RGBA", "WEBP"), id="WebP with alpha"),
    ],
)
def test_unusual_image_is_scored(stubs: Any, picture: bytes) -> None:
    assert 0 < stubs.score(Creative("headline", picture)).targets["ctr"].mean < 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda data: data[: len(data) // 2], "IMAGE_UNREADABLE", id="truncated"),
        pytest.param(lambda data: data[:20], "IMAGE_UNREADABLE", id="cut in its header"),
        pytest.param(lambda _: b"not an image at all", "IMAGE_UNREADABLE", id="text"),
        pytest.param(lambda _: _saved("RGB", "BMP"), "IMAGE_UNREADABLE", id="BMP"),
        pytest.param(lambda d: d + bytes(10 * 2**20), "IMAGE_TOO_MANY_BYTES", id="too large"),
    ],
)
def test_bad_image_is_refused(
    stubs: Any, refusal: Any, image: bytes, change: Callable[[bytes], bytes], reason: str
) -> None:
    code, received, field, text = refusal(lambda: stubs.score(Creative("a", change(image))))
    assert (code, received, field) == (INVALID, reason, "creative.image")
    assert "expected" in text
    assert "Received" in text


def test_huge_image_is_refused_from_its_header(
    stubs: Any, refusal: Any, encode: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = encode(Image.new("1", (12_000, 12_000)), "PNG")

    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    code, reason, field, text = refusal(lambda: stubs.score(Creative("a", picture)))
    assert (code, reason, field) == (INVALID, "IMAGE_TOO_MANY_PIXELS", "creative.image")
    assert "144000000" in text.replace(",", "")


def test_unknown_context_is_refused(stubs: Any, refusal: Any, creatives: list[Creative]) -> None:
    creative = replace(creatives[0], context={"placement": "feed"})
    code, reason, field, _ = refusal(lambda: stubs.score(creative))
    assert (code, reason, field) == (
        INVALID,
        "CONTEXT_NAME_UNKNOWN",
        "creative.context[placement]",
    )


def test_status_fits_into_trailers_whatever_the_caller_sent(
    stubs: Any, refusal: Any, creatives: list[Creative]
) -> None:
    creative = replace(creatives[0], context={"🏃" * 100_000: ""})
    code, reason, field, _ = refusal(lambda: stubs.score(creative))
    assert (code, reason) == (INVALID, "CONTEXT_NAME_UNKNOWN")
    assert field.endswith("...")
    code, *_ = refusal(lambda: stubs.score(creatives[0], "🏃" * 100_000))
    assert code is grpc.StatusCode.NOT_FOUND


def test_id_is_returned_unchanged_up_to_its_limit(
    stubs: Any, refusal: Any, creatives: list[Creative]
) -> None:
    longest = "ü" * 256
    assert stubs.score(replace(creatives[0], id=longest)).creative_id == longest
    code, reason, field, _ = refusal(lambda: stubs.score(replace(creatives[0], id="i" * 257)))
    assert (code, reason, field) == (INVALID, "ID_TOO_LONG", "creative.id")


@pytest.mark.parametrize(("name", "version"), [("other", ""), ("sample", "7"), ("", "7")])
def test_unknown_model_is_not_found(
    stubs: Any, refusal: Any, creatives: list[Creative], name: str, version: str
) -> None:
    code, reason, field, text = refusal(lambda: stubs.score(creatives[0], name, version))
    assert (code, reason, field) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "")
    assert "sample version 1" in text


def test_bytes_that_are_no_request_are_the_callers_fault(stubs: Any, refusal: Any) -> None:
    call = stubs.channel.unary_unary("/adscore.v1.ScoringService/Score")
    code, reason, _, text = refusal(lambda: call(b"\xff\xff\xff", timeout=30))
    assert (code, reason) == (INVALID, "REQUEST_UNREADABLE")
    assert "UTF-8" in text


def test_message_above_the_limit_is_refused(stubs: Any, refusal: Any) -> None:
    code, *_ = refusal(lambda: stubs.score(Creative("a", bytes(17 * 2**20))))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    headline=st.text(max_size=1100),
    edit=st.tuples(st.integers(0, 400), st.binary(max_size=40)),
    id_=st.text(max_size=300),
    context=st.dictionaries(st.text(), st.text(), max_size=2),
)
def test_any_creative_is_scored_or_refused_by_field(
    stubs: Any,
    image: bytes,
    headline: str,
    edit: tuple[int, bytes],
    id_: str,
    context: dict[str, str],
) -> None:
    position, replacement = edit
    picture = image[:position] + replacement + image[position + len(replacement) :]
    [result] = stubs.batch_score([Creative(headline, picture, id_, context)])
    assert result.id == id_
    if result.WhichOneof("outcome") == "error":
        assert result.error.code == INVALID.value[0]
        assert result.error.field.startswith("creatives[0].")
        assert result.error.reason
