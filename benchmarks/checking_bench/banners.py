"""Banners of the sample with the truth about their text: where it is, and in which colours."""

import io
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from adscore.checks.contrast import contrast_ratio
from adscore.sample import banner as banners
from adscore.sample.canvas import Canvas, FontBook
from adscore.sample.simulation import SimulatedCreative, SimulationSettings, simulate_log

_OVERSAMPLING = 3  # of the canvas


@dataclass(frozen=True, slots=True)
class TrueLine:
    """A line of text as it was drawn.

    Attributes:
        text: What it says.
        box: Around its letters, (left, top, right, bottom) in pixels of the banner.
        contrast: Of its colour against the mean colour of what it was drawn on.
    """

    text: str
    box: tuple[float, float, float, float]
    contrast: float


@dataclass(frozen=True, slots=True)
class Banner:
    """A banner, its truth, and the creative that it belongs to."""

    creative: SimulatedCreative
    image: Image.Image
    lines: tuple[TrueLine, ...]

    @property
    def coverage(self) -> float:
        """Share of it that boxes of letters cover together."""
        width, height = self.image.size
        covered = np.zeros((height, width), bool)
        for line in self.lines:
            left, top, right, bottom = (round(side) for side in line.box)
            covered[max(0, top) : bottom, max(0, left) : right] = True
        return float(covered.mean())

    def encoded(self, kind: str = "JPEG", **options: Any) -> bytes:
        """Its file."""
        return encoded(self.image, kind, **options)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """An image's file; a JPEG as the sample writes it."""
    file = io.BytesIO()
    usual = {"quality": 92, "subsampling": 0} if kind == "JPEG" else {}
    image.save(file, kind, **(usual | options))
    return file.getvalue()


def draw(count: int, seed: int) -> list[Banner]:
    """Draws some banners of a simulated log."""
    log = simulate_log(count, max(1, count // 10), seed, SimulationSettings())
    fonts, rng = FontBook(), np.random.default_rng(seed)
    drawn = []
    for creative in log:
        canvases: list[_RecordingCanvas] = []

        def record(*arguments: Any, kept: list[Any] = canvases) -> "_RecordingCanvas":
            kept.append(_RecordingCanvas(*arguments))
            return kept[-1]

        with mock.patch.object(banners, "Canvas", record):
            image = banners.draw_banner(creative.banner, fonts, rng)
        drawn.append(Banner(creative, image, tuple(canvases[0].lines)))
    return drawn


class _RecordingCanvas(Canvas):
    """Notes what is written on it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lines: list[TrueLine] = []
        self._draw = _RecordingPen(self._draw, self._image, self.lines)  # type: ignore[assignment]


class _RecordingPen:
    def __init__(self, pen: Any, image: Image.Image, lines: list[TrueLine]) -> None:
        self._pen, self._image, self._lines = pen, image, lines

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pen, name)

    def text(self, place: Any, text: str, *, fill: Any, font: Any, **options: Any) -> None:
        stroke = {name: options[name] for name in ("anchor", "stroke_width")}
        box = self._pen.textbbox(place, text, font=font, **stroke)
        ground = np.asarray(self._image.crop(tuple(map(round, box)))).reshape(-1, 3).mean(axis=0)
        contrast = contrast_ratio(np.array(fill, float), ground)
        shrunk = tuple(side / _OVERSAMPLING for side in box)
        self._lines.append(TrueLine(text, shrunk, contrast))  # type: ignore[arg-type]
        self._pen.text(place, text, fill=fill, font=font, **options)
