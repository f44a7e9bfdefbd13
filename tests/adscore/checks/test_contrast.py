import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from adscore.checks.contrast import contrast_ratio, separate, share_apart

WHITE, BLACK = np.array([255.0] * 3), np.zeros(3)


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        (WHITE, BLACK, 21),
        (WHITE, WHITE, 1),
        (WHITE, np.array([119.0] * 3), 4.48),  # #777777, which famously just fails
        (np.array([255.0, 0, 0]), WHITE, 4.0),
    ],
)
def test_ratio_is_that_of_wcag(first, second, ratio: float):
    assert contrast_ratio(first, second) == pytest.approx(ratio, abs=0.01)
    assert contrast_ratio(second, first) == contrast_ratio(first, second)


@pytest.mark.parametrize("size", [12, 20, 60])
def test_ink_and_ground_are_told_apart_whatever_the_size(size: int):
    ink, ground = (180, 40, 40), (230, 240, 220)
    image = Image.new("RGB", (size * 6, size * 2), ground)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((size, size), "Sale now", fill=ink, font=font, anchor="lm")
    inked = separate(np.asarray(image))
    truth = contrast_ratio(np.array(ink, float), np.array(ground, float))
    assert inked.contrast == pytest.approx(truth, abs=0.3)


def test_box_of_one_colour_has_no_ink():
    inked = separate(np.full((20, 60, 3), 128, np.uint8))
    assert not inked.mask.any()
    assert inked.contrast == 1


def test_share_apart_is_that_of_what_stands_out():
    pixels = np.full((100, 100, 3), 250, np.uint8)
    assert share_apart(pixels) == 0
    pixels[:10] = 20
    assert share_apart(pixels) == pytest.approx(0.1)
