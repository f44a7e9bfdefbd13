"""The bound on pixels that are decoded at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adscore.scoring.pixel_budget import FREE_PIXELS, PixelBudget

LARGE = FREE_PIXELS + 1


def test_large_images_never_take_more_than_the_budget_together() -> None:
    budget = PixelBudget(3 * LARGE)
    # Three go through together, or none would: each waits inside for two others.
    inside = threading.Barrier(3)
    lock = threading.Lock()
    held: list[int] = [0]
    seen: list[int] = []

    def decode(_: int) -> None:
        with budget.claim(LARGE):
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
    with budget.claim(10 * LARGE):
        pass
    with budget.claim(LARGE):
        pass


def test_small_images_never_wait() -> None:
    budget = PixelBudget(1)
    with budget.claim(LARGE), budget.claim(FREE_PIXELS), budget.claim(1):
        pass


def test_room_comes_back_after_a_failure() -> None:
    budget = PixelBudget(LARGE)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), budget.claim(LARGE):
            raise ValueError("broken")


def test_a_claim_is_granted_in_its_turn() -> None:
    budget = PixelBudget(2 * LARGE)
    first, whole, last = (budget.claim(pixels) for pixels in (LARGE, 2 * LARGE, LARGE))
    assert (first.granted, whole.granted, last.granted) == (True, False, False)
    first.release()
    assert (whole.granted, last.granted) == (True, False)
    whole.release()
    assert last.granted


def test_waiting_ends_with_its_deadline() -> None:
    budget = PixelBudget(LARGE)
    with budget.claim(LARGE), budget.claim(1):
        waiting = budget.claim(LARGE)
        assert not waiting.wait(0.01)
        waiting.release()
    with budget.claim(LARGE) as again:
        assert again.granted


def test_waiting_ends_when_the_caller_goes() -> None:
    budget = PixelBudget(LARGE)
    with budget.claim(LARGE), ThreadPoolExecutor(1) as threads:
        waiting = budget.claim(LARGE)
        outcome = threads.submit(waiting.wait, 60)
        waiting.release()
        assert outcome.result(60) is False
    assert not waiting.granted


def test_a_claim_that_is_given_up_lets_those_behind_it_through() -> None:
    budget = PixelBudget(2 * LARGE)
    with budget.claim(LARGE):
        whole, last = budget.claim(2 * LARGE), budget.claim(LARGE)
        assert not last.granted
        whole.release()
        assert last.granted
        last.release()


def test_a_claim_can_be_waited_for_without_a_thread() -> None:
    budget = PixelBudget(LARGE)
    told: list[str] = []
    first, second, third = (budget.claim(LARGE) for _ in range(3))
    first.when_granted(lambda: told.append("first"))
    second.when_granted(lambda: told.append("second"))
    third.when_granted(lambda: told.append("third"))
    assert told == ["first"]
    second.release()
    first.release()
    assert told == ["first", "third"]


def test_a_claim_that_is_released_twice_gives_its_room_back_once() -> None:
    budget = PixelBudget(2 * LARGE)
    first = budget.claim(LARGE)
    first.release()
    first.release()
    whole, another = budget.claim(2 * LARGE), budget.claim(LARGE)
    assert (whole.granted, another.granted) == (True, False)
