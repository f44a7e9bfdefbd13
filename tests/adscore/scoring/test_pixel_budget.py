"""The bound on pixels that are decoded at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adscore.scoring.image import FREE_PIXELS, PixelBudget

LARGE = FREE_PIXELS + 1


def test_large_images_never_take_more_than_the_budget_together() -> None:
    budget = PixelBudget(3 * LARGE)
    # Three go through together, or none would: each waits inside for two others.
    inside = threading.Barrier(3)
    lock = threading.Lock()
    held: list[int] = [0]
    seen: list[int] = []

    def decode(_: int) -> None:
        with budget.take(LARGE):
            with lock:
                held[0] += 1
                seen.append(held[0])
            inside.wait(60)
            with lock:
                held[0] -= 1

    with ThreadPoolExecutor(9) as threads:
        list(threads.map(decode, range(9)))
    assert max(seen) == 3


def test_image_above_the_budget_is_decoded_alone() -> None:
    budget = PixelBudget(1)
    with budget.take(10 * LARGE):
        pass
    with budget.take(LARGE):
        pass


def test_small_images_never_wait() -> None:
    budget = PixelBudget(1)
    with budget.take(LARGE), budget.take(FREE_PIXELS), budget.take(1):
        pass


def test_room_comes_back_after_a_failure() -> None:
    budget = PixelBudget(LARGE)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), budget.take(LARGE):
            raise ValueError("broken")
