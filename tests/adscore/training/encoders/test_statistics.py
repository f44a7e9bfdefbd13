"""Statistics of an image's pixels: what they tell, at any size."""

import numpy as np
import pytest

from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import ImageSize
from adscore.training.encoders.statistics import WIDTHS, image_statistics

COLOUR, APART, TOGETHER, LAYOUT, EDGES = (
    slice(end - width, end) for width, end in zip(WIDTHS, np.cumsum(WIDTHS), strict=True)
)


def statistics(pixels: np.ndarray) -> np.ndarray:
    graph = Graph(
        image_statistics(ImageSize(*pixels.shape[1:3])).SerializeToString(), RuntimeOptions(1)
    )
    return graph.run({"pixels": pixels})["features"]


def plain(size: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (1, size, size, 3)).copy()


@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (64, 100), (224, 224)])
def test_they_are_numbers_of_one_width_at_any_size(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    found = statistics(pixels)
    assert found.shape == (3, sum(WIDTHS))
    assert np.isfinite(found).all()


def test_an_image_has_the_same_beside_any_other() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(statistics(pixels)[1:2], statistics(pixels[1:2]))


def test_a_plain_image_has_one_shade_and_hardly_an_edge() -> None:
    found = statistics(plain(64, (255, 0, 0)))[0]
    assert (found[TOGETHER] > 0.01).sum() == 1
    assert found[EDGES].max() < 0.05


def test_a_small_element_is_seen_wherever_it_stands() -> None:
    background = plain(64, (230, 230, 230))
    left, right = background.copy(), background.copy()
    left[0, 8:16, 8:16] = right[0, 40:48, 30:38] = (250, 40, 20)
    here, there, without = (statistics(one)[0] for one in (left, right, background))
    assert np.abs(here[TOGETHER] - without[TOGETHER]).max() > 0.05
    np.testing.assert_allclose(here[TOGETHER], there[TOGETHER], atol=1e-6)
    assert np.abs(here[LAYOUT] - there[LAYOUT]).max() > 0.05


def test_colours_apart_add_up_to_everything() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    assert (statistics(pixels)[0, TOGETHER] ** 2).sum() == pytest.approx(1, abs=1e-4)
    assert statistics(pixels)[0, APART].min() >= 0
