"""The report of a check: findings by creative, and where they are on its banner."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adscore.checks import Box, CheckedCreative, CheckReport, Placement
from adscore.checks.check import LIMITS
from adscore.checks.kinds import expected
from adscore.creative import Creative
from adscore.errors import InvalidCreativeError
from adscore.report.cards import cut_headline
from adscore.report.page import render, write_page
from adscore.report.thumbnails import thumbnail_uri
from adscore.scoring.image_file import open_image

MAX_LISTED = 10_000  # more would slow a browser down
MAX_PICTURES = 1_000  # creatives with findings; about 6 kB each
_SIDE = 240  # longer side, in pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """Headline and image of a creative.

    Attributes:
        headline: Headline, shortened if it is long.
        uri: Image as a ``data:`` URI; ``""`` if there is none to show.
        width: Width of the file in pixels; 0 without an image.
        height: Height of the file in pixels; 0 without an image.
    """

    headline: str
    uri: str = ""
    width: int = 0
    height: int = 0


class Pictures:
    """Collects what the report shows of creatives while they are checked.

    Args:
        wanted: Whether a report will be written; otherwise nothing is collected.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._kept: list[Picture] = []
        self._shown = 0

    def add(self, creative: Creative, checked: CheckedCreative) -> None:
        """Adds the next creative."""
        if not self._wanted:
            return
        if not checked.findings or self._shown >= MAX_PICTURES:
            self._kept.append(Picture(cut_headline(creative.headline)))
            return
        self._shown += 1
        self._kept.append(_picture(creative))

    def of(self, place: int) -> Picture:
        """The picture of the creative at an index."""
        return self._kept[place]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A box on a picture, in per cent of the picture's sides."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Entry:
    """One creative of the list."""

    creative: CheckedCreative
    picture: Picture
    marks: Sequence[_Mark]


def write_check_report(
    path: Path, found: CheckReport, placement: Placement, pictures: Pictures
) -> None:
    """Writes the report of a check; replaces an existing file.

    Args:
        path: File to write.
        found: Result of the check.
        placement: Placement whose rules were used.
        pictures: Pictures of all creatives, in order.

    Raises:
        OSError: The file cannot be written.
    """
    entries = [
        _entry(creative, pictures.of(place))
        for place, creative in enumerate(found.creatives)
        if creative.findings
    ]
    entries.sort(key=lambda entry: entry.creative.may_run)
    rules = {rule.name: rule for rule in placement.rules}
    counts = Counter(finding.rule for one in found.creatives for finding in one.findings)
    page = render(
        "checks.html.jinja",
        placement=placement,
        day=datetime.now(UTC).date().isoformat(),
        checked=len(found.creatives),
        refused=sum(not one.may_run for one in found.creatives),
        flawed=len(entries),
        entries=entries[:MAX_LISTED],
        counts=[(rules[name], count) for name, count in counts.most_common()],
        rules=[(rule, expected(rule)) for rule in placement.rules],
        not_checked=found.not_checked,
    )
    write_page(path, page)


def _picture(creative: Creative) -> Picture:
    headline = cut_headline(creative.headline)
    uri = thumbnail_uri(creative.image, LIMITS, _SIDE)
    try:
        size = open_image(creative.image, LIMITS).upright_size if uri else (0, 0)
    except InvalidCreativeError:
        size = (0, 0)
    return Picture(headline, uri or "", *size)


def _entry(creative: CheckedCreative, picture: Picture) -> _Entry:
    boxes = {box for finding in creative.findings for box in finding.boxes}
    marks = [_mark(box, picture) for box in sorted(boxes)] if picture.width else []
    return _Entry(creative, picture, marks)


def _mark(box: Box, picture: Picture) -> _Mark:
    across, down = 100 / picture.width, 100 / picture.height
    return _Mark(
        box.left * across,
        box.top * down,
        (box.right - box.left) * across,
        (box.bottom - box.top) * down,
    )
