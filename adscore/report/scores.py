"""The report of a scored table: which creatives to expect most of, and what to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from adscore.creative import InputLimits, Warning
from adscore.errors import InvalidCreativeError
from adscore.offline.core import COLUMNS_AFTER_TARGETS, FIGURES
from adscore.offline.options import ScoringOptions
from adscore.report.cards import Range, Seen, cut_headline, rate_range
from adscore.report.page import render, write_page
from adscore.report.result import BINS, Ranked, ResultSummary, TargetSummary, summarise
from adscore.report.svg import Chart, Plot, number_axis
from adscore.report.thumbnails import thumbnail_uri
from adscore.scoring.scorer import Scorer
from adscore.table import ImageSource, TableStream, open_stream

_SHOWN = 12  # creatives of each end of the ranking
_MAX_KINDS = 10  # of errors
_WARNINGS = {
    Warning.MISSING_IMAGE: "scored without an image",
    Warning.MISSING_HEADLINE: "scored without a headline",
    Warning.UNFAMILIAR_CREATIVE: "unlike anything that the model was trained on: trust it less",
    Warning.IMAGE_DOWNSCALED: "shrunk so far that small print is lost to the model",
    Warning.HEADLINE_TRUNCATED: "longer than the model reads; the end was left out",
    Warning.UNKNOWN_CONTEXT: "in a context, such as a placement, that the model has never seen",
    Warning.MISSING_CONTEXT: "without a context value that the model reads, such as a placement",
    Warning.IMAGE_BLANK: "an image of which nothing shows on white",
    Warning.HEADLINE_PLACEHOLDER: "a headline that people will not see as it is written",
}


def write_score_report(
    path: Path, out: Path, table: TableStream, options: ScoringOptions, scorer: Scorer
) -> None:
    """Writes the report of a scored table; replaces an existing file.

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
    seen = _read_again(table, options, rows, scorer.limits)
    write_page(path, _page(summary, seen, table.location.name, datetime.now(UTC).date()))


def _page(
    summary: ResultSummary, seen: Mapping[int, tuple[str, str | None]], table: str, day: date
) -> str:
    return render(
        "scores.html.jinja",
        summary=summary,
        model=" version ".join(filter(None, summary.model)),
        table=table.rpartition("/")[2],
        day=day.isoformat(),
        targets=[_target(name, t, seen) for name, t in summary.targets.items() if t.best],
        warnings=_WARNINGS,
        max_kinds=_MAX_KINDS,
    )


def _read_again(
    table: TableStream, options: ScoringOptions, rows: set[int], limits: InputLimits
) -> dict[int, tuple[str, str | None]]:
    """Headlines and thumbnails of a few rows."""
    images = ImageSource(options.image_root, limits.max_image_bytes)
    found: dict[int, tuple[str, str | None]] = {}
    start = 0
    for batch in table.batches(256):
        for row in rows.intersection(range(start, start + batch.num_rows)):
            cells = batch.slice(row - start, 1).to_pylist()[0]
            headline = str(cells.get(options.columns.headline) or "")
            cell = cells.get(options.columns.image) or b""
            found[row] = headline, _picture(cell, images, limits)
        start += batch.num_rows
    return found


def _picture(cell: object, images: ImageSource, limits: InputLimits) -> str | None:
    try:
        data = cell if isinstance(cell, bytes) else images.read(str(cell))
    except InvalidCreativeError:  # it went away since it was scored
        return None
    return thumbnail_uri(data, limits)


# === What a target's section shows ===


@dataclass(frozen=True, slots=True)
class _Card:
    """A creative and its place among all."""

    seen: Seen
    rank: int
    ranked: Ranked
    range: Range


@dataclass(frozen=True, slots=True)
class _Section:
    """What the page shows of one target.

    Attributes:
        name: Of the target.
        chart: Creatives by percentile.
        upper_half: Share of the creatives above the middle of the reference.
        best: The highest predictions.
        worst: The lowest.
    """

    name: str
    chart: Chart
    upper_half: float
    best: Sequence[_Card]
    worst: Sequence[_Card]


def _target(
    name: str, target: TargetSummary, seen: Mapping[int, tuple[str, str | None]]
) -> _Section:
    best, worst = _ends(target)
    scored = sum(target.bins)
    ranks = [1 + sum(r.alike for r in best[:at]) for at in range(len(best))]
    last_ranks = [scored - sum(r.alike for r in worst[:at]) for at in range(len(worst))]
    highest = best[0].upper * 1.05
    return _Section(
        name=name,
        chart=_distribution(target, name),
        upper_half=sum(target.bins[BINS // 2 :]) / scored,
        best=[_card(*ranked, seen, highest) for ranked in zip(ranks, best, strict=True)],
        worst=[_card(*ranked, seen, highest) for ranked in zip(last_ranks, worst, strict=True)],
    )


def _ends(target: TargetSummary) -> tuple[list[Ranked], list[Ranked]]:
    """The highest and the lowest, each creative on one side."""
    best = target.best
    if len(best) < _SHOWN:  # these are all that there are
        best = best[: (len(best) + 1) // 2]
    rows = {ranked.row for ranked in best}
    return best, [ranked for ranked in target.worst if ranked.row not in rows]


def _card(
    rank: int, ranked: Ranked, seen: Mapping[int, tuple[str, str | None]], highest: float
) -> _Card:
    headline, picture = seen.get(ranked.row, ("", None))
    return _Card(
        Seen(ranked.id, cut_headline(headline), picture),
        rank,
        ranked,
        rate_range((ranked.lower, ranked.upper), ranked.mean, highest),
    )


def _distribution(target: TargetSummary, name: str) -> Chart:
    step = 100 / BINS
    x_axis = number_axis(0, 100, "percentile among the creatives of the training", unit="")
    plot = Plot(x_axis, number_axis(0, max(target.bins), "creatives"))
    bars = [
        plot.bar(
            (number * step + 0.4, (number + 1) * step - 0.4),
            (0, count),
            "model",
        )
        for number, count in enumerate(target.bins)
        if count
    ]
    return Chart(plot, f"Creatives by percentile of {name}", bars)
