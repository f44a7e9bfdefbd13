"""What is found of whole creatives; the networks of the OCR are loaded once for all tests."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from adscore.checks import OcrMissingError, check_creatives, find_placement, text_boxes
from adscore.checks import image as image_module
from adscore.checks import text as text_module
from adscore.creative import Creative

from .conftest import GROUND, banner, checked, encoded, rules_of

Find = Callable[..., set[str]]
RECTANGLE = "iab-medium-rectangle"


def test_good_banner_has_no_findings(find: Find):
    assert find(RECTANGLE, "Roasted this week", encoded(banner())) == set()


def test_creative_without_image_or_headline_is_checked_for_what_it_has(find: Find):
    assert find("google-responsive-display", "A headline of thirty-one signs!") == {
        "headline-width"
    }
    assert find("google-responsive-display", image=encoded(banner((600, 314)))) == set()
    assert find("google-responsive-display", "  ") == {"image-readable"}  # has neither


@pytest.mark.parametrize("level", [0, 77, 255])
def test_image_of_one_colour_says_nothing(level: int):
    noise = np.random.default_rng(0).integers(0, 3, (250, 300, 3))
    assert text_boxes((level + noise).clip(0, 255).astype(np.uint8)) == []


@pytest.mark.parametrize(
    ("placement", "image", "rule"),
    [
        (RECTANGLE, encoded(banner((300, 200))), "image-size"),
        (RECTANGLE, encoded(Image.effect_noise((300, 250), 90), "BMP"), "image-readable"),
        (RECTANGLE, b"\xff\xd8\xff cut", "image-readable"),
        (RECTANGLE, encoded(banner()) + bytes(150_000), "image-bytes"),
        (RECTANGLE, encoded(Image.new("RGB", (300, 250), "white")), "image-blank"),
        ("meta-stories", encoded(banner((1080, 1920)), "WEBP"), "image-formats"),
        ("meta-stories", encoded(banner((1080, 1350))), "image-ratio"),
        ("google-responsive-display", encoded(banner((191, 100))), "image-min-size"),
        ("linkedin-single-image", encoded(banner((4400, 4400))), "image-max-size"),
        ("meta-stories", encoded(banner((1080, 1920), place=(0.5, 0.95))), "safe-area"),
        (RECTANGLE, encoded(banner(letters=0.02)), "text-height"),
        (RECTANGLE, encoded(banner(ink=(200, 205, 212))), "text-contrast"),
        ("microsoft-audience", encoded(banner((703, 368), letters=0.2)), "text-coverage"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_image_that_breaks_a_rule_is_found(find: Find, placement: str, image: bytes, rule: str):
    assert rule in find(placement, image=image)


@pytest.mark.parametrize(
    ("placement", "delays", "loop", "rule"),
    [
        ("google-image-ad", [10_000] * 4, 1, "animation-seconds"),
        ("google-image-ad", [2_000] * 2, 0, "animation-seconds"),
        ("google-image-ad", [100] * 4, 1, "animation-speed"),
        ("linkedin-single-image", [20] * 251, 1, "animation-frames"),
        ("microsoft-audience", [1_000] * 2, 1, "animation"),
    ],
)
def test_animation_that_breaks_a_rule_is_found(
    find: Find, placement: str, delays: list[int], loop: int, rule: str
):
    frames = [Image.new("RGB", (300, 250), (n % 200, 90, 60)) for n in range(len(delays))]
    data = encoded(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=delays, loop=loop
    )
    assert rule in find(placement, image=data)


def test_headline_counts_wide_characters_twice(find: Find):
    assert find("google-responsive-display", "夏" * 15) == set()
    assert find("google-responsive-display", "夏" * 16) == {"headline-width"}


def test_headline_of_12_000_characters_is_a_finding_and_no_failure(find: Find):
    assert find("meta-feed", "x" * 12_000) == {"headline-length"}


def test_headline_that_the_banner_repeats_is_found(find: Find):
    image = encoded(banner(text="Fresh coffee daily"))
    assert find(RECTANGLE, "Fresh coffee, daily!", image) == {"headline-repeated"}


def test_finding_names_rule_limit_and_place():
    one = checked("meta-stories", Creative("", encoded(banner((1080, 1920), place=(0.5, 0.95)))))[0]
    (finding,) = (found for found in one.findings if found.rule == "safe-area")
    assert "14%" in finding.expected
    assert "Fresh coffee" in finding.received
    assert "facebook.com" in finding.source
    (box,) = finding.boxes
    assert 0.92 * 1920 < box.top < box.bottom < 0.98 * 1920  # in pixels of the file
    assert one.may_run  # the platform advises it


def test_near_duplicates_among_the_creatives_of_a_call_are_found():
    image = banner()
    close = image.resize((310, 258)).resize((300, 250))
    other = banner(text="Cold brew", place=(0.3, 0.8))
    found = checked(
        RECTANGLE,
        Creative("Wake up", encoded(image), "first"),
        Creative("Wake up", encoded(close, "JPEG"), "again"),
        Creative("Wake up", encoded(other), "another"),
        Creative("Stay awake", encoded(image), "headline test"),
    )
    assert [rules_of(one) for one in found] == [set(), {"near-duplicate"}, set(), set()]
    assert "first" in found[1].findings[0].received


def test_same_shapes_in_other_colours_are_no_duplicates():
    red, blue = (Image.new("RGB", (300, 250), "white") for _ in range(2))
    red.paste((200, 30, 30), (50, 50, 200, 200))
    blue.paste((30, 30, 200), (50, 50, 200, 200))
    found = checked(RECTANGLE, Creative("a", encoded(red), "1"), Creative("a", encoded(blue), "2"))
    assert not any(rules_of(one) for one in found)


def test_text_boxes_are_those_of_the_lines():
    image = banner(text="Fresh coffee", place=(0.5, 0.3))
    (box,) = text_boxes(np.asarray(image))
    assert box.top < 0.3 * 250 < box.bottom
    assert box.left < 150 < box.right
    assert text_boxes(np.asarray(Image.new("RGB", (300, 250), GROUND))) == []


def test_image_of_a_pixel_has_no_text():
    assert text_boxes(np.zeros((1, 1, 3), np.uint8)) == []


def test_text_of_an_image_is_read_once_for_all_that_are_checked_with_it(
    monkeypatch: pytest.MonkeyPatch,
):
    read: list[object] = []

    def read_lines(pixels: np.ndarray) -> tuple[text_module.Line, ...]:
        read.append(pixels)
        return text_module.read_lines(pixels)

    monkeypatch.setattr(image_module, "read_lines", read_lines)
    image = encoded(banner(ink=(200, 205, 212)))
    creatives = [Creative(f"headline {number}", image) for number in range(8)]
    report = check_creatives(creatives, find_placement(RECTANGLE), threads=4)
    assert [rules_of(one) for one in report.creatives] == [{"text-contrast"}] * 8
    assert len(read) == 1


def test_without_ocr_the_extra_is_named_and_the_rest_is_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setattr(text_module, "_load_engine", text_module._load_engine.__wrapped__)
    creative = Creative("", encoded(banner((300, 200), letters=0.03)))
    report = check_creatives([creative, creative], find_placement(RECTANGLE))
    assert rules_of(report.creatives[0]) == {"image-size"}
    (text,) = report.not_checked
    assert 'pip install "adscore[check]"' in text
    with pytest.raises(OcrMissingError, match="rapidocr"):
        text_boxes(np.zeros((1, 1, 3), np.uint8))


def test_report_is_the_json_of_the_contract():
    report = check_creatives(
        [Creative("", encoded(banner((3, 3))), "a")], find_placement(RECTANGLE)
    )
    plain = report.to_dict()
    assert set(plain) == {"placement", "creatives", "not_checked"}
    (one,) = plain["creatives"]
    assert set(one) == {"id", "findings"}
    finding = one["findings"][0]
    assert set(finding) == {"rule", "severity", "message", "expected", "received", "source"}
    assert finding["severity"] == "error"
