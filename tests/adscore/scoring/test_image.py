import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from adscore.creative import InputLimits, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.image import ImageSize, Pixels, decode

LIMITS = InputLimits()
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
QUADRANTS = (RED, GREEN, BLUE, YELLOW)  # top left, top right, bottom left, bottom right

# What undoes each EXIF orientation, applied to an upright picture.
TURNED_AS_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quadrants(width: int = 64, height: int = 32) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for number, colour in enumerate(QUADRANTS):
        x, y = number % 2 * width // 2, number // 2 * height // 2
        image.paste(colour, (x, y, x + width // 2, y + height // 2))
    return image


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png_from_samples(samples: NDArray[np.uint16], colour_type: int) -> bytes:
    """A PNG of 16 bits a sample; samples: (height, width, channels)."""
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return png_from_chunks((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def png_from_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header_alone(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png_from_chunks((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))


def pixels_of(data: bytes, size: ImageSize | None = None) -> Pixels:
    pixels, _ = decode(data, size or ImageSize(16, 32), LIMITS)
    return pixels


def refusal(data: bytes, limits: InputLimits = LIMITS) -> InvalidCreativeError:
    with pytest.raises(InvalidCreativeError) as caught:
        decode(data, ImageSize(16, 32), limits)
    assert caught.value.field == "image"
    assert "expected" in str(caught.value)
    assert "Received" in str(caught.value)
    return caught.value


def assert_colours(pixels: Pixels, *expected: tuple[int, int, int], tolerance: int = 4) -> None:
    """Compares the middle of each quadrant."""
    height, width, _ = pixels.shape
    places = [(y, x) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)]
    received = np.array([pixels[place] for place in places], dtype=int)
    np.testing.assert_allclose(received, expected, atol=tolerance)


# === Formats and colours ===


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("PNG", {}, 1),
        ("GIF", {}, 1),
        ("WEBP", {"lossless": True}, 1),
        ("WEBP", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0}, 4),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 4),
    ],
)
def test_each_format_keeps_its_colours(
    file_format: str, options: dict[str, object], tolerance: int
) -> None:
    pixels = pixels_of(encoded(quadrants(), file_format, **options))
    assert pixels.shape == (16, 32, 3)
    assert pixels.dtype == np.uint8
    assert_colours(pixels, *QUADRANTS, tolerance=tolerance)


def test_first_frame_of_an_animation_counts() -> None:
    later = [Image.new("RGB", (64, 32), colour) for colour in (BLACK, WHITE)]
    for file_format in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if file_format == "WEBP" else {}
        data = encoded(
            quadrants(), file_format, save_all=True, append_images=later, duration=50, **options
        )
        assert_colours(pixels_of(data), *QUADRANTS)


def test_first_picture_of_a_camera_file_of_several_counts() -> None:
    other = Image.new("RGB", (64, 32), BLACK)
    data = encoded(quadrants(), "MPO", save_all=True, append_images=[other], quality=95)
    assert_colours(pixels_of(data), *QUADRANTS, tolerance=60)


def test_cmyk_jpeg_becomes_rgb() -> None:
    data = encoded(quadrants().convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert_colours(pixels_of(data), *QUADRANTS, tolerance=8)


def test_grey_png_of_16_bits_keeps_its_levels() -> None:
    levels = np.repeat(np.array([[0, 20_000], [40_000, 65_535]], dtype=np.uint16), 16, axis=0)
    samples = np.repeat(levels, 32, axis=1)[..., None]
    expected = [(level, level, level) for level in (0, 78, 156, 255)]
    assert_colours(pixels_of(png_from_samples(samples, 0)), *expected, tolerance=1)


def test_rgb_png_of_16_bits_keeps_its_colours() -> None:
    samples = np.asarray(quadrants()).astype(np.uint16) * 257
    assert_colours(pixels_of(png_from_samples(samples, 2)), *QUADRANTS, tolerance=1)


def test_one_bit_png_is_black_and_white() -> None:
    image = Image.new("1", (64, 32), 1)
    image.paste(0, (0, 0, 32, 32))
    assert_colours(pixels_of(encoded(image, "PNG")), BLACK, WHITE, BLACK, WHITE)


def test_palette_png_lies_on_white_where_it_is_transparent() -> None:
    image = quadrants().quantize(8)
    transparent = image.getpixel((1, 1))
    pixels = pixels_of(encoded(image, "PNG", transparency=transparent))
    assert_colours(pixels, WHITE, GREEN, BLUE, YELLOW)


def test_alpha_lies_on_white() -> None:
    image = quadrants().convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 32, 16))
    alpha.paste(128, (32, 0, 64, 16))
    image.putalpha(alpha)
    pixels = pixels_of(encoded(image, "PNG"))
    assert_colours(pixels, WHITE, (127, 255, 127), BLUE, YELLOW)


def test_grey_with_alpha_lies_on_white() -> None:
    image = Image.new("LA", (64, 32), (0, 255))
    image.paste((0, 0), (0, 0, 32, 32))
    assert_colours(pixels_of(encoded(image, "PNG")), WHITE, BLACK, WHITE, BLACK)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = TURNED_AS_STORED[orientation]
    stored = quadrants() if turn is None else quadrants().transpose(turn)
    options = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    data = encoded(stored, file_format, exif=exif, **options[file_format])
    assert_colours(pixels_of(data), *QUADRANTS)


def test_unknown_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert_colours(pixels_of(encoded(quadrants(), "PNG", exif=exif)), *QUADRANTS)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 7)])
def test_tiny_and_thin_images_are_stretched(shape: tuple[int, int]) -> None:
    pixels = pixels_of(encoded(Image.new("RGB", shape, RED), "PNG"))
    assert (pixels == RED).all()


# === The note on what shrinking loses ===


@pytest.mark.parametrize(("width", "expected"), [(32 * 16, False), (32 * 16 + 1, True)])
def test_shrinking_too_far_is_noted(width: int, expected: bool) -> None:
    data = encoded(Image.new("RGB", (width, 16)), "PNG")
    assert (Warning.IMAGE_DOWNSCALED in decode(data, ImageSize(16, 32), LIMITS)[1]) is expected


def test_shrinking_is_measured_on_the_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (16, 400)), "PNG", exif=exif)  # 400 x 16 when upright
    assert decode(data, ImageSize(16, 32), LIMITS)[1] == ()


# === Refusals ===


@pytest.mark.parametrize(
    "data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8"]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert refusal(data).reason is Reason.IMAGE_UNREADABLE


@pytest.mark.parametrize("file_format", ["BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused(file_format: str) -> None:
    error = refusal(encoded(quadrants(), file_format))
    assert error.reason is Reason.IMAGE_UNREADABLE
    assert "JPEG, PNG, WEBP, GIF" in str(error)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_truncated_files_are_refused(file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), file_format)
    assert refusal(data[: len(data) // 2]).reason is Reason.IMAGE_UNREADABLE


def test_too_many_bytes_are_refused() -> None:
    data = encoded(quadrants(), "PNG")
    error = refusal(data, InputLimits(max_image_bytes=len(data) - 1))
    assert error.reason is Reason.IMAGE_TOO_MANY_BYTES
    assert f"{len(data)} bytes" in str(error)
    decode(data, ImageSize(16, 32), InputLimits(max_image_bytes=len(data)))


def test_too_many_pixels_are_refused() -> None:
    data = encoded(quadrants(), "PNG")
    error = refusal(data, InputLimits(max_image_pixels=64 * 32 - 1))
    assert error.reason is Reason.IMAGE_TOO_MANY_PIXELS
    assert "64 x 32" in str(error)
    decode(data, ImageSize(16, 32), InputLimits(max_image_pixels=64 * 32))


# Below, between and above the sizes at which Pillow itself warns and refuses.
@pytest.mark.parametrize("side", [8_000, 10_000, 12_000, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_png_is_refused_from_its_header(side: int) -> None:
    # Without pixel data, so that decoding would give another reason.
    assert refusal(png_header_alone(side, side)).reason is Reason.IMAGE_TOO_MANY_PIXELS


def test_a_png_without_pixel_data_is_unreadable() -> None:
    assert refusal(png_header_alone(64, 32)).reason is Reason.IMAGE_UNREADABLE


@pytest.mark.parametrize("file_format", ["JPEG", "GIF"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_size_in_another_header_is_refused(file_format: str) -> None:
    data = encoded(quadrants(), file_format)
    if file_format == "JPEG":
        place = data.index(b"\xff\xc0") + 5
        data = data[:place] + struct.pack(">HH", 60_000, 60_000) + data[place + 4 :]
    else:
        data = data[:6] + struct.pack("<HH", 60_000, 60_000) + data[10:]
    assert refusal(data).reason is Reason.IMAGE_TOO_MANY_PIXELS
