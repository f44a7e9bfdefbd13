"""Smaller images: what is sent, and what is left as it is."""

import io
import struct

import pytest
from PIL import Image

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
