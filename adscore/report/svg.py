"""A small chart: two linear axes and marks, for the macro `chart` of the templates to draw."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# In units of the view box. Three charts stand side by side on a wide page, where one unit is about
# one pixel; a phone shrinks them to three quarters, and its style sheet enlarges the letters.
WIDTH, HEIGHT = 360, 260
_LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 68, 12, 14, 46, 16
_MIN_SPAN = 1e-7


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart.

    Attributes:
        low: Value at its start.
        high: Value at its end, above ``low``.
        ticks: Values and labels that are marked; a label below the chart may have two lines.
        label: What is measured, with its unit.
    """

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    label: str


def rate_axis(low: float, high: float, label: str, *, ticks: int = 5) -> Axis:
    """An axis of rates, in per cent, widened to whole steps and kept inside 0 to 1."""
    step = nice_step(_span(low, high) * 100 / ticks)
    first = max(0, math.floor(low * 100 / step + 1e-9))
    last = min(math.ceil(high * 100 / step - 1e-9), math.floor(100 / step + 1e-9))
    first = min(first, last - 1) if last > 0 else 0
    return _axis(range(first, max(last, first + 1) + 1), step, label, 100, "%")


def number_axis(low: float, high: float, label: str, *, unit: str = "", ticks: int = 5) -> Axis:
    """An axis of plain numbers, widened to whole steps."""
    step = nice_step(_span(low, high) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return _axis(range(first, max(last, first + 1) + 1), step, label, 1, unit)


def _axis(steps: range, step: float, label: str, scale: float, unit: str) -> Axis:
    decimals = next(d for d in range(12) if abs(round(step, d) - step) < step * 1e-6)
    ticks = [(n * step / scale, f"{n * step:,.{decimals}f}{unit}") for n in steps]
    return Axis(ticks[0][0], ticks[-1][0], ticks, label)


def _span(low: float, high: float) -> float:
    """What an axis covers: where values hardly differ, more than that, or the labels would grow."""
    return max(high - low, 0.05 * abs(high), _MIN_SPAN)


def nice_step(rough: float) -> float:
    """The first of 1, 2, 2.5, 5 or 10 times a power of ten that is not below ``rough`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class Mark:
    """One SVG element of a chart.

    Attributes:
        tag: Its name.
        kind: Its class, which gives it its colour.
        place: Its attributes of geometry.
        text: What a ``text`` element says.
    """

    tag: str
    kind: str
    place: dict[str, str | float]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """Where values lie between two axes, in units of the view box."""

    x_axis: Axis
    y_axis: Axis
    width: int = WIDTH

    left, top, height = _LEFT, _TOP, HEIGHT

    @property
    def right(self) -> float:
        """Where the area of the marks ends at the side."""
        return self.width - _RIGHT

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return HEIGHT - _BOTTOM - _LINE * any("\n" in label for _, label in self.x_axis.ticks)

    def x(self, value: float) -> float:
        """Horizontal place of a value."""
        share = (value - self.x_axis.low) / (self.x_axis.high - self.x_axis.low)
        return _LEFT + share * (self.right - _LEFT)

    def y(self, value: float) -> float:
        """Vertical place of a value; 0 is the top."""
        share = (value - self.y_axis.low) / (self.y_axis.high - self.y_axis.low)
        return self.bottom - share * (self.bottom - _TOP)

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> Mark:
        """A line through points."""
        return Mark("polyline", kind, {"points": self._path(points)})

    def area(self, points: Sequence[tuple[float, float]], base: float, kind: str) -> Mark:
        """The area between a line and a height."""
        ends = [(points[0][0], base), *points, (points[-1][0], base)]
        return Mark("polygon", kind, {"points": self._path(ends)})

    def dot(self, x: float, y: float, kind: str, *, radius: float = 4.5) -> Mark:
        """A point."""
        return Mark("circle", kind, {"cx": self.x(x), "cy": self.y(y), "r": radius})

    def diamond(self, x: float, y: float, kind: str, *, radius: float = 4.5) -> Mark:
        """A point of another shape, for eyes that do not tell the colours apart."""
        left, top = self.x(x), self.y(y)
        corners = ((-radius, 0), (0, -radius), (radius, 0), (0, radius))
        path = " ".join(f"{left + dx:.1f},{top + dy:.1f}" for dx, dy in corners)
        return Mark("polygon", kind, {"points": path})

    def bar(self, span: tuple[float, float], heights: tuple[float, float], kind: str) -> Mark:
        """A bar from one value to another on both axes."""
        left, right = self.x(span[0]), self.x(span[1])
        bottom, top = sorted((self.y(heights[0]), self.y(heights[1])), reverse=True)
        width, height = max(right - left, 0.5), max(bottom - top, 0.5)
        return Mark("rect", kind, {"x": left, "y": top, "width": width, "height": height})

    def note(
        self, x: float, y: float, text: str, *, rise: float = 0, anchor: str = "middle"
    ) -> Mark:
        """A few words, so many units above a mark."""
        place: dict[str, str | float] = {"x": self.x(x), "y": self.y(y) - rise}
        return Mark("text", "note", {**place, "text-anchor": anchor}, text)

    def _path(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart to draw.

    Attributes:
        plot: Its axes.
        summary: What it shows, in a sentence, for those who do not see it.
        marks: What is drawn, the first lowest.
        columns: Titles of its numbers.
        rows: Its numbers, for those who do not see it or want them exactly.
    """

    plot: Plot
    summary: str
    marks: Sequence[Mark]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
