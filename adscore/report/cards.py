"""What a page shows of one creative: its image, its headline and the range of its rate."""

from collections.abc import Hashable
from dataclasses import dataclass

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.report.thumbnails import thumbnail_uri
from adscore.report.words import percent
from adscore.table import CreativeTable

_MAX_HEADLINE = 160  # characters; more would push the metrics out of sight


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer sees of a creative; None stands for a part that the model does not read.

    Attributes:
        id: Of its row.
        headline: Cut where it is long; ``""`` where there is none.
        picture: Its image as a ``data:`` URI; ``""`` where there is none to show.
    """

    id: str
    headline: str | None
    picture: str | None


class Viewer:
    """Looks at the creatives of a table as a model reads them.

    Args:
        table: The creatives.
        limits: What the model accepts.
    """

    def __init__(self, table: CreativeTable, limits: InputLimits) -> None:
        self._table, self._limits = table, limits
        self._pictures: dict[int, str] = {}

    def seen(self, row: int) -> Seen:
        """What a card shows of a row, counted from 0."""
        table, modalities = self._table, self._limits.modalities
        return Seen(
            table.ids[row],
            cut_headline(table.headlines[row]) if "headline" in modalities else None,
            self._picture(row) if "image" in modalities else None,
        )

    def identity(self, row: int) -> Hashable:
        """Equal for rows that look the same to the model, their context apart."""
        table, modalities = self._table, self._limits.modalities
        return (
            table.headlines[row] if "headline" in modalities else None,
            table.images[row] if "image" in modalities else None,
        )

    def _picture(self, row: int) -> str:
        if row not in self._pictures:
            try:
                image = self._table.creative(row, self._limits).image
            except InvalidCreativeError:  # the file went away since it was scored
                image = b""
            self._pictures[row] = thumbnail_uri(image, self._limits) or ""
        return self._pictures[row]


def cut_headline(headline: str) -> str:
    """A headline as a card holds it."""
    text = headline.strip()
    return text[:_MAX_HEADLINE] + ("\N{HORIZONTAL ELLIPSIS}" if len(text) > _MAX_HEADLINE else "")


@dataclass(frozen=True, slots=True)
class Range:
    """An interval, its prediction and the result, in per cent of a scale that cards share.

    Attributes:
        low: Left end of the interval.
        high: Its right end.
        mean: The prediction.
        observed: The result; None where there is none.
        is_inside: Whether the interval holds the result.
        words: The interval in words.
    """

    low: float
    high: float
    mean: float
    observed: float | None
    is_inside: bool
    words: str


def rate_range(
    interval: tuple[float, float], mean: float, highest: float, observed: float | None = None
) -> Range:
    """Places an interval on a scale.

    Args:
        interval: Its ends, rates.
        mean: The predicted rate.
        highest: The rate at the right end of the scale.
        observed: The observed rate.
    """
    low, high = interval
    scale = 100 / max(highest, 1e-9)
    left, right = max(low * scale, 0), min(high * scale, 100)
    return Range(
        low=min(left, 99),
        high=max(right, left + 1),
        mean=min(mean * scale, 100),
        observed=None if observed is None else min(observed * scale, 98),
        is_inside=observed is not None and low <= observed <= high,
        words=f"{percent(low)} to {percent(high)}",
    )
