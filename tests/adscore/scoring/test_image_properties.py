"""Whatever bytes arrive, decoding gives pixels or says what is wrong with the image."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.scoring.image import ImageSize, decode

# Small limits, so that no mutated header costs memory.
LIMITS = InputLimits(max_image_pixels=1_000_000)
SIZE = ImageSize(8, 16)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about the broken files


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def real_files() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    animated = {"save_all": True, "append_images": [NOISE.convert("L")]}
    return [
        encoded(NOISE, "PNG", exif=exif),
        encoded(NOISE.convert("P"), "PNG", transparency=0),
        encoded(NOISE.convert("RGBA"), "PNG"),
        encoded(NOISE, "JPEG", exif=exif),
        encoded(NOISE.convert("CMYK"), "JPEG", progressive=True),
        encoded(NOISE, "GIF", **animated),
        encoded(NOISE, "WEBP", **animated),
        encoded(NOISE, "WEBP", lossless=True, exif=exif),
    ]


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(real_files())))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 4))
        data[start : start + length] = draw(st.binary(max_size=4))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(st.one_of(st.binary(), mutated_files()))
def test_any_bytes_give_pixels_or_a_refusal(data: bytes) -> None:
    try:
        pixels, _ = decode(data, SIZE, LIMITS)
    except InvalidCreativeError:
        return
    assert pixels.shape == (SIZE.height, SIZE.width, 3)
    assert pixels.dtype == np.uint8


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 20))
def test_any_shape_is_stretched_to_any_size(w: int, h: int, height: int, width: int) -> None:
    pixels, _ = decode(encoded(NOISE.resize((w, h)), "PNG"), ImageSize(height, width), LIMITS)
    assert pixels.shape == (height, width, 3)
