import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adscore.checks.animation import Animation, animation_of

FORMATS = ["GIF", "WEBP", "PNG"]


def animated(kind: str, delays: list[int], loop: int | None = None) -> bytes:
    """An animation whose frames last so many milliseconds."""
    frames = [Image.new("RGB", (8, 8), (40 * n, 0, 255 - 40 * n)) for n in range(len(delays))]
    file = io.BytesIO()
    options = {} if loop is None else {"loop": loop}
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=delays, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_length_is_that_of_all_frames(kind: str):
    animation = animation_of(animated(kind, [100, 250, 1150], loop=1), kind)
    assert animation.frames == 3
    assert animation.round_seconds == pytest.approx(1.5)


@pytest.mark.parametrize("kind", FORMATS)
def test_endless_animation_is_endless(kind: str):
    assert math.isinf(animation_of(animated(kind, [100, 100], loop=0), kind).seconds)


def test_gif_repeats_after_the_first_round():
    assert animation_of(animated("GIF", [500, 500], loop=2), "GIF").seconds == pytest.approx(3)
    assert animation_of(animated("GIF", [500, 500]), "GIF").seconds == pytest.approx(1)


@pytest.mark.parametrize("kind", FORMATS)
def test_still_image_does_not_move(kind: str):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    animation = animation_of(file.getvalue(), kind)
    assert not animation.moves
    assert animation.seconds == 0


def test_frames_without_a_delay_are_shown_as_browsers_show_them():
    animation = animation_of(animated("GIF", [0, 0, 0]), "GIF")
    assert animation.round_seconds == pytest.approx(0.3)


@given(st.data())
def test_any_cut_or_changed_file_is_read_without_fail(data: st.DataObject):
    kind = data.draw(st.sampled_from(FORMATS))
    whole = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert isinstance(animation_of(cut, kind), Animation)


WHOLE = {kind: animated(kind, [100, 200], loop=3) for kind in FORMATS}
