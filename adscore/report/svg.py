"""Small charts: two linear axes and marks, drawn by the templates' macro `chart`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# In units of the view box. Three charts fit side by side on a wide page, where a unit is about a
# pixel; on a phone they shrink to three quarters, and the style sheet enlarges the text.
WIDTH, HEIGHT = 360, 260
_LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 68, 12, 14, 46, 16
_MIN_SPAN = 1e-7


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart.

    Attributes:
        low: Value at its start.
        high: Value at its end, above ``low``.
        ticks: Values and labels of the ticks; a label below the chart may have two lines.
        label: What the axis shows, with its unit.
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
    """Length of an axis: at least 5 % of the value, since labels of smaller steps get long."""
    return max(high - low, 0.05 * abs(high), _MIN_SPAN)


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 or 10 times a power of ten that is at least ``rough`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class Mark:
    """One SVG element of a chart.

    Attributes:
        tag: Name of the element.
        kind: Its class, which sets the colour.
        place: Its geometry attributes.
        text: Content of a ``text`` element.
    """

    tag: str
    kind: str
    place: dict[str, str | float]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """Maps values on two axes to positions, in units of the view box."""

    x_axis: Axis
    y_axis: Axis
    width: int = WIDTH

    left, top, height = _LEFT, _TOP, HEIGHT

    @property
    def right(self) -> float:
        """Right edge of the plotting area."""
        return self.width - _RIGHT

    @property
    def bottom(self) -> float:
        """Bottom edge of the plotting area."""
        return HEIGHT - _BOTTOM - _LINE * any("\n" in label for _, label in self.x_axis.ticks)

    def x(self, value: float) -> float:
        """Horizontal position of a value."""
        share = (value - self.x_axis.low) / (self.x_axis.high - self.x_axis.low)
        return _LEFT + share * (self.right - _LEFT)

    def y(self, value: float) -> float:
        """Vertical position of a value; 0 is the top."""
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
        """A dot."""
        return Mark("circle", kind, {"cx": self.x(x), "cy": self.y(y), "r": radius})

    def diamond(self, x: float, y: float, kind: str, *, radius: float = 4.5) -> Mark:
        """A diamond, which colour-blind readers can tell from a dot."""
        left, top = self.x(x), self.y(y)
        corners = ((-radius, 0), (0, -radius), (radius, 0), (0, radius))
        path = " ".join(f"{left + dx:.1f},{top + dy:.1f}" for dx, dy in corners)
        return Mark("polygon", kind, {"points": path})

    def bar(self, span: tuple[float, float], heights: tuple[float, float], kind: str) -> Mark:
        """A bar between two values on each axis."""
        left, right = self.x(span[0]), self.x(span[1])
        bottom, top = sorted((self.y(heights[0]), self.y(heights[1])), reverse=True)
        width, height = max(right - left, 0.5), max(bottom - top, 0.5)
        return Mark("rect", kind, {"x": left, "y": top, "width": width, "height": height})

    def note(
        self, x: float, y: float, text: str, *, rise: float = 0, anchor: str = "middle"
    ) -> Mark:
        """A few words, `rise` units above a point."""
        place: dict[str, str | float] = {"x": self.x(x), "y": self.y(y) - rise}
        return Mark("text", "note", {**place, "text-anchor": anchor}, text)

    def _path(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart to draw.

    Attributes:
        plot: Its axes.
        summary: What the chart shows, in a sentence, for screen-reader users.
        marks: Elements to draw, the lowest first.
        columns: Column titles of the data table.
        rows: The data table, for screen-reader users and exact values.
    """

    plot: Plot
    summary: str
    marks: Sequence[Mark]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
