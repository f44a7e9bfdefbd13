"""Banners that are right, and ways to spoil them."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from adscore.checks import CheckedCreative, check_creatives, find_placement
from adscore.creative import Creative

INK, GROUND = (20, 30, 60), (240, 244, 250)


def banner(
    size: tuple[int, int] = (300, 250),
    text: str = "Fresh coffee",
    *,
    place: tuple[float, float] = (0.5, 0.5),
    letters: float = 0.1,
    ink: tuple[int, int, int] = INK,
) -> Image.Image:
    """A plain banner with a line of text at a place of it, its font a share of its height."""
    image = Image.new("RGB", size, GROUND)
    pen = ImageDraw.Draw(image)
    width, height = size
    pen.ellipse((0.1 * width, 0.02 * height, 0.3 * width, 0.2 * height), (200, 80, 40))
    font = ImageFont.load_default(max(6, round(letters * min(size))))
    where = (place[0] * width, place[1] * height)
    pen.text(where, text, fill=ink, font=font, anchor="mm")
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def checked(placement: str, *creatives: Creative) -> list[CheckedCreative]:
    return list(check_creatives(creatives, find_placement(placement)).creatives)


def rules_of(one: CheckedCreative) -> set[str]:
    return {finding.rule for finding in one.findings}


@pytest.fixture
def find() -> Callable[..., set[str]]:
    """The rules that one creative breaks at a placement."""

    def rules(placement: str, headline: str = "", image: bytes = b"") -> set[str]:
        return rules_of(checked(placement, Creative(headline, image))[0])

    return rules
