"""What the report says of a scored table, read from it in one pass and bounded memory."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adscore.table import TableStream

BATCH_ROWS = 4_096
BINS = 20  # of the percentile, from 0 to 100


@dataclass(frozen=True, slots=True, order=True)
class Ranked:
    """A creative at an end of the ranking; compares by its mean, then by its place.

    Attributes:
        mean: Predicted rate.
        place: Minus its row, counted from 0, so that of equal creatives the first one leads.
        id: Of its row.
        lower: Lower end of the interval.
        upper: Upper end of the interval.
        percentile: From 0 to 100.
        alike: Rows with these very figures, this one included: a creative that comes again.
    """

    mean: float
    place: int
    id: str = field(compare=False)
    lower: float = field(compare=False)
    upper: float = field(compare=False)
    percentile: float = field(compare=False)
    alike: int = field(compare=False, default=1)

    @property
    def row(self) -> int:
        """Its row, counted from 0."""
        return -self.place

    @property
    def figures(self) -> tuple[float, float, float]:
        """Equal for equal creatives to the last bit, and hardly ever for others."""
        return (self.mean, self.lower, self.upper)


@dataclass(slots=True)
class TargetSummary:
    """The scores of one target.

    Attributes:
        best: Highest predictions of different creatives, the highest first.
        worst: Lowest predictions of different creatives, the lowest first.
        bins: Creatives by percentile, in equal steps.
    """

    best: list[Ranked] = field(default_factory=list)
    worst: list[Ranked] = field(default_factory=list)
    bins: list[int] = field(default_factory=lambda: [0] * BINS)


@dataclass(slots=True)
class ResultSummary:
    """The scores of a table.

    Attributes:
        rows: All of them.
        targets: By target.
        warnings: How many rows have each.
        errors: By kind, how many rows have it.
        examples: By kind of error, the id of the first row and its whole text.
        model: Name and version.
    """

    rows: int = 0
    targets: dict[str, TargetSummary] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    model: tuple[str, str] = ("", "")

    @property
    def failed(self) -> int:
        """How many rows have no score."""
        return sum(self.errors.values())


def summarise(result: TableStream, targets: Sequence[str], shown: int) -> ResultSummary:
    """Reads a result.

    Args:
        result: Its id, then all columns that scoring adds.
        targets: Names of the model's targets.
        shown: How many creatives of each end of the ranking are kept.
    """
    summary = ResultSummary(targets={name: TargetSummary() for name in targets})
    identity = result.schema.names[0]
    for batch in result.batches(BATCH_ROWS):
        for row in batch.to_pylist():
            _add(summary, row, str(row[identity]), shown)
    for target in summary.targets.values():
        target.best.sort(reverse=True)
        target.worst = sorted(_mirrored(ranked) for ranked in target.worst)
    return summary


def _add(summary: ResultSummary, row: dict[str, Any], identity: str, shown: int) -> None:
    number, summary.rows = summary.rows, summary.rows + 1
    summary.model = (row["model"], row["model_version"])
    if row["error"]:
        kind = row["error"].partition(". Received:")[0]
        summary.errors[kind] += 1
        summary.examples.setdefault(kind, (identity, row["error"]))
        return
    summary.warnings.update(filter(None, (row["warnings"] or "").split(";")))
    for name, target in summary.targets.items():
        figures = (
            float(row[f"{name}_{figure}"]) for figure in ("mean", "lower", "upper", "percentile")
        )
        mean, lower, upper, percentile = figures
        ranked = Ranked(mean, -number, identity, lower, upper, percentile)
        target.bins[min(int(percentile * BINS / 100), BINS - 1)] += 1
        _keep(target.best, ranked, shown)
        _keep(target.worst, _mirrored(ranked), shown)


def _keep(heap: list[Ranked], ranked: Ranked, shown: int) -> None:
    """Keeps the highest, of equal creatives the first."""
    if len(heap) == shown and ranked.mean < heap[0].mean:
        return
    for at, kept in enumerate(heap):
        if kept.figures == ranked.figures:
            heap[at] = replace(kept, alike=kept.alike + 1)
            return
    if len(heap) < shown:
        heapq.heappush(heap, ranked)
    else:
        heapq.heappushpop(heap, ranked)


def _mirrored(ranked: Ranked) -> Ranked:
    """The same with its mean negated, so that a heap keeps the lowest."""
    return replace(ranked, mean=-ranked.mean)
