"""Rows of a table -> groups of arms: rows of one creative are summed, whatever their order.

Memory is bounded: once many arms are held, they are put aside in files, by a digest of their group,
and each file is read on its own.
"""

import json
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adscore.creative import Columns, Target
from adscore.decision.groups import Arm, Group, Prediction
from adscore.errors import TableError, cut
from adscore.table import Piece, values
from adscore.table.checks import CheckedCells, Faults, checked_counts

# Some 100 MB of Python objects.
MAX_ARMS_HELD = 150_000
_FILES = 64
ONE_GROUP = "all"  # where no column says what belongs together


@dataclass(frozen=True, slots=True)
class Dates:
    """When rows were counted, and how fast their counts grow old.

    Attributes:
        column: Holds days, as dates or as texts that begin with YYYY-MM-DD.
        half_life_days: After so many days a count is worth half; None for ever the same.
    """

    column: str
    half_life_days: float | None = None


@dataclass(frozen=True, slots=True)
class RowColumns:
    """What is read of a row beside what is scored.

    Attributes:
        id: Names the creative; rows are creatives of their own where it is None.
        group: Names what belongs together; all rows do where it is None.
        targets: Their counts.
        dates: When they were counted; None where that is not known.
    """

    id: str | None
    group: str | None
    targets: Sequence[Target]
    dates: Dates | None = None


@dataclass(slots=True)
class _Sums:
    """What the rows of one creative add up to, in the order in which they are put aside."""

    rows: int = 0
    logits: list[float] = field(default_factory=list)
    trials: list[float] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    first_day: int | None = None

    def add(self, other: "_Sums") -> None:
        for name in ("logits", "trials", "successes"):
            mine, theirs = getattr(self, name), getattr(other, name)
            both = zip(mine, theirs, strict=True) if mine else ()
            setattr(self, name, [a + b for a, b in both] or theirs)
        self.rows += other.rows
        self.warnings = list(dict.fromkeys([*self.warnings, *other.warnings]))
        days = [day for day in (self.first_day, other.first_day) if day is not None]
        self.first_day = min(days, default=None)


_Groups = dict[str, dict[str, _Sums]]


class GroupsOfRows:
    """Collects the groups of a table.

    Args:
        columns: What is read.
        table: Names the table in errors.
        max_arms: Arms that are held in memory.
    """

    def __init__(self, columns: RowColumns, table: str, max_arms: int = MAX_ARMS_HELD) -> None:
        self._columns, self._table, self._max_arms = columns, table, max_arms
        self._faults = Faults(table)
        self._unscored: list[str] = []
        self._unscored_count = 0
        self._held: _Groups = {}
        self._arms = 0
        self._reference: int | None = None  # a day that weights are relative to
        self._newest = 0
        self._exits = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> "GroupsOfRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def add(self, piece: Piece, scores: pa.RecordBatch) -> None:
        """Takes rows and their scores, as `BatchScorer.score` gives them."""
        columns = self._columns
        labels = Columns(id=columns.id, headline=None, image=None, group=columns.group)
        cells = CheckedCells(labels, columns.targets, self._faults)
        cells.rows = piece.first_row
        cells.add(piece.rows)
        counts = self._counts(piece.first_row, cells)
        days = self._days(piece)
        ids = scores.column(0).to_pylist()
        groups = cells.texts[columns.group] if columns.group else [ONE_GROUP] * len(ids)
        logits = [_logits(scores, target.name) for target in columns.targets]
        errors, warnings = (scores.column(name).to_pylist() for name in ("error", "warnings"))
        for row, (group, identity) in enumerate(zip(groups, ids, strict=True)):
            if errors[row] is not None:
                self._refuse(piece.first_row + row, identity, errors[row])
                continue
            weight = self._weight(days[row])
            self._add(
                group,
                identity,
                _Sums(
                    1,
                    [column[row] for column in logits],
                    [weight * float(trials[row]) for _, trials in counts],
                    [weight * float(successes[row]) for successes, _ in counts],
                    list(filter(None, warnings[row].split(";"))),
                    days[row],
                ),
            )

    def groups(self, is_in_training: Callable[[str, int | None], bool]) -> Iterator[Group]:
        """All groups, once every row was added.

        Args:
            is_in_training: Whether the counts of a group may have been in the model's training,
                from its name and the day of its first row (a proleptic ordinal), if known.

        Raises:
            TableError: Some rows are no good; the first of each kind are named.
        """
        self._require_good_rows()
        scale = 1.0 if self._reference is None else 1 / self._weight(self._newest)
        for held in self._parts():
            for name, sums in held.items():
                first_days = [one.first_day for one in sums.values() if one.first_day is not None]
                seen = is_in_training(name, min(first_days, default=None))
                yield Group(name, [self._arm(*item, scale) for item in sums.items()], seen)

    # === Rows ===

    def _counts(self, first_row: int, cells: CheckedCells) -> list[tuple[Any, Any]]:
        """Successes and trials by target; faults are noted by the rows of the table."""
        local = Faults(self._table)
        counts = [checked_counts(one, cells.counts, local) for one in self._columns.targets]
        for row in local.rows - {row - first_row for row in self._faults.rows}:
            for target, (successes, trials) in zip(self._columns.targets, counts, strict=True):
                if successes[row] > trials[row]:
                    self._faults.add(
                        first_row + row,
                        f"target {target.name!r}",
                        f"expected at most as many {target.successes!r} as trials, {trials[row]}. "
                        f"Received: {successes[row]}",
                    )
        return counts

    def _days(self, piece: Piece) -> list[int | None]:
        dates = self._columns.dates
        if dates is None:
            return [None] * piece.rows.num_rows
        days: list[int | None] = []
        for row, cell in enumerate(values(piece.rows, dates.column), piece.first_row):
            day = _day(cell)
            if day is None:
                self._faults.add(
                    row,
                    f"column {dates.column!r}",
                    f"expected a date, or text that begins with YYYY-MM-DD. Received: {cut(cell)}",
                )
            days.append(day)
            self._newest = max(self._newest, day or 0)
        return days

    def _weight(self, day: int | None) -> float:
        """What a count of a day is worth, over one of the reference day."""
        dates = self._columns.dates
        if dates is None or dates.half_life_days is None or day is None:
            return 1.0
        if self._reference is None:
            self._reference = day
        return float(np.exp2((day - self._reference) / dates.half_life_days))

    def _refuse(self, row: int, identity: str, error: str) -> None:
        self._unscored_count += 1
        if len(self._unscored) < 3:
            self._unscored.append(f"{self._table}, row {row + 1} (id {cut(identity)}): {error}")

    def _require_good_rows(self) -> None:
        lines = [str(self._faults)] if self._faults.rows else []
        if self._unscored:
            more = self._unscored_count - len(self._unscored)
            lines += [*self._unscored, *([f"and {more} more rows like these"] if more else [])]
        if lines:
            raise TableError("\n".join(lines))

    # === Groups ===

    def _add(self, group: str, identity: str, sums: _Sums) -> None:
        arms = self._held.setdefault(group, {})
        held = arms.get(identity)
        if held is None:
            arms[identity] = sums
            self._arms += 1
            if self._arms >= self._max_arms:
                self._put_aside()
        else:
            held.add(sums)

    def _put_aside(self) -> None:
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(prefix="adscore-decide-")
            self._folder = Path(self._exits.enter_context(folder))
        lines: dict[int, list[str]] = {}
        for group, arms in self._held.items():
            number = zlib.crc32(group.encode()) % _FILES
            for identity, one in arms.items():
                row = [group, identity, *(getattr(one, name) for name in _Sums.__slots__)]
                lines.setdefault(number, []).append(json.dumps(row))
        for number, of_file in lines.items():
            with (self._folder / str(number)).open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in of_file)
        self._held, self._arms = {}, 0

    def _parts(self) -> Iterator[_Groups]:
        if self._folder is None:
            yield self._held
            return
        self._put_aside()
        for path in sorted(self._folder.iterdir(), key=lambda one: int(one.name)):
            groups: _Groups = {}
            with path.open(encoding="utf-8") as file:
                for line in file:
                    group, identity, *rest = json.loads(line)
                    groups.setdefault(group, {}).setdefault(identity, _Sums()).add(_Sums(*rest))
            yield groups

    def _arm(self, identity: str, sums: _Sums, scale: float) -> Arm:
        names = [target.name for target in self._columns.targets]
        return Arm(
            identity,
            {n: Prediction(x / sums.rows) for n, x in zip(names, sums.logits, strict=True)},
            {n: x * scale for n, x in zip(names, sums.trials, strict=True)},
            {n: x * scale for n, x in zip(names, sums.successes, strict=True)},
            tuple(sums.warnings),
        )


def _logits(scores: pa.RecordBatch, target: str) -> list[float]:
    """Predicted logits; of rows without a score, whatever."""
    means = scores.column(f"{target}_mean").to_pylist()
    return [Prediction.of_rate(0.5 if mean is None else mean).logit for mean in means]


def _day(cell: object) -> int | None:
    """A proleptic ordinal, or None where the cell is no day."""
    if isinstance(cell, datetime):
        return cell.date().toordinal()
    if isinstance(cell, date):
        return cell.toordinal()
    try:
        return date.fromisoformat(str(cell).strip()[:10]).toordinal()
    except ValueError:
        return None
