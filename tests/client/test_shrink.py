"""Smaller images: what is sent, and what is left as it is."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from adscore_client import Client
from adscore_client._image_reader import shrink
from adscore_client.testing import FAKE_MODEL, FakeServer

LIMITS = FAKE_MODEL.limits  # it reads 64 x 64
ORIENTATION = 0x0112  # of EXIF
# EXIF data of one entry, the orientation: a text of 4 bytes, where a number belongs.
TEXT_FOR_ORIENTATION = (
    b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI4s", ORIENTATION, 2, 4, b"abc\0") + bytes(4)
)


def encoded(size, mode="RGB", kind="PNG", **options) -> bytes:
    image = Image.effect_noise(size, 60).convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_large_image_is_sent_at_twice_the_size_that_is_read(kind):
    data = encoded((970, 250), kind=kind)
    smaller = opened(shrink(data, LIMITS))
    assert (smaller.size, smaller.format) == ((128, 128), "JPEG")
    assert opened(shrink(encoded((100, 900)), LIMITS)).size == (100, 128)


def test_transparency_is_kept():
    smaller = opened(shrink(encoded((800, 800), "RGBA"), LIMITS))
    assert (smaller.mode, smaller.format) == ("RGBA", "PNG")


def test_turned_photo_is_sent_upright():
    image = Image.new("RGB", (600, 300), "white")
    image.paste("black", (0, 0, 300, 300))  # the left half
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter, so that left becomes up
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, quality=100)
    smaller = opened(shrink(file.getvalue(), LIMITS)).convert("L")
    assert smaller.getpixel((64, 20)) < 50
    assert smaller.getpixel((64, 108)) > 200


@pytest.mark.parametrize(
    "data",
    [
        b"no image",
        encoded((500, 500), kind="BMP"),  # of a format that the model does not take
        encoded((500, 500))[:2000],
        encoded((60, 60)),
        encoded((500, 500), "I;16"),
        encoded((500, 500), kind="JPEG", exif=TEXT_FOR_ORIENTATION),
    ],
)
def test_what_is_small_or_will_be_refused_is_left_as_it_is(data):
    assert shrink(data, LIMITS) == data


def test_client_asks_once_for_the_size_and_sends_less(tmp_path):
    path = tmp_path / "banner.png"
    path.write_bytes(encoded((600, 600)))
    with FakeServer() as server, Client(server.address, shrink_images=True) as client:
        client.score("a", path)
        list(client.score_many([("a", path), ("b", opened(path.read_bytes()))]))
        client.score_combinations(["a"], [path])
        client.match(["a"], [path])
    assert [call.method for call in server.calls].count("GetModel") == 1
    assert all(opened(creative.image).size == (128, 128) for creative in server.creatives)
    assert len(server.creatives) == 4


def test_client_asks_for_the_size_again_as_the_model_may_be_another_by_then(monkeypatch):
    monkeypatch.setattr("adscore_client._core.LIMITS_KNOWN_SECONDS", 0.0)
    with FakeServer() as server, Client(server.address, shrink_images=True) as client:
        client.score("a", encoded((600, 600)))
        client.score("a", encoded((600, 600)))
    methods = [call.method for call in server.calls]
    assert methods == ["GetModel", "Score", "GetModel", "Score"]


def test_client_sends_what_it_has_unless_told_otherwise(tmp_path):
    data = encoded((600, 600))
    with FakeServer() as server, Client(server.address) as client:
        client.score("a", data)
    assert server.creatives[0].image == data


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("P", "PNG"), ("CMYK", "JPEG")])
def test_colours_stay_what_they_are(mode, kind):
    noise = Image.effect_noise((500, 300), 2).convert("RGB")
    image = Image.blend(noise, Image.new("RGB", (500, 300), (200, 40, 90)), 0.9).convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    smaller = opened(shrink(file.getvalue(), LIMITS))
    assert smaller.size == (128, 128)
    wanted = opened(file.getvalue()).convert("RGB").resize((1, 1)).getpixel((0, 0))
    average = smaller.convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert all(abs(a - b) <= 4 for a, b in zip(average, wanted, strict=True))


def profile_of(space: str) -> bytes:
    """The beginning of an ICC profile, which is all that its colour space takes."""
    return bytes(16) + space.ljust(4).encode() + bytes(2000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_profile_of_the_colours_is_kept(kind):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("RGB",) if kind == "JPEG" else ("RGB", "RGBA"):
        smaller = opened(shrink(encoded((600, 600), mode, kind, icc_profile=profile), LIMITS))
        assert smaller.size == (128, 128)
        assert smaller.info["icc_profile"] == profile


@pytest.mark.parametrize(("mode", "space"), [("L", "GRAY"), ("CMYK", "CMYK"), ("RGB", "Lab")])
def test_image_whose_profile_is_for_other_pixels_is_left_as_it_is(mode, space):
    data = encoded((600, 600), mode, "JPEG", icc_profile=profile_of(space))
    assert shrink(data, LIMITS) == data


def test_transparent_colour_of_16_bits_is_left_to_the_server():
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    pixel = b"\x10\x01\x20\x02\x30\x03"
    header = struct.pack(">IIBBBBB", 300, 300, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + pixel * 300) * 300)
    parts = ((b"IHDR", header), (b"tRNS", pixel), (b"IDAT", rows), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts) + bytes(9000)
    assert shrink(data, LIMITS) == data


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_is_sent_whole_where_its_first_frame_may_be_blank(kind):
    noise = Image.effect_noise((400, 400), 90).convert("RGB")
    blank = Image.new("RGB", (400, 400), "white")
    options = {"save_all": True, "duration": 100}
    begins_blank = io.BytesIO()
    blank.save(begins_blank, kind, append_images=[noise], **options)
    assert opened(begins_blank.getvalue()).is_animated
    assert shrink(begins_blank.getvalue(), LIMITS) == begins_blank.getvalue()
    begins_full = io.BytesIO()
    picture = Image.new("RGB", (400, 400), "white")
    picture.paste("black", (0, 0, 200, 400))
    picture.save(begins_full, kind, append_images=[noise, blank], **options)
    smaller = opened(shrink(begins_full.getvalue(), LIMITS)).convert("L")
    assert smaller.size == (128, 128)
    assert smaller.getpixel((20, 64)) < 50
    assert smaller.getpixel((108, 64)) > 200
