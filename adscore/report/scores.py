"""The report of a scored table: creatives ranked inside each group."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from adscore.checks import CheckReport, Finding
from adscore.creative import Warning
from adscore.evaluation.outcomes import Ints
from adscore.offline.core import COLUMNS_AFTER_TARGETS, FIGURES
from adscore.offline.options import ScoringOptions
from adscore.report.cards import Look, Looks, Range, rate_range
from adscore.report.page import load_script, render, write_page
from adscore.report.ranking import APART, places_in_groups, tie_sentence, tiers
from adscore.report.result import Result, TargetScores, cells_of, read_result
from adscore.report.svg import Chart, Plot, number_axis
from adscore.report.words import group_word
from adscore.scoring.scorer import Scorer
from adscore.table import TableStream, cell_text, open_stream, texts

MAX_ROWS = 10_000  # more would slow a browser down
MAX_PICTURES = 1_000  # rows with distinct images; about 2 kB each
_MAX_KINDS = 10  # kinds of errors listed
_BATCH_ROWS = 4_096
_BINS = 20  # bins of the percentile, from 0 to 100
WARNINGS = {  # short label, and its meaning
    Warning.MISSING_IMAGE: ("no image", "scored without an image"),
    Warning.MISSING_HEADLINE: ("no headline", "scored without a headline"),
    Warning.MISSING_CONTEXT: ("no context", "scored without a context, such as the placement"),
    Warning.UNFAMILIAR_CREATIVE: (
        "unfamiliar",
        "unlike anything that the model was trained on: trust it less",
    ),
    Warning.IMAGE_DOWNSCALED: ("shrunk", "so far that small print is lost to the model"),
    Warning.IMAGE_BLANK: ("blank", "an image of which nothing shows on white"),
    Warning.HEADLINE_PLACEHOLDER: (
        "placeholder",
        "a headline that people will not see as it is written",
    ),
    Warning.HEADLINE_TRUNCATED: ("cut", "longer than the model reads; the end was left out"),
    Warning.UNKNOWN_CONTEXT: (
        "new context",
        "in a context, such as a placement, that the model has never seen",
    ),
}


def write_score_report(
    path: Path,
    out: Path,
    table: TableStream,
    options: ScoringOptions,
    scorer: Scorer,
    checked: CheckReport | None = None,
) -> None:
    """Writes the report of a scored table; replaces an existing file.

    Args:
        path: File to write.
        out: File of the scores.
        table: The scored table, with its group column if it has one.
        options: How the table was read, including its group column.
        scorer: The model.
        checked: Findings for all rows, in order; None if they were not checked.

    Raises:
        OSError: The file cannot be written.
        TableError: The result or the table cannot be read again.
    """
    columns = options.columns
    figures = [f"{target}_{figure}" for target in scorer.manifest.targets for figure in FIGURES]
    scores = open_stream(str(out), [options.id_name, *figures, *COLUMNS_AFTER_TARGETS])
    result = read_result(scores, scorer.manifest.targets)
    names, group = _read_groups(table, columns.group, result.rows)
    place = places_in_groups(result.main, group)
    # List the first of every group, then the second of every group, and so on.
    listed = np.lexsort((group, place))[:MAX_ROWS]
    looks = Looks(options, scorer.limits, listed[:MAX_PICTURES].tolist())
    seen = {row: looks.look(row, cells) for row, cells in cells_of(table, listed.tolist())}
    entries = {
        row: _entry(row, cells, seen[row], result)
        for row, cells in cells_of(scores, listed.tolist())
    }
    if checked is not None:
        for row, entry in entries.items():
            entry.findings = checked.creatives[row].findings
    in_order = listed[np.lexsort((place[listed], group[listed]))].tolist()
    spreads = scorer.manifest.spreads
    residuals = [spreads[name].residual if name in spreads else None for name in result.targets]
    groups = [
        _ranked(names[number], [entries[row] for row in rows], residuals)
        for number, rows in groupby(in_order, key=lambda row: int(group[row]))
    ]
    page = render(
        "scores.html.jinja",
        result=result,
        model=" version ".join(filter(None, result.model)),
        table=table.location.name.rpartition("/")[2],
        day=datetime.now(UTC).date().isoformat(),
        checked=checked,
        groups=groups,
        group_word=group_word(columns.group),
        verdicts=_verdicts(groups, list(result.targets), group_word(columns.group)),
        pictures=looks.pictures,
        has_pictures="image" in scorer.manifest.limits.modalities,
        listed=len(listed),
        charts={name: _distribution(name, target) for name, target in result.targets.items()},
        apart=APART,
        by_intervals=None in residuals,
        warnings=WARNINGS,
        max_kinds=_MAX_KINDS,
        script=load_script("scores.js"),
    )
    write_page(path, page)


def _read_groups(table: TableStream, column: str | None, rows: int) -> tuple[list[str], Ints]:
    """The names of the groups, and the number of each row's group."""
    if column is None:
        return [""], np.zeros(rows, np.int64)
    numbers: dict[str, int] = {}
    found = [
        numbers.setdefault(str(name), len(numbers))
        for batch in table.batches(_BATCH_ROWS)
        for name in texts(batch, column)
    ]
    return list(numbers), np.array(found, np.int64)


def _distribution(name: str, scores: TargetScores) -> Chart | None:
    """Histogram of percentiles; None without scores."""
    counts, edges = np.histogram(scores.percentile, _BINS, (0, 100))
    if not counts.any():
        return None
    plot = Plot(
        number_axis(0, 100, "Percentile among the training"),
        number_axis(0, int(counts.max()), "Creatives"),
    )
    bins = list(zip(edges.tolist(), edges[1:].tolist(), counts.tolist(), strict=False))
    marks = [
        plot.bar((low + 0.4, high - 0.4), (0, count), "model") for low, high, count in bins if count
    ]
    return Chart(
        plot,
        f"Creatives by percentile of {name}",
        marks,
        ("Percentile", "Creatives"),
        [(f"{low:g} to {high:g}", f"{count:,}") for low, high, count in bins],
    )


# === Lines and groups ===


@dataclass(frozen=True, slots=True)
class _Figures:
    """The score of one target: mean, lower and upper rate, and percentile from 0 to 100."""

    mean: float
    lower: float
    upper: float
    percentile: float
    range: Range


@dataclass(slots=True)
class _Entry:
    """One line of the list.

    Attributes:
        number: Row number in the table, from 0.
        id: Id of the row.
        look: Its headline, image and context.
        figures: Scores by target; empty if it could not be scored.
        agreement: Agreement, from -1 to 1; None if there is none.
        warnings: Reasons to trust the score less.
        error: Why it could not be scored; empty if it was.
        findings: Placement rules that it breaks.
        others: Ids of other rows with the same look and score.
        places: By target, its places in its group, such as ``2`` or ``1 to 4``.
        begins: By target, whether it starts a new tier.
    """

    number: int
    id: str
    look: Look
    figures: tuple[_Figures, ...]
    agreement: float | None
    warnings: Sequence[str]
    error: str
    findings: Sequence[Finding] = ()
    others: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    begins: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of creatives that are ranked together.

    Attributes:
        name: Name; ``""`` if the table has no groups.
        entries: Its lines, the highest rates of the first target first.
        ties: By target, which creatives cannot be told apart, in a sentence.
        ahead: By target, whether the first creative is told apart from the second.
    """

    name: str
    entries: Sequence[_Entry]
    ties: Sequence[str]
    ahead: Sequence[bool]

    @property
    def rows(self) -> int:
        """Number of table rows in the group."""
        return sum(1 + len(entry.others) for entry in self.entries)


def _entry(row: int, cells: Mapping[str, Any], look: Look, result: Result) -> _Entry:
    identity, *_ = cells.values()
    agreement = float(result.agreement[row])
    is_scored = not cells["error"]
    return _Entry(
        number=row,
        id=cell_text(identity),
        look=look,
        figures=tuple(_figures(scores, row) for scores in result.targets.values() if is_scored),
        agreement=None if np.isnan(agreement) else agreement,
        warnings=[name for name in (cells["warnings"] or "").split(";") if name],
        error=cells["error"] or "",
    )


def _figures(scores: TargetScores, row: int) -> _Figures:
    mean, lower, upper = (
        float(values[row]) for values in (scores.mean, scores.lower, scores.upper)
    )
    drawn = rate_range((lower, upper), mean, scores.highest)
    return _Figures(mean, lower, upper, float(scores.percentile[row]), drawn)


def _ranked(name: str, rows: Sequence[_Entry], residuals: Sequence[float | None]) -> _Group:
    """Merges rows with the same look and score, and ranks the entries.

    Args:
        name: Name of the group.
        rows: Rows of the group.
        residuals: Residual spread by target, see `tiers`.
    """
    entries = _merged(rows)
    scored = [entry for entry in entries if not entry.error]
    cuts = [_place(scored, target, residual) for target, residual in enumerate(residuals)]
    if not residuals:  # an agreement has no interval
        for place, entry in enumerate(scored, 1):
            entry.places.append(str(place))
    return _Group(
        name,
        entries,
        [tie_sentence(cut) for cut in cuts],
        [len(cut) > 1 and len(cut[0]) == 1 for cut in cuts],
    )


def _merged(rows: Sequence[_Entry]) -> list[_Entry]:
    """Merges rows with the same look and score; rows without a score are kept apart."""
    first: dict[Hashable, _Entry] = {}
    for entry in rows:
        key = entry.number if entry.error else (entry.look, entry.figures, entry.agreement)
        kept = first.setdefault(key, entry)
        if kept is not entry:
            kept.others.append(entry.id)
    return list(first.values())


def _place(entries: Sequence[_Entry], target: int, residual: float | None) -> list[range]:
    """Adds each entry's places for a target; returns the tiers."""
    order = sorted(entries, key=lambda entry: -entry.figures[target].mean)
    rates = [(f.mean, f.lower, f.upper) for f in (entry.figures[target] for entry in order)]
    mean, lower, upper = np.array(rates).reshape(-1, 3).T
    cut = tiers(mean, lower, upper, residual)
    before = np.cumsum([0, *(1 + len(entry.others) for entry in order)]).tolist()
    for tier in cut:
        first, last = before[tier.start] + 1, before[tier.stop]
        for at in tier:
            order[at].places.append(str(first) if first == last else f"{first}\N{EN DASH}{last}")
            order[at].begins.append(at == tier.start)
    return cut


def _verdicts(groups: Sequence[_Group], targets: Sequence[str], word: str) -> list[str]:
    """By target, in how many groups one creative is ahead, in words."""
    several = [group for group in groups if sum(not entry.error for entry in group.entries) > 1]
    if len(groups) == 1:
        return [groups[0].ties[number] for number in range(len(targets))]
    found = []
    for number in range(len(targets)):
        ahead = sum(group.ahead[number] for group in several)
        if not ahead:
            found.append(
                f"In none of {len(several):,} {word}s is one creative ahead: the best cannot be "
                "told apart."
            )
            continue
        found.append(
            f"In {ahead:,} of {len(several):,} {word}s one creative is ahead of the others"
            + ("; in the rest the best cannot be told apart." if ahead < len(several) else ".")
        )
    return found
