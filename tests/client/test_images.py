"""Every form in which a caller may have an image, and every way in which it may be bad."""

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from adscore_client import Creative, InvalidCreativeError
from adscore_client._creative import load_image

LIMIT = 1_000_000


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "bänner.png"
    Image.new("RGB", (3, 2), "red").save(path)
    return path


def decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    return image


def as_entry(path: Path) -> os.DirEntry[str]:
    with os.scandir(path.parent) as entries:
        return next(entry for entry in entries if entry.name == path.name)


@pytest.mark.parametrize("form", [str, Path, as_entry])
def test_path_is_read(form, path):
    assert load_image(form(path), LIMIT) == path.read_bytes()


@pytest.mark.parametrize(
    "form", [bytes, bytearray, memoryview, lambda data: memoryview(data + data)[: len(data)]]
)
def test_bytes_are_sent_as_they_are(form):
    assert load_image(form(b"any bytes"), LIMIT) == b"any bytes"


def test_file_object_is_read_from_where_it_stands_and_left_open(path):
    with path.open("rb") as file:
        file.seek(5)
        assert load_image(file, LIMIT) == path.read_bytes()[5:]
        assert not file.closed
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"image")
        file.seek(0)
        assert load_image(file, LIMIT) == b"image"


def test_raw_file_that_reads_little_at_a_time_is_read_to_its_end():
    class Dripping(io.BytesIO):
        def read(self, size):
            return super().read(min(size, 2))

    assert load_image(Dripping(b"image"), LIMIT) == b"image"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_pillow_image_is_sent_without_loss(mode):
    image = Image.new(mode, (3, 2), 1)
    sent = decode(load_image(image, LIMIT))
    assert (sent.mode, sent.size, sent.tobytes()) == (mode, (3, 2), image.tobytes())


@pytest.mark.parametrize("mode", ["I", "F", "La", "PA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_pillow_image_in_a_mode_that_png_lacks_is_converted(mode):
    assert decode(load_image(Image.new(mode, (3, 2)), LIMIT)).size == (3, 2)


def test_alpha_of_a_pillow_image_is_kept():
    image = Image.new("RGBA", (1, 1), (200, 100, 50, 128)).convert("RGBa")
    assert decode(load_image(image, LIMIT)).getpixel((0, 0))[3] == 128


def test_orientation_of_a_pillow_image_is_kept_and_its_other_exif_data_is_not(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    Image.new("RGB", (3, 2)).save(tmp_path / "photo.jpg", exif=exif)
    with Image.open(tmp_path / "photo.jpg") as photo:
        sent = decode(load_image(photo, LIMIT))
    assert dict(sent.getexif()) == {0x0112: 6}


def test_first_frame_of_an_animation_is_sent(tmp_path):
    frames = [Image.new("RGB", (2, 2), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "a.gif") as animation:
        sent = decode(load_image(animation, LIMIT))
    assert getattr(sent, "n_frames", 1) == 1
    assert sent.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_pillow_image_that_cannot_be_decoded_is_refused(path):
    whole = path.read_bytes()
    with (
        Image.open(io.BytesIO(whole[:45])) as truncated,
        pytest.raises(InvalidCreativeError, match="Pillow image") as caught,
    ):
        load_image(truncated, LIMIT)
    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_UNREADABLE")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("size", [(0, 0), (0, 5)])
def test_pillow_image_without_pixels_is_refused(size):
    with pytest.raises(InvalidCreativeError, match="Pillow image"):
        load_image(Image.new("RGB", size), LIMIT)


def test_unreadable_path_is_named_with_the_cause(tmp_path):
    missing = tmp_path / "missing.png"
    for image, cause in [
        (missing, "No such file"),
        (str(missing), "No such file"),
        (tmp_path, "Is a directory"),
        ("a\0b.png", "null"),
        ("x" * 5000, "too long"),
        ("https://example.com/banner.png", "download the image"),
        ("", "Pass None"),
    ]:
        with pytest.raises(InvalidCreativeError, match=cause) as caught:
            load_image(image, LIMIT)
        assert caught.value.reason == "IMAGE_FILE_UNREADABLE"
        assert caught.value.code is None
        assert image == "" or repr(os.fspath(image)) in str(caught.value)


def test_empty_image_is_not_taken_for_an_absent_one(tmp_path):
    empty = tmp_path / "empty.png"
    empty.touch()
    for image, what in [
        (empty, repr(str(empty))),
        (b"", "<bytes of 0 bytes>"),
        (memoryview(b""), "<memoryview of 0 bytes>"),
        (io.BytesIO(), "BytesIO"),
    ]:
        with pytest.raises(InvalidCreativeError, match=re.escape(what)) as caught:
            load_image(image, LIMIT)
        assert caught.value.reason == "IMAGE_EMPTY"


def test_large_image_is_refused_without_being_read_whole(tmp_path):
    sparse = tmp_path / "huge.png"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    with sparse.open("rb") as file:
        for image in (sparse, file, bytes(11)):
            with pytest.raises(InvalidCreativeError, match="at most 10 bytes") as caught:
                load_image(image, 10)
            assert caught.value.reason == "CREATIVE_TOO_LARGE"
    assert load_image(bytes(10), 10) == bytes(10)


def test_closed_file_object_is_refused(path):
    with path.open("rb") as file:
        pass
    with pytest.raises(InvalidCreativeError, match=re.escape(str(path))):
        load_image(file, LIMIT)


def test_file_opened_as_text_is_a_wrong_type(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("text")
    with path.open() as file, pytest.raises(TypeError, match="Open it with mode 'rb'"):
        load_image(file, LIMIT)


@pytest.mark.parametrize("image", [7, 1.5, [1, 2], object(), float("nan"), {"bytes": b""}])
def test_other_types_are_refused_with_what_is_accepted(image):
    with pytest.raises(TypeError, match="expected a path, bytes, a file object"):
        load_image(image, LIMIT)


def test_array_of_pixels_is_not_taken_for_encoded_bytes():
    array = pytest.importorskip("numpy").zeros((2, 2, 3), "uint8")
    with pytest.raises(TypeError, match=r"numpy\.ndarray.*fromarray"):
        load_image(array, LIMIT)


def test_creative_shows_what_its_image_is_and_not_its_bytes(path):
    assert repr(Creative("h", bytes(2_000_000))) == (
        "Creative(headline='h', image=<bytes of 2,000,000 bytes>)"
    )
    assert repr(Creative(None, path, id="a")) == (
        f"Creative(headline=None, image={str(path)!r}, id='a')"
    )
    with path.open("rb") as file:
        assert str(path) in repr(Creative("h", file, context={"a": "b"}))


def test_pillow_is_not_loaded_for_callers_without_it(path):
    code = (
        "import sys; from adscore_client._creative import load_image;"
        f"load_image({str(path)!r}, 10**6); load_image(open({str(path)!r}, 'rb'), 10**6);"
        "print('PIL' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "False"
