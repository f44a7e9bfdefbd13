"""The creatives at both ends of the ranking, and those that came out otherwise than expected."""

from dataclasses import dataclass

import numpy as np

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.evaluation.outcomes import Ints
from adscore.report.markup import Markup, element, join
from adscore.report.rows import TargetRows
from adscore.report.thumbnail import thumbnail_uri
from adscore.report.words import percent, successes_word, trials_word
from adscore.table import CreativeTable

_SHOWN = 6  # creatives a strip
_BAR_WIDTH, _BAR_HEIGHT = 160, 18
_KEY = "Below each: its 90% interval, the prediction (line) and the result (dot)."
_LONGEST_HEADLINE = 160  # characters; more would push the figures out of sight


@dataclass(frozen=True, slots=True)
class Gallery:
    """Draws the creatives of one target.

    Attributes:
        table: Where headlines and images come from.
        rows: Predictions and counts.
        limits: Largest image that is opened.
    """

    table: CreativeTable
    rows: TargetRows
    limits: InputLimits

    def render(self) -> Markup:
        """Best, worst and most surprising creatives, a strip each."""
        order = np.argsort(-self.rows.mean, kind="stable")
        few = max(1, min(_SHOWN, len(order) // 2))
        surprise = np.argsort(-self.rows.surprise, kind="stable")
        counted = surprise[self.rows.trials[surprise] > 0]
        key = f" {_KEY}" if (self.rows.trials > 1).any() else ""
        strips = [
            self._strip(
                "Highest predictions", f"What the model expects most of.{key}", order[:few]
            ),
            self._strip("Lowest predictions", "What it expects least of.", order[-few:][::-1]),
            self._strip(
                "Largest misses",
                "Results that surprised the model most, given how often each was shown.",
                counted[:few],
            ),
        ]
        return join(*strips)

    def _strip(self, title: str, lead: str, places: Ints) -> Markup | None:
        if not places.size:
            return None
        cards = [self._card(place) for place in places.tolist()]
        return element(
            "section",
            element("h3", title),
            element("p", lead, class_="lead"),
            element("div", *cards, class_="strip"),
        )

    def _card(self, place: int) -> Markup:
        rows = self.rows
        predicted = element("strong", percent(float(rows.mean[place])))
        return element(
            "article",
            self._picture(place),
            element("p", self._headline(place), class_="headline", dir="auto"),
            element("p", "predicted ", predicted, class_="predicted-text"),
            *self._observed(place),
            self._bar(place),
            class_="creative",
        )

    def _headline(self, place: int) -> str:
        headline = self.table.headlines[int(self.rows.numbers[place])].strip()
        if not headline:
            return "(no headline)"
        cut = len(headline) > _LONGEST_HEADLINE
        return headline[:_LONGEST_HEADLINE] + ("\N{HORIZONTAL ELLIPSIS}" if cut else "")

    def _picture(self, place: int) -> Markup:
        try:
            creative = self.table.creative(int(self.rows.numbers[place]))
        except InvalidCreativeError:  # the file went away since it was scored
            uri = None
        else:
            uri = thumbnail_uri(creative.image, self.limits)
        identity = self.table.ids[int(self.rows.numbers[place])]
        if uri is None:
            return element("div", "no image", class_="picture absent", title=identity)
        picture = element("img", src=uri, alt=f"Image of {identity}", title=identity)
        return element("div", picture, class_="picture")

    def _observed(self, place: int) -> list[Markup]:
        rows = self.rows
        successes, trials = int(rows.successes[place]), int(rows.trials[place])
        if not trials:
            return [element("p", "not yet observed")]
        if rows.trials_column is None:
            label = element("strong", str(successes))
            return [element("p", f"{successes_word(rows)} was ", label, class_="observed-text")]
        rate = element("strong", percent(successes / trials))
        counts = f"{successes:,} of {trials:,} {trials_word(rows)}"
        return [
            element("p", "observed ", rate, class_="observed-text"),
            element("p", counts, class_="counts"),
        ]

    def _bar(self, place: int) -> Markup | None:
        """Interval, prediction and observed rate on the scale that all cards share."""
        rows = self.rows
        if rows.trials[place] < 2:
            return None
        ends = rows.intervals(np.array([place]))
        low, high = float(ends[0][0]), float(ends[1][0])
        observed, mean = float(rows.observed[place]), float(rows.mean[place])
        scale = _BAR_WIDTH / self._highest()
        words = f"90% interval {percent(low)} to {percent(high)}"
        return element(
            "svg",
            element("title", words),
            _box(0, _BAR_WIDTH, 8, 2, "track"),
            _box(low * scale, high * scale, 4, 10, "interval"),
            _box(mean * scale - 1, mean * scale + 1, 2, 14, "model"),
            element(
                "circle",
                cx=min(observed * scale, _BAR_WIDTH - 4),
                cy=_BAR_HEIGHT / 2,
                r=4,
                class_="observed" if low <= observed <= high else "outside",
            ),
            viewBox=f"0 0 {_BAR_WIDTH} {_BAR_HEIGHT}",
            role="img",
            class_="range",
        )

    def _highest(self) -> float:
        """Right end of the scale: nearly all predictions and results lie below it."""
        rows = self.rows
        seen = rows.observed[rows.trials > 1]
        return max(float(np.quantile(seen, 0.99)), float(rows.mean.max()) * 1.2, 1e-9)


def _box(left: float, right: float, top: float, height: float, class_: str) -> Markup:
    left, right = max(left, 0), min(right, _BAR_WIDTH)
    width = max(right - left, 1)
    return element("rect", x=left, y=top, width=width, height=height, rx=1, class_=class_)
