"""The products, drawn from simple shapes in a unit square (x to the right, y down)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adscore.sample.canvas import Canvas, Point, blend
from adscore.sample.catalogue import Colour
from adscore.sample.layout import Box

_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (20, 20, 28)
_LEAF: Colour = (62, 142, 92)


@dataclass(frozen=True)
class Tones:
    """A product's colours, all derived from its main one."""

    main: Colour
    dark: Colour
    light: Colour
    pale: Colour

    @classmethod
    def of(cls, main: Colour) -> "Tones":
        """Shades of one colour."""
        return cls(
            main=main,
            dark=blend(main, _BLACK, 0.45),
            light=blend(main, _WHITE, 0.35),
            pale=blend(main, _WHITE, 0.78),
        )


class Pen:
    """Draws on a square of the canvas with coordinates from 0 to 1."""

    def __init__(self, canvas: Canvas, square: Box) -> None:
        self._canvas = canvas
        self._square = square

    def ellipse(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """A filled ellipse."""
        self._canvas.ellipse(self._box(left, top, right, bottom), fill)

    def block(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, radius: float = 0
    ) -> None:
        """A filled rectangle with round corners."""
        box = self._box(left, top, right, bottom)
        self._canvas.rounded(box, radius * self._square.width, fill)

    def arc(
        self, box: tuple[float, float, float, float], fill: Colour, width: float,
        start: float = 0, end: float = 360,
    ) -> None:  # fmt: skip
        """A ring or a part of one, degrees clockwise from three o'clock."""
        self._canvas.ring(self._box(*box), fill, width * self._square.width, start, end)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._canvas.polygon([self._point(point) for point in points], fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """A line with round ends."""
        points = [self._point(point) for point in points]
        self._canvas.line(points, fill, width * self._square.width)

    def _point(self, point: Point) -> Point:
        side = self._square.width
        return self._square.left + point[0] * side, self._square.top + point[1] * side

    def _box(self, left: float, top: float, right: float, bottom: float) -> Box:
        return Box(*self._point((left, top)), *self._point((right, bottom)))


def draw_product(shape: str, canvas: Canvas, square: Box, main: Colour) -> None:
    """Draw the product named `shape` (a key of `SHAPES`) into a square of the canvas."""
    SHAPES[shape](Pen(canvas, square), Tones.of(main))


def _mug(pen: Pen, tones: Tones) -> None:
    pen.arc((0.56, 0.40, 0.92, 0.76), tones.dark, 0.075)
    pen.block(0.14, 0.32, 0.70, 0.92, tones.main, radius=0.11)
    pen.block(0.14, 0.32, 0.70, 0.55, tones.main)
    pen.block(0.21, 0.46, 0.27, 0.80, tones.light, radius=0.03)
    pen.ellipse(0.14, 0.25, 0.70, 0.40, tones.pale)
    pen.ellipse(0.18, 0.275, 0.66, 0.385, (84, 52, 36))
    for x in (0.34, 0.50):
        pen.line(_wave(x, 0.20, 0.04), tones.pale, 0.03)


def _bottle(pen: Pen, tones: Tones) -> None:
    pen.block(0.42, 0.04, 0.58, 0.16, tones.dark, radius=0.03)
    pen.block(0.44, 0.14, 0.56, 0.30, tones.light)
    pen.block(0.31, 0.23, 0.69, 0.96, tones.main, radius=0.13)
    pen.block(0.31, 0.50, 0.69, 0.74, tones.pale)
    pen.ellipse(0.44, 0.56, 0.56, 0.68, tones.dark)
    pen.block(0.37, 0.32, 0.41, 0.47, tones.light, radius=0.02)


def _headphones(pen: Pen, tones: Tones) -> None:
    pen.arc((0.12, 0.10, 0.88, 0.96), tones.main, 0.095, start=180, end=360)
    pen.arc((0.19, 0.17, 0.81, 0.89), tones.light, 0.03, start=190, end=350)
    for left, right, pad in ((0.05, 0.25, 0.21), (0.75, 0.95, 0.71)):
        pen.block(pad, 0.54, pad + 0.08, 0.86, tones.pale, radius=0.04)
        pen.block(left, 0.48, right, 0.92, tones.dark, radius=0.09)
        pen.block(left + 0.05, 0.56, right - 0.05, 0.84, tones.main, radius=0.05)


def _watch(pen: Pen, tones: Tones) -> None:
    pen.polygon([(0.38, 0.02), (0.62, 0.02), (0.68, 0.35), (0.32, 0.35)], tones.dark)
    pen.polygon([(0.32, 0.65), (0.68, 0.65), (0.62, 0.98), (0.38, 0.98)], tones.dark)
    pen.block(0.78, 0.46, 0.86, 0.54, tones.dark, radius=0.02)
    pen.ellipse(0.19, 0.19, 0.81, 0.81, tones.main)
    pen.ellipse(0.25, 0.25, 0.75, 0.75, tones.pale)
    for hour in range(12):
        angle = math.radians(30 * hour)
        x, y = 0.5 + 0.20 * math.cos(angle), 0.5 + 0.20 * math.sin(angle)
        pen.ellipse(x - 0.013, y - 0.013, x + 0.013, y + 0.013, tones.dark)
    pen.line([(0.5, 0.34), (0.5, 0.5), (0.6, 0.56)], _BLACK, 0.03)


def _backpack(pen: Pen, tones: Tones) -> None:
    pen.arc((0.38, 0.03, 0.62, 0.27), tones.dark, 0.05, start=180, end=360)
    pen.block(0.10, 0.50, 0.30, 0.88, tones.dark, radius=0.07)
    pen.block(0.70, 0.50, 0.90, 0.88, tones.dark, radius=0.07)
    pen.block(0.18, 0.13, 0.82, 0.96, tones.main, radius=0.20)
    pen.line([(0.28, 0.38), (0.72, 0.38)], tones.dark, 0.025)
    pen.block(0.28, 0.54, 0.72, 0.88, tones.light, radius=0.07)
    pen.line([(0.34, 0.62), (0.66, 0.62)], tones.dark, 0.025)
    pen.block(0.43, 0.22, 0.57, 0.30, tones.pale, radius=0.03)


def _sneaker(pen: Pen, tones: Tones) -> None:
    corners = [
        (0.07, 0.74), (0.06, 0.50), (0.10, 0.28), (0.20, 0.34), (0.32, 0.32), (0.42, 0.25),
        (0.55, 0.42), (0.74, 0.53), (0.92, 0.60), (0.96, 0.74),
    ]  # fmt: skip
    pen.polygon(_smooth(corners), tones.main)
    pen.polygon(_smooth([(0.07, 0.74), (0.065, 0.54), (0.16, 0.52), (0.24, 0.74)]), tones.dark)
    pen.polygon(_smooth([(0.78, 0.74), (0.80, 0.60), (0.92, 0.61), (0.97, 0.74)]), tones.dark)
    pen.block(0.04, 0.70, 0.98, 0.82, tones.pale, radius=0.06)
    pen.block(0.04, 0.78, 0.98, 0.82, tones.dark, radius=0.02)
    for x, y in ((0.43, 0.36), (0.50, 0.43), (0.58, 0.49)):
        pen.line([(x - 0.07, y + 0.07), (x + 0.02, y)], tones.pale, 0.03)


def _lamp(pen: Pen, tones: Tones) -> None:
    pen.block(0.475, 0.50, 0.525, 0.90, tones.dark)
    pen.block(0.30, 0.87, 0.70, 0.95, tones.dark, radius=0.04)
    pen.ellipse(0.40, 0.44, 0.60, 0.64, (255, 238, 170))
    pen.polygon([(0.33, 0.08), (0.67, 0.08), (0.86, 0.54), (0.14, 0.54)], tones.main)
    pen.polygon([(0.41, 0.08), (0.50, 0.08), (0.44, 0.54), (0.28, 0.54)], tones.light)
    pen.block(0.14, 0.51, 0.86, 0.55, tones.pale, radius=0.02)


def _plant(pen: Pen, tones: Tones) -> None:
    leaves = ((-64, 0.50), (64, 0.50), (-34, 0.60), (34, 0.60), (0, 0.62))
    for number, (degrees, length) in enumerate(leaves):
        fill = blend(_LEAF, _WHITE if number % 2 else _BLACK, 0.14)
        pen.polygon(_leaf(degrees, length), fill)
    pen.polygon([(0.30, 0.66), (0.70, 0.66), (0.64, 0.96), (0.36, 0.96)], tones.main)
    pen.polygon([(0.36, 0.66), (0.43, 0.66), (0.45, 0.96), (0.40, 0.96)], tones.light)
    pen.block(0.26, 0.60, 0.74, 0.69, tones.dark, radius=0.03)


def _leaf(degrees: float, length: float) -> list[Point]:
    """A pointed leaf that grows from the pot, leaning `degrees` from upright."""
    angle = math.radians(degrees - 90)
    along = (math.cos(angle), math.sin(angle))
    points = []
    for side in (1, -1):
        for step in range(13)[::side]:
            share = step / 12
            width = side * 0.11 * math.sin(math.pi * share**0.8)
            x = 0.5 + length * share * along[0] - width * along[1]
            points.append((x, 0.64 + length * share * along[1] + width * along[0]))
    return points


def _wave(x: float, bottom: float, amplitude: float) -> list[Point]:
    heights = [bottom * (1 - step / 10) + 0.02 for step in range(11)]
    return [(x + amplitude * math.sin(step * 0.63), y) for step, y in enumerate(heights)]


def _smooth(corners: Sequence[Point], steps: int = 8) -> list[Point]:
    """A closed Catmull-Rom curve through the corners."""
    count = len(corners)
    curve = []
    for index in range(count):
        before, start, end, after = (corners[(index + shift) % count] for shift in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            weights = (
                (-t + 2 * t**2 - t**3) / 2,
                (2 - 5 * t**2 + 3 * t**3) / 2,
                (t + 4 * t**2 - 3 * t**3) / 2,
                (-(t**2) + t**3) / 2,
            )
            points = (before, start, end, after)
            x = sum(w * p[0] for w, p in zip(weights, points, strict=True))
            y = sum(w * p[1] for w, p in zip(weights, points, strict=True))
            curve.append((x, y))
    return curve


SHAPES: dict[str, Callable[[Pen, Tones], None]] = {
    "mug": _mug,
    "bottle": _bottle,
    "headphones": _headphones,
    "watch": _watch,
    "backpack": _backpack,
    "sneaker": _sneaker,
    "lamp": _lamp,
    "plant": _plant,
}
