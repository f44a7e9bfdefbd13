"""Properties that are worked out once, by threads that do not wait for each other."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from adscore.creative import InputLimits
from adscore.scoring import image
from adscore.scoring.image import ImageSize, UndecodedImage
from adscore.scoring.lazy import lazy

# Until threads that wait for each other's turn are taken for stuck.
PATIENCE_SECONDS = 20


class Counter:
    """Counts how often its value is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    @lazy
    def value(self) -> int:
        """A number."""
        self.asked += 1
        return self.asked


def test_a_value_is_worked_out_once_for_each_instance() -> None:
    first, second = Counter(), Counter()

    assert (first.value, first.value, second.value) == (1, 1, 1)


def test_images_are_decoded_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(file, "PNG")
    images = [UndecodedImage(file.getvalue(), ImageSize(4, 4), InputLimits()) for _ in range(2)]
    both = threading.Barrier(2, timeout=PATIENCE_SECONDS)
    decode = image._resizable

    def meet(*arguments: Any) -> Image.Image:
        both.wait()
        return decode(*arguments)

    monkeypatch.setattr(image, "_resizable", meet)

    with ThreadPoolExecutor(2) as threads:
        decoded = list(threads.map(lambda one: one.decode()[0], images))

    assert [pixels.shape for pixels in decoded] == [(4, 4, 3)] * 2
