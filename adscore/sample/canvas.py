"""A surface with smooth edges: everything is drawn three times too large, then shrunk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adscore.sample.catalogue import Colour, Ground
from adscore.sample.layout import Box

Point = tuple[float, float]

_OVERSAMPLING = 3
_LINE_HEIGHT = 1.18
_MEASURING_SIZE = 100
"""Text is measured once at this size; widths of an outline font grow in proportion."""


def blend(start: Colour, end: Colour, share: float) -> Colour:
    """The colour a share of the way from start (0) to end (1)."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue


def readable_on(fill: Colour) -> Colour:
    """Near black or white, whichever reads better on the fill (ITU-R BT.601 luma)."""
    luma = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2]
    return (28, 28, 32) if luma > 150 else (255, 255, 255)


@dataclass
class FontBook:
    """Pillow's built-in font at the sizes used so far, and the widths of the lines measured.

    Both are kept because loading a font takes as long as a banner, and campaigns repeat their copy.
    """

    _fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = field(default_factory=dict)

    _widths: dict[str, float] = field(default_factory=dict)

    def font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """The font at a size in pixels."""
        if size not in self._fonts:
            self._fonts[size] = ImageFont.load_default(size=size)
        return self._fonts[size]

    def width(self, text: str) -> float:
        """Width of a line as a multiple of the font's size."""
        if text not in self._widths:
            self._widths[text] = self.font(_MEASURING_SIZE).getlength(text) / _MEASURING_SIZE
        return self._widths[text]

    def fit(self, text: str, box: Box, max_size: float) -> tuple[float, list[str]]:
        """The largest font size in pixels that fits, and the lines."""
        size = max_size
        while size > 1.0:
            lines = self._wrap(text, box.width / size)
            if lines and len(lines) * size * _LINE_HEIGHT <= box.height:
                return size, self._balance(lines, box.width / size)
            size *= 0.96
        return size, [text]

    def _balance(self, lines: list[str], width: float) -> list[str]:
        """As many lines, as narrow as they can be: no word is left alone on the last one."""
        while True:
            width *= 0.95
            narrower = self._wrap(" ".join(lines), width)
            if not narrower or len(narrower) > len(lines):
                return lines
            lines = narrower

    def _wrap(self, text: str, width: float) -> list[str]:
        """Greedy lines no wider than a multiple of the size; empty where a word is wider."""
        lines: list[str] = []
        for word in text.split():
            if self.width(word) > width:
                return []
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines


class Canvas:
    """A banner being drawn; every length is in pixels of the finished banner.

    Args:
        size: Width and height.
        ground: The background.
        fonts: Shared by all banners of a run.
    """

    def __init__(self, size: tuple[int, int], ground: Ground, fonts: FontBook) -> None:
        width, height = (side * _OVERSAMPLING for side in size)
        self._fonts = fonts
        self._image = _gradient(ground, height).resize((width, height), Image.Resampling.NEAREST)
        self._draw = ImageDraw.Draw(self._image)

    def finish(self) -> Image.Image:
        """The banner as RGB, at its own size."""
        return self._image.reduce(_OVERSAMPLING)

    def ellipse(self, box: Box, fill: Colour) -> None:
        """A filled ellipse."""
        self._draw.ellipse(self._scaled(box), fill=fill)

    def ring(
        self, box: Box, fill: Colour, width: float, start: float = 0, end: float = 360
    ) -> None:
        """An arc inside the box, clockwise from start to end, degrees from three o'clock."""
        self._draw.arc(self._scaled(box), start, end, fill=fill, width=self._length(width))

    def rounded(self, box: Box, radius: float, fill: Colour) -> None:
        """A filled rectangle with round corners."""
        self._draw.rounded_rectangle(self._scaled(box), radius * _OVERSAMPLING, fill=fill)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """A line through the points, with round ends."""
        scaled = [(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in points]
        self._draw.line(scaled, fill=fill, width=self._length(width), joint="curve")
        for x, y in (points[0], points[-1]):
            self.ellipse(Box(x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill)

    def text(
        self,
        text: str,
        box: Box,
        fill: Colour,
        *,
        max_size: float,
        centred: bool,
        weight: float = 0,
    ) -> None:
        """Text as large as fits the box, at most `max_size` pixels, in the middle of its height.

        Args:
            text: One line or several; it is wrapped at blanks.
            box: What it must stay inside.
            fill: Its colour.
            max_size: Greatest font size in pixels.
            centred: Whether lines are centred and not set to the left.
            weight: Extra stroke as a share of the size: the built-in font has no bold.
        """
        size, lines = self._fonts.fit(text, box, max_size)
        font = self._fonts.font(max(1, math.floor(size * _OVERSAMPLING)))
        x, middle = box.centre
        for number, line in enumerate(lines):
            y = middle + (number - (len(lines) - 1) / 2) * size * _LINE_HEIGHT
            self._draw.text(
                ((x if centred else box.left) * _OVERSAMPLING, y * _OVERSAMPLING),
                line,
                fill=fill,
                font=font,
                anchor="mm" if centred else "lm",
                stroke_width=round(weight * size * _OVERSAMPLING),
                stroke_fill=fill,
            )

    def _scaled(self, box: Box) -> tuple[float, float, float, float]:
        left, top = box.left * _OVERSAMPLING, box.top * _OVERSAMPLING
        # Pillow's far edges are inclusive.
        right, bottom = box.right * _OVERSAMPLING - 1, box.bottom * _OVERSAMPLING - 1
        return left, top, max(left, right), max(top, bottom)

    def _length(self, length: float) -> int:
        return max(1, round(length * _OVERSAMPLING))


def _gradient(ground: Ground, height: int) -> Image.Image:
    """A column one pixel wide, from the ground's top colour to its bottom colour."""
    share = np.linspace(0.0, 1.0, height)[:, np.newaxis, np.newaxis]
    column = np.asarray(ground.top) * (1 - share) + np.asarray(ground.bottom) * share
    return Image.fromarray(column.round().astype(np.uint8))
