"""What an image file is, by its own bytes, and that no file is more work than a real one."""

import base64
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring import image_file
from adscore.scoring.image import ImageSize, UndecodedImage, decode
from adscore.scoring.jpeg import MAX_SCANS, MAX_SEGMENTS, read_header

LIMITS = InputLimits()
SIZE = ImageSize(16, 32)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def refusal(data: bytes, limits: InputLimits = LIMITS) -> str:
    with pytest.raises(InvalidCreativeError) as caught:
        UndecodedImage(data, SIZE, limits)
    assert caught.value.reason is Reason.IMAGE_UNREADABLE
    return str(caught.value)


# === What it is ===


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(body) + 4) + body + bytes(200)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"></svg>'


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (SVG, "an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n' + SVG, "an SVG drawing"),
        (b"<!DOCTYPE html>\n<title>404</title>", "an HTML page"),
        (b"\n<HTML><body>" + SVG + b"</body></HTML>", "an HTML page"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF document"),
        (ftyp(b"heic", b"mif1", b"heic"), "a HEIC image"),
        (ftyp(b"mif1", b"heix"), "a HEIC image"),
        (ftyp(b"isom", b"mp41"), "a video"),
        (base64.b64encode(encoded(NOISE, "PNG")), "base64 text of a PNG image"),
        (base64.encodebytes(encoded(NOISE, "JPEG")), "base64 text of a JPEG image"),
        (
            b"data:image/gif;base64," + base64.b64encode(b"GIF89a" + bytes(9)),
            "base64 text of a GIF",
        ),
        (b"data:image/svg+xml;base64," + base64.b64encode(SVG), "base64 text"),
        (encoded(NOISE, "TIFF"), "a TIFF image"),
        (encoded(NOISE, "BMP"), "a BMP image"),
        (b"8BPS\0\1" + bytes(30), "a Photoshop document"),
        (b"PK\3\4" + bytes(30), "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a pointer of Git LFS"),
        (b"banner.png", "text of 10 bytes"),
        (bytes(50), "50 bytes that are none of these"),
        (b"\xff\xfe<\0s\0v\0g\0", "an SVG drawing of 10 bytes"),
        ("<body>gr\xf6\xdfe".encode("latin-1"), "an HTML page"),
        (b"<p>Not found</p>", "an HTML page"),
        (b"<Error><Code>AccessDenied</Code></Error>", "an XML text"),
        (b'{"error": "not found"}', "a JSON text"),
        (b"https://example.org/banner.png", "a URL"),
        (b"gr\xf6\xdfe", "5 bytes that are none of these"),
    ],
)
def test_what_is_no_image_is_named_for_what_it_is(data: bytes, name: str) -> None:
    message = refusal(data)
    assert f"Received: {name}" in message
    assert "expected an encoded image (JPEG, PNG, WEBP, GIF, AVIF)" in message


def test_a_format_outside_the_limits_is_named() -> None:
    limits = InputLimits(image_formats=("JPEG", "PNG"))
    message = refusal(encoded(NOISE, "GIF"), limits)
    assert "expected an encoded image (JPEG, PNG). Received: a GIF image of" in message


def test_avif_is_read_where_pillow_can_and_else_named(monkeypatch: pytest.MonkeyPatch) -> None:
    if features.check("avif"):
        pixels, _ = decode(encoded(Image.new("RGB", (64, 48), "red"), "AVIF"), SIZE, LIMITS)
        assert np.abs(pixels.astype(int) - (255, 0, 0)).max() < 8
    monkeypatch.delitem(image_file._OPENERS, "AVIF", raising=False)
    message = refusal(ftyp(b"avif", b"mif1"))
    assert "Received: an AVIF image of" in message
    assert "Pillow cannot read" in message


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_comes_has_a_name(data: bytes) -> None:
    with pytest.raises(InvalidCreativeError, match="Received: "):
        UndecodedImage(data, SIZE, LIMITS)


# === JPEG ===


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def after_start(jpeg: bytes, *parts: bytes) -> bytes:
    return jpeg[:2] + b"".join(parts) + jpeg[2:]


def more_scans(jpeg: bytes, count: int) -> bytes:
    last = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    return jpeg[:-2] + last * count + jpeg[-2:]


MPF = segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\0\0\0\2")


@pytest.mark.parametrize("extra", [b"", MPF, segment(0xE2, b"MPF\0"), segment(0xFE, b"MPF")])
def test_no_marker_hides_the_scans_of_a_jpeg(extra: bytes) -> None:
    jpeg = after_start(encoded(NOISE, "JPEG", progressive=True), extra)
    decode(jpeg, SIZE, LIMITS)
    assert "scans" in refusal(more_scans(jpeg, MAX_SCANS))


def test_scans_behind_a_false_end_are_counted() -> None:
    jpeg = encoded(NOISE, "JPEG", progressive=True)
    false_end = segment(0xFE, b"\xff\xd9")
    assert "scans" in refusal(more_scans(jpeg[:-2] + false_end + jpeg[-2:], MAX_SCANS))


def test_scans_of_what_is_no_part_of_the_image_do_not_count() -> None:
    jpeg = encoded(NOISE, "JPEG", progressive=True)
    inside = segment(0xFE, b"\xff\xda" * 1_000)
    decode(after_start(jpeg, inside) + b"\xff\xda" * 1_000, SIZE, LIMITS)


def test_scans_times_pixels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = encoded(NOISE, "JPEG", progressive=True)
    scans = read_header(jpeg).scans
    assert scans > 5
    monkeypatch.setattr(image_file, "MAX_SCAN_PIXELS", scans * 64 * 48)
    decode(jpeg, SIZE, LIMITS)
    assert f"at most {scans} scans in a JPEG of 64 x 48 pixels" in refusal(more_scans(jpeg, 1))


@pytest.mark.parametrize("components", ["L", "RGB", "CMYK"])
def test_pixels_of_a_plain_jpeg_are_claimed_after_scaling(components: str) -> None:
    jpeg = encoded(NOISE.resize((640, 480)).convert(components), "JPEG")
    assert UndecodedImage(jpeg, ImageSize(48, 64), LIMITS).pixels == 80 * 60


def by_component(jpeg: bytes) -> bytes:
    """A baseline JPEG whose first scan is of one component of three; its pixels are not right."""
    start = jpeg.rindex(b"\xff\xda")
    return jpeg[:start] + segment(0xDA, b"\1\1\0\0\x3f\0") + jpeg[start + 14 :]


@pytest.mark.parametrize(
    "jpeg",
    [
        encoded(NOISE.resize((640, 480)), "JPEG", progressive=True),
        by_component(encoded(NOISE.resize((640, 480)), "JPEG")),
    ],
    ids=["progressive", "a scan for each component"],
)
def test_whole_pixels_of_a_jpeg_of_several_scans_are_claimed(jpeg: bytes) -> None:
    assert UndecodedImage(jpeg, ImageSize(48, 64), LIMITS).pixels == 640 * 480


def test_segments_of_a_jpeg_are_bounded() -> None:
    jpeg = encoded(NOISE, "JPEG")
    comment = segment(0xFE, b"")
    decode(after_start(jpeg, *[comment] * (MAX_SEGMENTS // 2)), SIZE, LIMITS)
    refusal(after_start(jpeg, *[comment] * MAX_SEGMENTS))
    progressive = encoded(NOISE, "JPEG", progressive=True)
    refusal(progressive[:-2] + comment * MAX_SEGMENTS + progressive[-2:])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_broken_jpeg_gives_pixels_or_a_refusal(data: st.DataObject) -> None:
    """libjpeg must never see another size than the header's reader did."""
    jpeg = bytearray(encoded(NOISE, "JPEG", progressive=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(jpeg), 700)))
        piece = st.binary(max_size=6) | st.sampled_from(
            [
                b"\xff",
                b"\xff\xc0",
                b"\xff\xc2\0\x11\x08\0\x10\0\x10\3",
                b"\xff\xd8",
                b"\xff\xda\0\0",
            ]
        )
        jpeg[at : at + data.draw(st.integers(0, 4))] = data.draw(piece)
    try:
        pixels, _ = decode(bytes(jpeg), SIZE, LIMITS)
    except InvalidCreativeError:
        return
    assert pixels.shape == (16, 32, 3)


# === Other formats ===


def png_chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def gif_comments(count: int) -> Callable[[bytes], bytes]:
    def add(gif: bytes) -> bytes:
        head = 13 + 3 * (2 << (gif[10] & 7))
        return gif[:head] + b"\x21\xfe" + b"\1x" * count + b"\0" + gif[head:]

    return add


def test_chunks_of_a_png_are_bounded() -> None:
    png = encoded(NOISE, "PNG")
    for place in (33, len(png) - 12):  # before and behind the pixels
        text = png_chunk(b"tEXt", b"a\0b") * image_file.MAX_PNG_OTHER_CHUNKS
        assert "chunks" in refusal(png[:place] + text + png[place:])


def test_blocks_before_the_first_frame_of_a_gif_are_bounded() -> None:
    gif = encoded(NOISE.convert("P"), "GIF")
    expected, _ = decode(gif, SIZE, LIMITS)
    received, _ = decode(gif_comments(1_000)(gif), SIZE, LIMITS)
    np.testing.assert_array_equal(received, expected)
    assert "blocks" in refusal(gif_comments(image_file.MAX_GIF_BLOCKS + 1)(gif))


def test_large_exif_data_is_not_read() -> None:
    entries = b"".join(struct.pack("<HHII", 0x0112, 3, 1, 6) for _ in range(6_000))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 6_000) + entries + bytes(4)
    picture = Image.new("RGB", (64, 48), "white")
    picture.paste("black", (0, 0, 64, 24))
    pixels, _ = decode(encoded(picture, "WEBP", exif=exif, lossless=True), SIZE, LIMITS)
    assert pixels[2].max() < 10  # black is above, as if it had none


@pytest.mark.parametrize(
    ("data", "takes_long"),
    [
        (encoded(Image.new("L", (300, 250)), "PNG"), False),
        (encoded(Image.new("L", (1_000, 1_001)), "PNG"), True),
        (encoded(Image.new("L", (1_000, 1_001)), "WEBP"), True),
        (encoded(Image.new("L", (1_000, 1_001)), "JPEG"), False),
        (encoded(Image.new("L", (2_000, 2_001)), "JPEG"), True),
        (encoded(Image.new("L", (500, 400)), "JPEG", progressive=True), True),
        (encoded(NOISE, "PNG") + bytes(1_000_000), True),
    ],
)
def test_what_takes_long_is_known_from_the_header(data: bytes, takes_long: bool) -> None:
    assert UndecodedImage(data, SIZE, LIMITS).takes_long is takes_long
