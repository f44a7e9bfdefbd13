"""Banners as small pictures."""

import base64
import io

import pytest
from PIL import Image

from adscore.creative import InputLimits
from adscore.report.thumbnails import THUMBNAIL_SIDE, thumbnail_uri


def encoded(size, image_format, **options):
    file = io.BytesIO()
    Image.new("RGB", size, "navy").save(file, image_format, **options)
    return file.getvalue()


def decoded(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_thumbnails_keep_the_ratio():
    uri = thumbnail_uri(encoded((800, 200), "PNG"), InputLimits())
    assert decoded(uri).size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE // 4)
    assert decoded(thumbnail_uri(encoded((20, 10), "PNG"), InputLimits())).size == (20, 10)


def test_thumbnails_stand_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    uri = thumbnail_uri(encoded((80, 40), "JPEG", exif=exif), InputLimits())
    assert decoded(uri).size == (40, 80)


@pytest.mark.parametrize("data", [b"", b"no image", encoded((9, 9), "PNG")[:40]])
def test_picture_that_cannot_be_opened_has_no_thumbnail(data):
    assert thumbnail_uri(data, InputLimits()) is None
