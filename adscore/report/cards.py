"""What a page shows of one creative: its image, its headline and the interval of its rate."""

import hashlib
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.offline.options import ScoringOptions
from adscore.report.thumbnails import thumbnail_uri
from adscore.report.words import percent
from adscore.table import CreativeTable, ImageSource, cell_text

LINE_SIDE = 96  # longer side of an image in a list, in pixels
_MAX_HEADLINE = 160  # characters; more would push the metrics off the screen


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer sees of a creative; a part that the model does not read is None.

    Attributes:
        id: Id of its row.
        headline: Headline, shortened if it is long; ``""`` if absent.
        picture: Image as a ``data:`` URI; ``""`` if there is none to show.
    """

    id: str
    headline: str | None
    picture: str | None


class Viewer:
    """Reads the visible parts of creatives from a table, as the model reads them.

    Args:
        table: The creatives.
        limits: The model's input limits.
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
        """A key that is equal for rows with the same headline and image, whatever their context."""
        table, modalities = self._table, self._limits.modalities
        return (
            table.headlines[row] if "headline" in modalities else None,
            table.images[row] if "image" in modalities else None,
        )

    def _picture(self, row: int) -> str:
        if row not in self._pictures:
            try:
                image = self._table.creative(row, self._limits).image
            except InvalidCreativeError:  # the file has gone since it was scored
                image = b""
            self._pictures[row] = thumbnail_uri(image, self._limits) or ""
        return self._pictures[row]


@dataclass(frozen=True, slots=True)
class Look:
    """What a line of a list shows of a creative; a part that the model does not read is None.

    Attributes:
        headline: Headline, shortened if it is long; ``""`` if absent.
        image: A key that is equal for equal images; ``""`` if absent.
        context: Values of the context, in a few words.
    """

    headline: str | None
    image: Hashable
    context: str


class Looks:
    """Reads the visible parts of creatives from a streamed table.

    Args:
        options: How the table is read.
        limits: The model's input limits.
        pictured: Rows whose images are shown, wherever they occur.
    """

    def __init__(
        self, options: ScoringOptions, limits: InputLimits, pictured: Collection[int]
    ) -> None:
        self._options, self._limits = options, limits
        self._images = ImageSource(options.image_root, limits.max_image_bytes)
        self._pictured = frozenset(pictured)
        self._pictures: dict[Hashable, str] = {}

    def look(self, row: int, cells: Mapping[str, Any]) -> Look:
        """What a line shows of a row, given the cells that were read."""
        columns, modalities = self._options.columns, self._limits.modalities
        headline = cell_text(cells.get(columns.headline or ""))
        return Look(
            cut_headline(headline) if "headline" in modalities else None,
            self._image(row, cells.get(columns.image or "")) if "image" in modalities else None,
            ", ".join(filter(None, (cell_text(cells[name]) for name in columns.context))),
        )

    @property
    def pictures(self) -> Mapping[Hashable, tuple[int, str]]:
        """By image key, a number and its ``data:`` URI."""
        shown = {image: uri for image, uri in self._pictures.items() if uri}
        return {image: (number, uri) for number, (image, uri) in enumerate(shown.items())}

    def _image(self, row: int, cell: Any) -> Hashable:
        if not cell:
            return ""
        image = hashlib.sha256(cell).digest() if isinstance(cell, bytes) else cell_text(cell)
        if row in self._pictured and image not in self._pictures:
            self._pictures[image] = self._thumbnail(cell)
        return image

    def _thumbnail(self, cell: Any) -> str:
        try:
            data = cell if isinstance(cell, bytes) else self._images.read(cell_text(cell))
        except InvalidCreativeError:  # the file has gone since it was scored
            return ""
        return thumbnail_uri(data, self._limits, LINE_SIDE) or ""


def cut_headline(headline: str) -> str:
    """A headline, shortened to fit a card."""
    text = headline.strip()
    return text[:_MAX_HEADLINE] + ("\N{HORIZONTAL ELLIPSIS}" if len(text) > _MAX_HEADLINE else "")


@dataclass(frozen=True, slots=True)
class Range:
    """An interval, its prediction and the result, in per cent of a scale shared by cards.

    Attributes:
        low: Left end.
        high: Right end.
        mean: Prediction.
        observed: Result; None if there is none.
        is_inside: Whether the result lies inside the interval.
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
    """Scales an interval to per cent of the card's width.

    Args:
        interval: Ends of the interval, as rates.
        mean: The predicted rate.
        highest: The rate at the right end of the scale.
        observed: The observed rate; None if there is none.
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
