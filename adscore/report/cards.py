"""What a card shows of one creative: its image, its headline and the range of its rate."""

from dataclasses import dataclass

from adscore.report.words import percent

_MAX_HEADLINE = 160  # characters; more would push the metrics out of sight
_RANGE_WIDTH = 160  # units of the view box


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer sees of a creative.

    Attributes:
        id: Of its row.
        headline: Cut where it is long; ``""`` where there is none.
        picture: Its image as a ``data:`` URI; None where there is none to show.
    """

    id: str
    headline: str
    picture: str | None


def cut_headline(headline: str) -> str:
    """A headline as a card holds it."""
    text = headline.strip()
    return text[:_MAX_HEADLINE] + ("\N{HORIZONTAL ELLIPSIS}" if len(text) > _MAX_HEADLINE else "")


@dataclass(frozen=True, slots=True)
class Range:
    """An interval, its prediction and the result, as places on a scale that cards share.

    Attributes:
        low: Left end of the interval, in units of the view box.
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

    @property
    def width(self) -> int:
        """Of the view box."""
        return _RANGE_WIDTH


def rate_range(
    interval: tuple[float, float], mean: float, highest: float, observed: float | None = None
) -> Range:
    """Draws an interval.

    Args:
        interval: Its ends, rates.
        mean: The predicted rate.
        highest: The rate at the right end of the scale.
        observed: The observed rate.
    """
    low, high = interval
    scale = _RANGE_WIDTH / max(highest, 1e-9)
    left, right = max(low * scale, 0), min(high * scale, _RANGE_WIDTH)
    return Range(
        low=left,
        high=max(right, left + 1),
        mean=min(mean * scale, _RANGE_WIDTH),
        observed=None if observed is None else min(observed * scale, _RANGE_WIDTH - 4),
        is_inside=observed is not None and low <= observed <= high,
        words=f"90% interval {percent(low)} to {percent(high)}",
    )
