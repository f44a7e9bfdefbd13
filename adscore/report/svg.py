"""A small chart: two linear axes, marks, and words for those who do not see it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adscore.report.markup import Markup, element, join

# In units of the view box. At full page width one unit is about one pixel; a narrow screen
# shrinks them, so the letters of a chart are set for a chart of this width.
WIDTH, HEIGHT = 440, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 18, 12, 46
_LEAST_SPAN = 1e-7


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart.

    Attributes:
        low: Value at its start.
        high: Value at its end, above ``low``.
        ticks: Values and labels that are marked.
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
    return max(high - low, 0.05 * abs(high), _LEAST_SPAN)


def nice_step(rough: float) -> float:
    """The first of 1, 2, 2.5, 5 or 10 times a power of ten that is not below ``rough`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class Chart:
    """Where values fall between two axes."""

    x_axis: Axis
    y_axis: Axis

    def x(self, value: float) -> float:
        """Horizontal place of a value."""
        share = (value - self.x_axis.low) / (self.x_axis.high - self.x_axis.low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Vertical place of a value; 0 is the top."""
        share = (value - self.y_axis.low) / (self.y_axis.high - self.y_axis.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def line(self, points: Iterable[tuple[float, float]], class_: str) -> Markup:
        """A line through points."""
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return element("polyline", points=path, class_=class_)

    def area(self, points: Sequence[tuple[float, float]], base: float, class_: str) -> Markup:
        """The area between a line and a height."""
        ends = [(points[0][0], base), *points, (points[-1][0], base)]
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in ends)
        return element("polygon", points=path, class_=class_)

    def dot(self, x: float, y: float, class_: str, tip: str, *, radius: float = 4.5) -> Markup:
        """A point, with words that show when it is pointed at."""
        return element(
            "circle", element("title", tip), cx=self.x(x), cy=self.y(y), r=radius, class_=class_
        )

    def diamond(self, x: float, y: float, class_: str, tip: str, *, radius: float = 4.5) -> Markup:
        """A point of another shape, for eyes that do not tell the colours apart."""
        left, top = self.x(x), self.y(y)
        corners = ((-radius, 0), (0, -radius), (radius, 0), (0, radius))
        path = " ".join(f"{left + dx:.1f},{top + dy:.1f}" for dx, dy in corners)
        return element("polygon", element("title", tip), points=path, class_=class_)

    def bar(
        self, span: tuple[float, float], heights: tuple[float, float], class_: str, tip: str
    ) -> Markup:
        """A bar from one value to another on both axes."""
        left, right = self.x(span[0]), self.x(span[1])
        bottom, top = sorted((self.y(heights[0]), self.y(heights[1])), reverse=True)
        return element(
            "rect",
            element("title", tip),
            x=left,
            y=top,
            width=max(right - left, 0.5),
            height=max(bottom - top, 0.5),
            class_=class_,
        )

    def note(self, x: float, y: float, text: str, *, anchor: str = "start") -> Markup:
        """A few words beside a mark."""
        return element("text", text, x=self.x(x), y=self.y(y), text_anchor=anchor, class_="note")

    def render(self, summary: str, marks: Iterable[Markup]) -> Markup:
        """The chart as one SVG element.

        Args:
            summary: What it shows, in a sentence, for those who do not see it.
            marks: What this object drew, the first lowest.
        """
        return element(
            "svg",
            element("title", summary),
            join(*self._grid()),
            join(*marks),
            join(*self._labels()),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            class_="chart",
        )

    def _grid(self) -> Iterable[Markup]:
        right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
        for value, text in self.y_axis.ticks:
            y = self.y(value)
            yield element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid")
            yield element("text", text, x=_LEFT - 7, y=y + 4, text_anchor="end")
        for value, text in self.x_axis.ticks:
            x = self.x(value)
            yield element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis")
            yield element("text", text, x=x, y=bottom + 18, text_anchor="middle")

    def _labels(self) -> Iterable[Markup]:
        middle = (_TOP + HEIGHT - _BOTTOM) / 2
        bottom = HEIGHT - _BOTTOM
        yield element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=bottom, y2=bottom, class_="axis")
        yield element(
            "text",
            self.x_axis.label,
            x=(_LEFT + WIDTH - _RIGHT) / 2,
            y=HEIGHT - 8,
            text_anchor="middle",
            class_="label",
        )
        yield element(
            "text",
            self.y_axis.label,
            transform=f"translate(12 {middle:g}) rotate(-90)",
            text_anchor="middle",
            class_="label",
        )
