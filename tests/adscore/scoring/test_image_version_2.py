"""What preprocessing version 2 sees that version 1 does not: scale, transparency, frames."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from adscore.creative import InputLimits, Warning
from adscore.errors import InvalidCreativeError
from adscore.scoring import image
from adscore.scoring.image import ImageSize, Pixels, UndecodedImage, decode

LIMITS = InputLimits()
SIZE = ImageSize(16, 32)
RNG = np.random.default_rng(0)
ANIMATED = ["GIF", "PNG", "WEBP", *(["AVIF"] if features.check("avif") else [])]


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    if file_format == "WEBP":
        options.setdefault("lossless", True)
    picture.save(file, file_format, **options)
    return file.getvalue()


def pixels_of(data: bytes, size: ImageSize = SIZE) -> Pixels:
    return decode(data, size, LIMITS)[0]


def warnings_of(data: bytes, version: int = 2) -> tuple[Warning, ...]:
    return decode(data, ImageSize(16, 32, version=version), LIMITS)[1]


def photo(width: int, height: int) -> Image.Image:
    few = RNG.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


# === Scale ===


@pytest.mark.parametrize("size", [(300, 250), (301, 251), (1200, 628), (728, 90), (31, 400)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_scaled_while_decoded_looks_as_if_scaled_afterwards(
    size: tuple[int, int], mode: str
) -> None:
    data = encoded(photo(*size).convert(mode), "JPEG", quality=95)
    received = pixels_of(data, ImageSize(64, 64)).astype(int)
    expected = pixels_of(data, ImageSize(64, 64, version=1))
    assert np.abs(received - expected).mean() < 2


def test_a_jpeg_is_scaled_to_no_less_than_the_final_size() -> None:
    opened = image.UndecodedImage(encoded(photo(300, 250), "JPEG"), ImageSize(64, 64), LIMITS)
    assert opened.pixels == 150 * 125
    opened = image.UndecodedImage(encoded(photo(1200, 628), "JPEG"), ImageSize(224, 224), LIMITS)
    assert opened.pixels == 600 * 314


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_scaled_jpeg_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(400, 160), "JPEG", exif=exif, quality=95)
    received = pixels_of(data, ImageSize(24, 32)).astype(int)
    expected = pixels_of(data, ImageSize(24, 32, version=1))
    assert np.abs(received - expected).mean() < 2


# === Transparency ===


def png(samples: NDArray[Any], colour_type: int, bits: int, key: tuple[int, ...]) -> bytes:
    """A PNG of (height, width, channels) samples, of which those equal to a key are transparent."""
    height, width, _ = samples.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    if bits == 16:
        rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    else:
        planes = np.unpackbits(samples.astype(np.uint8).reshape(height, -1, 1), axis=2)
        rows = np.packbits(planes[:, :, 8 - bits :].reshape(height, -1), axis=1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)),
            chunk(b"IDAT", zlib.compress(body)),
            chunk(b"IEND", b""),
        )
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_laid_on_white(bits: int) -> None:
    most = (1 << bits) - 1
    key = most // 3
    samples = RNG.integers(0, 2, (16, 32, 1)) * most
    samples[:8] = key
    pixels = pixels_of(png(samples, 0, bits, (key,)))
    expected = np.broadcast_to(np.where(samples == key, 255, samples * 255 // most), (16, 32, 3))
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_is_laid_on_white(bits: int) -> None:
    most = (1 << bits) - 1
    samples = RNG.integers(0, most + 1, (16, 32, 3))
    key = tuple(samples[0, 0].tolist())
    samples[:8] = key
    pixels = pixels_of(png(samples, 2, bits, key))
    assert (pixels[:8] == 255).all()
    assert np.abs(pixels[8:].astype(int) - samples[8:] * 255 / most).max() <= 1


def test_colours_that_differ_in_their_lower_bits_are_not_transparent() -> None:
    samples = np.full((16, 32, 3), 0x1234)
    samples[8:, :, 1] = 0x1235
    pixels = pixels_of(png(samples, 2, 16, (0x1234,) * 3))
    assert (pixels[:8] == 255).all()
    assert (pixels[8:] == 0x12).all()
    grey = pixels_of(png(samples[..., 1:2], 0, 16, (0x1234,)))
    assert (grey[:8] == 255).all()
    assert (grey[8:] == 0x12).all()


# === Frames ===

PICTURE = photo(64, 32)
WHITE, BLACK = (Image.new("RGB", (64, 32), colour) for colour in ("white", "black"))


def animation(file_format: str, *frames: Image.Image) -> bytes:
    return encoded(frames[0], file_format, save_all=True, append_images=frames[1:], duration=50)


@pytest.mark.parametrize("file_format", ANIMATED)
@pytest.mark.parametrize("before", [[WHITE], [BLACK], [BLACK, WHITE], []])
def test_the_first_frame_that_is_not_blank_counts(
    file_format: str, before: list[Image.Image]
) -> None:
    data = animation(file_format, *before, PICTURE, PICTURE.rotate(180))
    tolerance = {"PNG": 1, "WEBP": 1}.get(file_format, 40)
    difference = np.abs(pixels_of(data).astype(int) - pixels_of(encoded(PICTURE, "PNG")))
    assert difference.mean() < tolerance


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_a_transparent_first_frame_is_blank(file_format: str) -> None:
    nothing = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
    pixels = pixels_of(animation(file_format, nothing, PICTURE.convert("RGBA")))
    assert pixels.std() > 20


@pytest.mark.parametrize("file_format", ANIMATED)
def test_of_blank_frames_alone_the_first_counts(file_format: str) -> None:
    pixels = pixels_of(animation(file_format, BLACK, WHITE, BLACK, WHITE))
    assert pixels.max() <= 4


@pytest.mark.parametrize("file_format", ANIMATED)
def test_a_search_behind_a_blank_frame_takes_long(file_format: str) -> None:
    frames = [WHITE, BLACK, PICTURE, WHITE]
    for first in range(4):
        data = animation(file_format, *frames[first:], PICTURE)
        image = UndecodedImage(data, SIZE, LIMITS)
        assert image.takes_long is (frames[first] is not PICTURE)
        np.testing.assert_array_equal(image.decode()[0], pixels_of(data))
    version_1 = ImageSize(16, 32, version=1)
    assert not UndecodedImage(animation(file_format, WHITE, BLACK), version_1, LIMITS).takes_long


@pytest.mark.parametrize("file_format", ["GIF", "PNG"])
def test_a_broken_first_frame_is_refused_whether_it_takes_long_or_not(file_format: str) -> None:
    data = animation(file_format, PICTURE, WHITE)
    image = UndecodedImage(data[: len(data) // 3], SIZE, LIMITS)
    assert not image.takes_long
    with pytest.raises(InvalidCreativeError):
        image.decode()


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_version_1_takes_the_first_frame(file_format: str) -> None:
    data = animation(file_format, WHITE, PICTURE)
    assert pixels_of(data, ImageSize(16, 32, version=1)).min() == 255


@pytest.mark.parametrize("file_format", ["GIF", "PNG"])
def test_a_frame_that_is_cut_off_does_not_count(file_format: str) -> None:
    whole = animation(file_format, WHITE, PICTURE)
    assert pixels_of(whole[: len(whole) - len(whole) // 4]).min() == 255


def test_a_long_animation_is_searched_so_far_and_no_farther(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = [WHITE, BLACK] * 3
    data = animation("GIF", *frames, PICTURE)
    assert pixels_of(data).std() > 20
    monkeypatch.setattr(image, "MAX_FRAMES", 6)
    assert pixels_of(data).min() == 255
    monkeypatch.undo()
    monkeypatch.setattr(image, "MAX_FRAME_PIXELS", 6 * 64 * 32)
    assert pixels_of(data).min() == 255


def test_comments_between_frames_do_not_hide_them() -> None:
    comment = b"\x21\xfe" + b"\x01x" * 50 + b"\0"
    gif = animation("GIF", WHITE, PICTURE)
    second = gif.rindex(b"\x21\xf9\x04")
    assert pixels_of(gif[:second] + comment * 3 + gif[second:]).std() > 20


# === Nothing to be seen ===


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF"])
def test_a_picture_of_which_nothing_shows_on_white_is_noted(file_format: str, version: int) -> None:
    white = Image.new("RGBA", (64, 32), (255, 255, 255, 0))
    white.paste((255, 255, 255, 255), (8, 8, 40, 24))
    clear = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
    for picture in (white, clear):
        assert Warning.IMAGE_BLANK in warnings_of(encoded(picture, file_format), version)


@pytest.mark.parametrize("colour", ["black", "red", (250, 250, 240)])
def test_a_picture_that_shows_on_white_is_not(colour: Any) -> None:
    picture = Image.new("RGBA", (64, 32), (255, 255, 255, 0))
    picture.paste(colour, (8, 8, 40, 24))
    assert warnings_of(encoded(picture, "PNG")) == ()
    assert warnings_of(encoded(WHITE, "PNG")) == ()  # as it is meant: it hides nothing
