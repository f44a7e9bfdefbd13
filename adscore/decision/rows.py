"""Collects the rows of a table into groups of arms; sums the rows of a creative, in any order.

Memory is bounded: when many arms are held, they are spilled to files by a digest of their group,
and each file is read on its own.
"""

import json
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from adscore.creative import Columns, Target
from adscore.decision.groups import Arm, Group, Prediction, is_finite
from adscore.errors import DecisionError, TableError, cut
from adscore.table import Piece, values
from adscore.table.checks import CheckedCells, Faults, checked_counts
from adscore.table.numbers import is_nothing

# About 100 MB of Python objects.
MAX_ARMS_HELD = 150_000
_FILES = 64
ONE_GROUP = "all"  # name of the only group, without a group column
_UNNAMED = "Such rows would be joined. They may be totals, which adscore prepare leaves out"


@dataclass(frozen=True, slots=True)
class Dates:
    """When rows were counted, and how fast their counts lose weight.

    Attributes:
        column: Column of days, as dates or as texts that begin with YYYY-MM-DD.
        half_life_days: Days after which a count has half its weight; None keeps full weight.

    Raises:
        DecisionError: The half-life is not a number above 0.
    """

    column: str
    half_life_days: float | None = None

    def __post_init__(self) -> None:
        half_life = self.half_life_days
        if half_life is not None and not (is_finite(half_life) and half_life > 0):
            raise DecisionError("half-life", f"expected days above 0. Received: {half_life!r:.80}")


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Columns that are read in addition to those that are scored.

    Attributes:
        id: Column of the creative's id; without it, each row is a creative of its own.
        group: Column of the group; without it, all rows form one group.
        targets: Targets whose counts are read.
        dates: When rows were counted; None if unknown.
    """

    id: str | None
    group: str | None
    targets: Sequence[Target]
    dates: Dates | None = None


@dataclass(slots=True)
class _Sums:
    """Sums over the rows of one creative; fields are in the order in which they are spilled.

    If days are known, counts are discounted to the last day.
    """

    rows: int = 0
    logits: list[float] = field(default_factory=list)
    trials: list[float] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    first_day: int | None = None
    last_day: int | None = None

    def add(self, other: "_Sums", half_life_days: float | None) -> None:
        if self.first_day is not None and other.first_day is not None:
            last = max(self.last_day or 0, other.last_day or 0)
            for one in (self, other):
                one.age(last, half_life_days)
            self.first_day = min(self.first_day, other.first_day)
        for name in ("logits", "trials", "successes"):
            both = zip(getattr(self, name), getattr(other, name), strict=True)
            setattr(self, name, [a + b for a, b in both])
        self.rows += other.rows
        self.warnings = list(dict.fromkeys([*self.warnings, *other.warnings]))

    def age(self, day: int, half_life_days: float | None) -> None:
        """Discounts the counts to a day, not before the last one."""
        if half_life_days is not None and self.last_day is not None:
            left = 0.5 ** ((day - self.last_day) / half_life_days)
            self.trials = [left * count for count in self.trials]
            self.successes = [left * count for count in self.successes]
        self.last_day = day


_Groups = dict[str, dict[str, _Sums]]


class GroupsOfRows:
    """Collects the groups of a table.

    Args:
        columns: Columns to read.
        table: Name of the table, for errors.
        max_arms: Number of arms held in memory.
    """

    def __init__(self, columns: RowColumns, table: str, max_arms: int = MAX_ARMS_HELD) -> None:
        self._columns, self._table, self._max_arms = columns, table, max_arms
        self._faults = Faults(table)
        self._unscored: list[str] = []
        self._unscored_count = 0
        self._held: _Groups = {}
        self._arms = 0
        self._half_life_days = columns.dates.half_life_days if columns.dates else None
        self._newest = 0
        self._exits = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> "GroupsOfRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def add(self, piece: Piece, scores: pa.RecordBatch) -> None:
        """Adds rows and their scores, as `BatchScorer.score` returns them."""
        columns = self._columns
        labels = Columns(id=columns.id, headline=None, image=None, group=columns.group)
        cells = CheckedCells(labels, columns.targets, self._faults)
        cells.rows = piece.first_row
        cells.add(piece.rows)
        counts = self._counts(piece.first_row, cells)
        days = self._days(piece)
        ids = scores.column(0).to_pylist()
        groups = cells.texts[columns.group] if columns.group else [ONE_GROUP] * len(ids)
        # A group may be called "NA"; a creative may not.
        for name, is_unnamed in ((columns.group, _is_blank), (columns.id, is_nothing)):
            if name is not None:
                self._require_named(piece.first_row, name, map(is_unnamed, cells.texts[name]))
        logits = [_logits(scores, target.name) for target in columns.targets]
        errors, warnings = (scores.column(name).to_pylist() for name in ("error", "warnings"))
        for row, (group, identity) in enumerate(zip(groups, ids, strict=True)):
            if errors[row] is not None:
                self._refuse(piece.first_row + row, identity, errors[row])
                continue
            self._add(
                group,
                identity,
                _Sums(
                    1,
                    [column[row] for column in logits],
                    [float(trials[row]) for _, trials in counts],
                    [float(successes[row]) for successes, _ in counts],
                    list(filter(None, warnings[row].split(";"))),
                    days[row],
                    days[row],
                ),
            )

    def groups(self, is_in_training: Callable[[str, int | None], bool]) -> Iterator[Group]:
        """Yields all groups, once every row has been added.

        Args:
            is_in_training: Whether the counts of a group may have been in the model's training,
                from its name and the day of its first row (a proleptic ordinal), if known.

        Raises:
            TableError: Rows are invalid; the first of each kind are named.
        """
        self._require_good_rows()
        for held in self._parts():
            for name, sums in held.items():
                first_days = [one.first_day for one in sums.values() if one.first_day is not None]
                seen = is_in_training(name, min(first_days, default=None))
                yield Group(name, [self._arm(*item) for item in sums.items()], seen)

    # === Rows ===

    def _counts(self, first_row: int, cells: CheckedCells) -> list[tuple[Any, Any]]:
        """Successes and trials by target; records faults by row of the table."""
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

    def _require_named(self, first_row: int, column: str, unnamed: Iterable[bool]) -> None:
        for row, is_unnamed in enumerate(unnamed, first_row):
            if is_unnamed:
                text = "expected a name. Received: none"
                self._faults.add(row, f"column {column!r}", text, _UNNAMED)

    def _days(self, piece: Piece) -> list[int | None]:
        dates = self._columns.dates
        if dates is None:
            return [None] * piece.rows.num_rows
        # Tomorrow has begun somewhere.
        latest = datetime.now(UTC).date().toordinal() + 1
        days: list[int | None] = []
        for row, cell in enumerate(values(piece.rows, dates.column), piece.first_row):
            day = _day(cell)
            if day is None or day > latest:
                expected = "a date, or text that begins with YYYY-MM-DD"
                if day is not None:
                    expected = "a day that has begun: counts are never newer"
                text = f"expected {expected}. Received: {cut(cell)}"
                self._faults.add(row, f"column {dates.column!r}", text)
            days.append(day)
            self._newest = max(self._newest, day or 0)
        return days

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
            held.add(sums, self._half_life_days)

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
                    arms, sums = groups.setdefault(group, {}), _Sums(*rest)
                    held = arms.setdefault(identity, sums)
                    if held is not sums:
                        held.add(sums, self._half_life_days)
            yield groups

    def _arm(self, identity: str, sums: _Sums) -> Arm:
        sums.age(self._newest, self._half_life_days)
        names = [target.name for target in self._columns.targets]
        return Arm(
            identity,
            {n: Prediction(x / sums.rows) for n, x in zip(names, sums.logits, strict=True)},
            dict(zip(names, sums.trials, strict=True)),
            dict(zip(names, sums.successes, strict=True)),
            tuple(sums.warnings),
        )


def _is_blank(cell: str) -> bool:
    return not cell.strip()


def _logits(scores: pa.RecordBatch, target: str) -> list[float]:
    """Predicted logits; a row without a score gets an arbitrary one."""
    means = scores.column(f"{target}_mean").to_pylist()
    return [Prediction.of_rate(0.5 if mean is None else mean).logit for mean in means]


def _day(cell: object) -> int | None:
    """A day as a proleptic ordinal; None if the cell is not a day."""
    if isinstance(cell, datetime):
        return cell.date().toordinal()
    if isinstance(cell, date):
        return cell.toordinal()
    try:
        return date.fromisoformat(str(cell).strip()[:10]).toordinal()
    except ValueError:
        return None
