"""Colours by a file's profile become those that a screen shows."""

import io
import itertools
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from adscore.creative import InputLimits
from adscore.scoring import colour_profile
from adscore.scoring.colour_profile import MAX_TRANSFORMS, to_srgb
from adscore.scoring.image import ImageSize, decode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))


def swapped(profile: bytes = SRGB) -> bytes:
    """sRGB with red and blue exchanged, so that nobody takes one for the other."""
    return profile.replace(b"rXYZ", b"!XYZ").replace(b"bXYZ", b"rXYZ").replace(b"!XYZ", b"bXYZ")


def with_tags(space: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of version 2 with some tags."""
    offset, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    d50 = struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    head = struct.pack(
        ">I4sI4s4s4s12s4s", offset + len(body), b"", 0x2100000, kind, space, b"XYZ ", b"", b"acsp"
    )
    if space == b"CMYK":
        head = head[:20] + b"Lab " + head[24:]
    return head.ljust(68, b"\0") + d50 + bytes(128 - 80) + table + body


def grey(gamma: float) -> bytes:
    """A profile of grey values."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, int(gamma * 256))
    return with_tags(b"GRAY", b"mntr", {b"wtpt": white, b"kTRC": curve})


def press() -> bytes:
    """A profile of a printing press that prints magenta for cyan, and the other way round."""
    corners = bytearray()
    lab = ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(SRGB)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")),
        "RGB",
        "LAB",
    )
    for cyan, magenta, yellow, black in itertools.product((0, 1), repeat=4):
        light = [255 * (1 - ink) * (1 - black) for ink in (magenta, cyan, yellow)]
        lightness, *opposites = lab.apply(Image.new("RGB", (1, 1), tuple(light))).tobytes()
        corners += bytes([lightness, *((value + 128) % 256 for value in opposites)])
    identity = struct.pack(">9i", *(0x10000 * (number % 4 == 0) for number in range(9)))
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(corners) + ramp * 3
    return with_tags(b"CMYK", b"prtr", {b"A2B0": table})


def pixels_of(image: Image.Image, file_format: str, **options: Any) -> NDArray[np.int16]:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    pixels, _ = decode(file.getvalue(), ImageSize(24, 32), InputLimits())
    return pixels.astype(np.int16)


# === Files with a profile ===


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "JPEG", "AVIF"])
def test_a_file_looks_as_its_profile_says(file_format: str) -> None:
    if file_format == "AVIF":
        pytest.importorskip("PIL.AvifImagePlugin")
    options: dict[str, Any] = {} if file_format == "PNG" else {"quality": 100}
    if file_format in ("JPEG", "AVIF"):
        options["subsampling"] = "4:4:4"
    if file_format == "WEBP":
        options["lossless"] = True
    received = pixels_of(COLOURS, file_format, icc_profile=swapped(), **options)
    expected = np.asarray(COLOURS, np.int16)[..., ::-1]
    assert np.abs(received - expected).mean() < (3 if file_format in ("JPEG", "AVIF") else 1)


def test_a_profile_leaves_transparency_alone() -> None:
    colours = COLOURS.copy()
    colours.putalpha(Image.linear_gradient("L").resize(colours.size))
    received = pixels_of(colours, "PNG", icc_profile=swapped())
    red, green, blue, alpha = colours.split()
    expected = pixels_of(Image.merge("RGBA", (blue, green, red, alpha)), "PNG")
    assert np.abs(received - expected).max() <= 2


def test_a_palette_is_converted_too() -> None:
    colours = COLOURS.quantize(64)
    received = pixels_of(colours, "PNG", icc_profile=swapped())
    expected = pixels_of(colours, "PNG")[..., ::-1]
    assert np.abs(received - expected).max() <= 2


def test_grey_values_follow_a_profile_of_grey() -> None:
    ramp = Image.linear_gradient("L").resize((32, 24))
    plain, darker = pixels_of(ramp, "PNG"), pixels_of(ramp, "PNG", icc_profile=grey(3.0))
    assert darker.mean() < plain.mean() - 10
    np.testing.assert_array_equal(darker[..., 0], darker[..., 2])


def test_inks_follow_a_profile_of_a_press() -> None:
    inks = Image.new("CMYK", (32, 24), (255, 0, 0, 0))  # cyan
    received = pixels_of(inks, "JPEG", icc_profile=press(), quality=95)
    assert np.abs(received - (255, 0, 255)).max() < 30  # which that press prints as magenta


@pytest.mark.parametrize(
    "profile",
    [SRGB, grey(3.0), press(), b"\xff" * 3_000, swapped()[:200], b"x", bytes(200_000)],
    ids=["sRGB", "of grey", "of a press", "noise", "cut short", "a byte", "zeros"],
)
def test_a_profile_that_does_not_fit_or_changes_nothing_is_ignored(profile: bytes) -> None:
    received = pixels_of(COLOURS, "PNG", icc_profile=profile)
    np.testing.assert_array_equal(received, np.asarray(COLOURS))


def test_version_1_ignores_profiles() -> None:
    file = io.BytesIO()
    COLOURS.save(file, "PNG", icc_profile=swapped())
    pixels, _ = decode(file.getvalue(), ImageSize(24, 32, version=1), InputLimits())
    np.testing.assert_array_equal(pixels, np.asarray(COLOURS))


# === Transforms ===


def test_transforms_are_kept_for_files_of_the_same_source(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    make = colour_profile._transform
    monkeypatch.setattr(colour_profile, "_transforms", colour_profile._Transforms())
    monkeypatch.setattr(
        colour_profile, "_transform", lambda profile: made.append(profile) or make(profile)
    )
    profiles = [swapped() + bytes(number) for number in range(MAX_TRANSFORMS + 1)]
    for profile in [*profiles[:3], *profiles[:3]]:
        to_srgb(COLOURS, profile)
    assert made == profiles[:3]
    for profile in profiles:  # the last evicts the first
        to_srgb(COLOURS, profile)
    to_srgb(COLOURS, profiles[0])
    assert made == [*profiles, profiles[0]]


def test_many_threads_may_convert_at_once() -> None:
    expected = to_srgb(COLOURS, swapped()).tobytes()
    with ThreadPoolExecutor(8) as threads:
        received = list(threads.map(lambda _: to_srgb(COLOURS, swapped()).tobytes(), range(200)))
    assert set(received) == {expected}


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_profile_gives_an_image(data: st.DataObject) -> None:
    profile = bytearray(data.draw(st.sampled_from([SRGB, grey(2.2), press()])))
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(profile)))
        profile[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    mode = data.draw(st.sampled_from(["L", "LA", "RGB", "RGBA", "CMYK"]))
    converted = to_srgb(COLOURS.convert("RGB").convert(mode), bytes(profile))
    assert converted.size == COLOURS.size
    assert converted.mode in (mode, "RGB", "RGBA")
