import io

import numpy as np
import pytest
from PIL import Image

from adscore.creative import InputLimits
from adscore.explanation import Box
from adscore.explanation.elements import Canvas
from adscore.scoring.image import ImageSize

HEIGHT, WIDTH = 120, 200
READ = ImageSize(HEIGHT, WIDTH)  # as large as the banner: what is read is what is there


def canvas(pixels: np.ndarray) -> Canvas:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    drawn = Canvas(file.getvalue(), READ, InputLimits())
    drawn.decode()
    return drawn


@pytest.fixture
def ground() -> np.ndarray:
    """A ground that grows lighter to the right and bluer to the bottom."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([columns, 60 + columns // 2, rows * 2], axis=2).astype(np.uint8)


@pytest.mark.parametrize("box", [Box(60, 30, 140, 90), Box(150, 0, 200, 50), Box(0, 110, 200, 120)])
def test_what_surrounds_an_element_goes_on_where_it_was(ground: np.ndarray, box: Box) -> None:
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[box.top : box.bottom, box.left : box.right] = True
    banner = np.where(inside[..., None], (255, 0, 0), ground).astype(np.uint8)
    without = canvas(banner).without(box)
    np.testing.assert_array_equal(without[~inside], banner[~inside])
    around = ground[max(0, box.top - 20) : box.bottom + 20, max(0, box.left - 20) : box.right + 20]
    lowest, highest = around.min(axis=(0, 1)), around.max(axis=(0, 1))
    assert (lowest <= without[inside]).all()
    assert (without[inside] <= highest).all()


def test_a_gradient_goes_on_behind_an_element(ground: np.ndarray) -> None:
    banner = ground.copy()
    banner[30:90, 60:140] = (255, 0, 0)
    gaps = np.abs(canvas(banner).without(Box(60, 30, 140, 90)).astype(int) - ground)
    assert gaps.max() <= 8
    assert gaps.mean() < 1


def test_nothing_is_filled_from_what_reaches_out_of_a_box(ground: np.ndarray) -> None:
    banner = ground.copy()
    banner[30:90, 60:140] = (255, 0, 0)
    too_small = Box(63, 33, 137, 87)
    inside = np.s_[too_small.top : too_small.bottom, too_small.left : too_small.right]
    without = canvas(banner).without(too_small).astype(int)
    assert np.abs(without[inside] - ground[inside]).max() <= 12
    np.testing.assert_array_equal(without[30:33, 60:140], banner[30:33, 60:140])


def test_what_lies_across_its_edge_in_front_of_an_element_stays() -> None:
    product, badge, label = Box(40, 20, 120, 100), Box(100, 10, 140, 40), Box(50, 70, 90, 90)
    banner = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    for box, colour in ((product, (0, 90, 0)), (badge, (250, 0, 0)), (label, (0, 0, 0))):
        banner[box.top : box.bottom, box.left : box.right] = colour
    expected = np.full_like(banner, 200)
    expected[badge.top : badge.bottom, badge.left : badge.right] = (250, 0, 0)
    drawn = canvas(banner)
    boxes = [product, badge, label]
    np.testing.assert_array_equal(drawn.without(product, boxes), expected)
    # Nothing is known to lie in front, and the whole box goes.
    assert (drawn.without(product)[20:100, 40:120] != (0, 90, 0)).any(axis=2).all()


def test_the_whole_image_becomes_one_colour(ground: np.ndarray) -> None:
    without = canvas(ground).without(Box(0, 0, WIDTH, HEIGHT))
    assert (without == without[0, 0]).all()
