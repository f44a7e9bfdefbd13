"""One page for a marketer: which creatives to expect most of, and what to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from adscore.creative import InputLimits, Warning
from adscore.errors import InvalidCreativeError
from adscore.offline.options import ScoringOptions
from adscore.offline.result import COLUMNS_AFTER_TARGETS, FIGURES
from adscore.report.document import document, write_page
from adscore.report.markup import Markup, element
from adscore.report.scores_summary import (
    BINS,
    Ranked,
    ResultSummary,
    TargetSummary,
    summarise,
)
from adscore.report.svg import Chart, number_axis
from adscore.report.thumbnail import thumbnail_uri
from adscore.report.words import percent
from adscore.scoring.scorer import Scorer
from adscore.table import ImageSource, TableStream, open_stream

_SHOWN = 12  # creatives of each end of the ranking
_KINDS = 10  # of errors
_LONGEST_HEADLINE = 160  # characters; more would push the figures out of sight
_WORDS = {
    Warning.MISSING_IMAGE: "scored without an image",
    Warning.MISSING_HEADLINE: "scored without a headline",
    Warning.UNFAMILIAR_CREATIVE: "unlike anything that the model was trained on: trust it less",
    Warning.IMAGE_DOWNSCALED: "shrunk so far that small print is lost to the model",
    Warning.HEADLINE_TRUNCATED: "longer than the model reads; the end was left out",
    Warning.UNKNOWN_CONTEXT: "in a context, such as a placement, that the model has never seen",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a viewer sees of a creative: its headline, and its picture as a ``data:`` URI."""

    headline: str
    picture: str | None


def write_score_report(
    path: Path, out: Path, table: TableStream, options: ScoringOptions, scorer: Scorer
) -> None:
    """Writes the page of a scored table; a file in its place is replaced.

    Args:
        path: Where to.
        out: The result.
        table: What was scored.
        options: How it was read.
        scorer: The model.

    Raises:
        OSError: The file cannot be written.
        TableError: The result or the table cannot be read again.
    """
    targets = scorer.manifest.targets
    figures = [f"{target}_{figure}" for target in targets for figure in FIGURES]
    result = open_stream(str(out), [options.id_name, *figures, *COLUMNS_AFTER_TARGETS])
    summary = summarise(result, targets, _SHOWN)
    rows = {r.row for t in summary.targets.values() for r in (*t.best, *t.worst)}
    shown = _shown(table, options, rows, scorer.limits)
    write_page(path, render(summary, shown, table.location.name, datetime.now(UTC).date()))


def render(summary: ResultSummary, shown: Mapping[int, Shown], table: str, day: date) -> str:
    """The page.

    Args:
        summary: The scores.
        shown: By row, the creatives at the ends of the ranking.
        table: Name of the table.
        day: When it was scored.
    """
    model = " version ".join(filter(None, summary.model))
    facts = (
        f"{summary.rows:,} creatives of {table.rpartition('/')[2]} \N{MIDDLE DOT} scored by "
        f"{model} on {day.isoformat()}"
    )
    header = element(
        "header",
        element("p", "What to expect", class_="eyebrow"),
        element("h1", "Creatives, ranked"),
        element("p", facts, class_="facts"),
    )
    sections = [_target(name, target, shown) for name, target in summary.targets.items()]
    main = element("main", _tiles(summary), *sections, _warnings(summary), _errors(summary))
    return document(f"Scores by {model}", header, main, _footer())


def _shown(
    table: TableStream, options: ScoringOptions, rows: set[int], limits: InputLimits
) -> dict[int, Shown]:
    """Reads the table again for a few rows."""
    images = ImageSource(options.image_root, limits.max_image_bytes)
    found: dict[int, Shown] = {}
    start = 0
    for batch in table.batches(256):
        for row in rows.intersection(range(start, start + batch.num_rows)):
            cells = batch.slice(row - start, 1).to_pylist()[0]
            headline = str(cells.get(options.columns.headline) or "")
            cell = cells.get(options.columns.image) or b""
            found[row] = Shown(headline, _picture(cell, images, limits))
        start += batch.num_rows
    return found


def _picture(cell: object, images: ImageSource, limits: InputLimits) -> str | None:
    try:
        data = cell if isinstance(cell, bytes) else images.read(str(cell))
    except InvalidCreativeError:  # it went away since it was scored
        return None
    return thumbnail_uri(data, limits)


def _tiles(summary: ResultSummary) -> Markup:
    failed = sum(summary.errors.values())
    unfamiliar = summary.warnings[Warning.UNFAMILIAR_CREATIVE]
    tiles = (
        ("Scored", f"{summary.rows - failed:,}", f"of {summary.rows:,} creatives"),
        ("Not scored", f"{failed:,}", "the reasons are below"),
        ("Unfamiliar", f"{unfamiliar:,}", "unlike the training: trust their scores less"),
    )
    cards = [
        element(
            "div",
            element("p", title, class_="lead"),
            element("p", value, class_="value"),
            element("p", hint, class_="hint"),
            class_="tile",
        )
        for title, value, hint in tiles
    ]
    return element("div", *cards, class_="tiles", style="margin-top:24px")


def _target(name: str, target: TargetSummary, shown: Mapping[int, Shown]) -> Markup | None:
    if not target.best:
        return None
    best, worst = _ends(target)
    ranks = [1 + sum(r.alike for r in best[:at]) for at in range(len(best))]
    lowest = sum(target.bins)
    last_ranks = [lowest - sum(r.alike for r in worst[:at]) for at in range(len(worst))]
    key = "The bar below each is its 90% interval, the line the prediction."
    return element(
        "section",
        element("h2", name),
        _distribution(target, name),
        element("h3", "Expect most of these"),
        element("p", key, class_="lead"),
        _strip(best, ranks, shown, best[0].upper),
        element("h3", "Expect least of these") if worst else None,
        _strip(worst, last_ranks, shown, best[0].upper) if worst else None,
    )


def _ends(target: TargetSummary) -> tuple[list[Ranked], list[Ranked]]:
    """The highest and the lowest, each creative on one side."""
    best = target.best
    if len(best) < _SHOWN:  # these are all that there are
        best = best[: (len(best) + 1) // 2]
    rows = {ranked.row for ranked in best}
    return best, [ranked for ranked in target.worst if ranked.row not in rows]


def _strip(
    creatives: Sequence[Ranked], ranks: Sequence[int], shown: Mapping[int, Shown], top: float
) -> Markup:
    cards = (
        _card(f"#{rank}", creative, shown, top)
        for rank, creative in zip(ranks, creatives, strict=True)
    )
    return element("div", *cards, class_="strip")


def _card(rank: str, ranked: Ranked, shown: Mapping[int, Shown], top: float) -> Markup:
    seen = shown.get(ranked.row, Shown("", None))
    cut = len(seen.headline) > _LONGEST_HEADLINE
    headline = seen.headline[:_LONGEST_HEADLINE] + ("\N{HORIZONTAL ELLIPSIS}" if cut else "")
    picture = (
        element("div", "no image", class_="picture absent")
        if seen.picture is None
        else element(
            "div", element("img", src=seen.picture, alt=f"Image of {ranked.id}"), class_="picture"
        )
    )
    interval = f"{percent(ranked.lower)} to {percent(ranked.upper)}"
    return element(
        "article",
        picture,
        element("p", headline.strip() or "(no headline)", class_="headline", dir="auto"),
        element("p", f"{rank} ", element("strong", percent(ranked.mean)), class_="predicted-text"),
        element("p", f"{interval}; above {ranked.percentile:.0f}% of the training's"),
        element("p", ranked.id, class_="counts"),
        element("p", _alike(ranked.alike - 1), class_="counts") if ranked.alike > 1 else None,
        _bar(ranked, top, interval),
        class_="creative",
    )


def _alike(others: int) -> str:
    return f"and {others:,} more {'row' if others == 1 else 'rows'} like it"


def _bar(ranked: Ranked, top: float, interval: str) -> Markup:
    width, scale = 160, 160 / max(top * 1.05, 1e-9)
    low, high = ranked.lower * scale, min(ranked.upper * scale, width)
    mean = ranked.mean * scale
    return element(
        "svg",
        element("title", f"90% interval {interval}"),
        element("rect", x=0, y=8, width=width, height=2, rx=1, class_="track"),
        element("rect", x=low, y=4, width=max(high - low, 1), height=10, rx=1, class_="interval"),
        element("rect", x=mean - 1, y=2, width=2, height=14, rx=1, class_="model"),
        viewBox=f"0 0 {width} 18",
        role="img",
        class_="range",
    )


def _distribution(target: TargetSummary, name: str) -> Markup:
    step, scored = 100 / BINS, sum(target.bins)
    x_axis = number_axis(0, 100, "percentile among the creatives of the training", unit="")
    chart = Chart(x_axis, number_axis(0, max(target.bins), "creatives"))
    bars = [
        chart.bar(
            (number * step + 0.4, (number + 1) * step - 0.4),
            (0, count),
            "model",
            f"{count:,} creatives from the {number * step:g}th to the {(number + 1) * step:g}th",
        )
        for number, count in enumerate(target.bins)
        if count
    ]
    upper = sum(target.bins[BINS // 2 :])
    said = (
        f"{upper / scored:.0%} of these creatives are expected to do better than the middle of "
        "those that the model was trained on."
    )
    return element(
        "div",
        element(
            "figure",
            element("h3", "Where they stand"),
            chart.render(f"Creatives by percentile of {name}", bars),
            element("figcaption", said),
        ),
        class_="charts",
        style="max-width:620px",
    )


def _warnings(summary: ResultSummary) -> Markup | None:
    if not summary.warnings:
        return None
    rows = [
        element(
            "tr",
            element("th", _WORDS[Warning(name)], element("small", name), scope="row"),
            element("td", f"{count:,}"),
        )
        for name, count in summary.warnings.most_common()
    ]
    return element(
        "section",
        element("h2", "Warnings"),
        element("div", element("table", element("tbody", *rows)), class_="panel scroll"),
    )


def _errors(summary: ResultSummary) -> Markup | None:
    if not summary.errors:
        return None
    rows = []
    for kind, count in summary.errors.most_common(_KINDS):
        identity, example = summary.examples[kind]
        first = element("p", f"first in {identity}: {example}", class_="counts")
        rows.append(
            element("tr", element("th", kind, first, scope="row"), element("td", f"{count:,}"))
        )
    more = len(summary.errors) - len(rows)
    note = element("p", f"and {more} more kinds, in the column error", class_="lead")
    return element(
        "section",
        element("h2", "Not scored, and why"),
        element("div", element("table", element("tbody", *rows)), class_="panel scroll"),
        note if more else None,
    )


def _footer() -> Markup:
    text = (
        "A prediction is the rate to expect in the average campaign; nine times out of ten the "
        "rate lies in the interval. It compares creatives: it knows nothing of audience, bid, "
        "placement or season. All creatives, with every figure, are in the file of scores."
    )
    return element("footer", element("p", text))
