"""Checks of the cells of a training table; one message lists all faults of a kind.

Rows are numbered from 1, not counting the header.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.creative import Columns, Target
from adscore.errors import InvalidCreativeError, cut
from adscore.table.cells import image_cells, texts, values
from adscore.table.numbers import is_nothing
from adscore.table.totals import ROUNDED_ID, may_be_total_label, rows_of_sums

# Faults shown of each kind, and kinds shown.
SHOWN_FAULTS = 3
SHOWN_KINDS = 5

# Booleans as JSON and pandas write them.
_TRUTH = {"true": 1, "false": 0}
# A number as a spreadsheet shows it in a narrow column: in scientific notation, last digits lost.
_ROUNDED = re.compile(r"\d+([.,]\d+)?E[+]\d+")
_GROUPED = re.compile(r"\d{1,3}([ ,.'\u00a0\u202f\u2019]\d{3})+")

# int64; float64 where a target's successes may be fractional.
Counts = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class Faults:
    """Faults of a table, by kind.

    Attributes:
        table: Name of the table.
    """

    table: str
    _shown: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _rows: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    @property
    def rows(self) -> frozenset[int]:
        """Rows with any fault, counted from 0."""
        return frozenset().union(*self._rows.values())

    def add(self, row: int, where: str, text: str, remedy: str = "") -> None:
        """Records a fault.

        Args:
            row: Counted from 0.
            where: The column, or what else in the row is at fault.
            text: What was expected and received.
            remedy: What to do about faults of this kind.
        """
        kind = (where, remedy)
        shown = self._shown.setdefault(kind, [])
        self._rows.setdefault(kind, set()).add(row)
        if len(shown) < SHOWN_FAULTS:
            shown.append(f"{self.table}, row {row + 1}, {where}: {text}")

    def __str__(self) -> str:
        lines = []
        for kind, shown in [*self._shown.items()][:SHOWN_KINDS]:
            more = len(self._rows[kind]) - len(shown)
            lines += [*shown, *([f"and {more} more rows like these"] if more > 0 else [])]
            lines += filter(None, [kind[1]])
        if len(self._shown) > SHOWN_KINDS:
            lines.append(f"and {len(self._shown) - SHOWN_KINDS} more kinds of faults")
        return "\n".join(lines)


class CheckedCells:
    """All cells read so far.

    Args:
        columns: Which column holds what.
        targets: The rates whose counts are read.
        faults: Receives the cells with invalid values.
    """

    def __init__(self, columns: Columns, targets: Sequence[Target], faults: Faults) -> None:
        self.rows = 0
        single = (columns.id, columns.headline, columns.group)
        names = [name for name in (*single, *columns.context) if name is not None]
        self.texts: dict[str, list[str]] = {name: [] for name in names}
        self.images: list[str | bytes] = []
        self._image = columns.image
        counted = [name for target in targets for name in target.count_columns]
        self._counts: dict[str, list[NDArray[Any]]] = {name: [] for name in counted}
        self._fractional = _fractional_columns(targets)
        self._could_be_fractional = {one.successes: one for one in targets if one.trials}
        self._faults = faults
        self._of_truth: set[str] = set()

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds the cells of further rows."""
        for name, held in self.texts.items():
            held += self._readable(name, texts(batch, name))
        if self._image is not None:
            self.images += self._readable(self._image, image_cells(batch, self._image))
        for name, parts in self._counts.items():
            parts.append(self._numbers(name, self._readable(name, values(batch, name))))
        self.rows += batch.num_rows

    @property
    def counts(self) -> dict[str, NDArray[Any]]:
        """By column, the counts of all rows read so far, (rows,)."""
        return {name: np.concatenate(parts) for name, parts in self._counts.items()}

    @property
    def remarks(self) -> list[str]:
        """Notes on cells that were converted to numbers."""
        return [f"column {name!r}: True and False are 1 and 0" for name in sorted(self._of_truth)]

    def _readable(self, name: str, cells: Iterable[Any]) -> list[Any]:
        """The cells; those that could not be read are recorded as faults and become ``""``."""
        readable = []
        for row, cell in enumerate(cells, self.rows):
            if isinstance(cell, InvalidCreativeError):
                text = str(cell).removeprefix(f"{cell.field}: ")
                self._faults.add(row, f"column {name!r}", text)
            readable.append("" if isinstance(cell, InvalidCreativeError) else cell)
        return readable

    def _numbers(self, name: str, cells: Sequence[Any]) -> NDArray[Any]:
        fractional = name in self._fractional
        if any(map(_is_truth, cells)):
            self._of_truth.add(name)
        numbers = [_number(cell) for cell in cells]
        good = [one is not None and (fractional or one.is_integer()) for one in numbers]
        for row, (cell, is_good) in enumerate(zip(cells, good, strict=True)):
            if not is_good:
                kind = "number" if fractional else "whole number"
                text = f"expected a {kind} from 0. Received: {cut(repr(cell))}"
                target = None if numbers[row] is None else self._could_be_fractional.get(name)
                where = f"column {name!r}"
                self._faults.add(self.rows + row, where, text, _remedy(cell, target))
        values = [number if is_good else 0 for number, is_good in zip(numbers, good, strict=True)]
        return np.array(values, dtype=np.float64 if fractional else np.int64)


def _fractional_columns(targets: Sequence[Target]) -> set[str]:
    """Columns that may hold fractions: no target uses them as whole counts."""
    whole = {name for one in targets for name in one.count_columns[one.fractional :]}
    return {one.successes for one in targets if one.fractional} - whole


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.lower() in _TRUTH)


def _number(value: Any) -> float | None:
    """A cell as a number from 0, else None; pandas writes 12 as ``12.0``."""
    if isinstance(value, str) and _ROUNDED.fullmatch(value.strip()):
        return None
    try:
        number = float(_TRUTH.get(value.lower(), value) if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 2**53 else None


def _remedy(cell: Any, target: Target | None = None) -> str:
    """What to do about a cell that is not a count."""
    text = "" if cell is None else str(cell).strip()
    if is_nothing(text):
        return (
            "An empty cell is no count: write 0 where it means none, or let adscore prepare do so "
            "with --blank-is-zero"
        )
    if target is not None:
        columns = replace(target, fractional=True).columns
        return f'Parts of one are read with --target "{target.name}={columns}"'
    if _ROUNDED.fullmatch(text):
        return "A spreadsheet has rounded it: format the column as a number, and export it again"
    if "%" in text:
        return "A rate in per cent is no count: name the columns of successes and trials"
    if _GROUPED.fullmatch(text):
        return "Numbers with thousands separators are read by adscore prepare"
    return "Numbers as people write them are read by adscore prepare"


def checked_counts(
    target: Target, counts: Counts, faults: Faults
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Successes and trials of a target, (rows,) each; records rows with successes > trials."""
    successes = counts[target.successes]
    if target.trials is None:
        trials, expected = np.ones_like(successes), "0 or 1"
    else:
        trials, expected = counts[target.trials], f"at most {target.trials!r}"
    wrong = set(np.flatnonzero(successes > trials).tolist())
    for row in sorted(wrong - faults.rows):  # an unreadable count is already a fault
        received = f"{successes[row]}" + (f" of {trials[row]}" if target.trials else "")
        text = f"expected {target.successes!r} to be {expected}. Received: {received}"
        faults.add(row, f"target {target.name!r}", text)
    return successes, trials


def check_ids(column: str, ids: Sequence[str], faults: Faults) -> None:
    """Checks that ids are distinct, and not rounded by a spreadsheet."""
    first_row: dict[str, int] = {}
    where = f"column {column!r}"
    for row, value in enumerate(ids):
        first = first_row.setdefault(value, row)
        if ROUNDED_ID.fullmatch(value):
            text = f"expected an id. Received: {value!r}, which a spreadsheet has rounded"
            faults.add(row, where, text, "Format the column as text, and export it again")
        elif first != row:
            received = f"{cut(value)!r}, which row {first + 1} has too"
            remedy = _BLANK_IDS if is_nothing(value) else _REPEATED_IDS
            faults.add(row, where, f"expected distinct ids. Received: {received}", remedy)


_BLANK_IDS = "Such rows may be totals, which adscore prepare leaves out"
_REPEATED_IDS = (
    "Name another column with --id-column, or 'none' to number the rows; adscore prepare adds up "
    "the rows of one creative, such as those of its days"
)


def check_totals(labels: Sequence[Sequence[str]], counts: Counts, faults: Faults) -> None:
    """Checks that no row is a total: it would weigh as much as all rows it sums.

    Args:
        labels: Columns that identify a row: those of id, group and headline that the table has.
        counts: Counts by column.
        faults: Receives the rows that are totals.
    """
    columns = np.stack(list(counts.values()))  # (columns, rows)
    suspects = np.array([_could_be_total(cells) for cells in zip(*labels, strict=True)], bool)
    for row, what in rows_of_sums(columns, suspects).items():
        label = " ".join(cells[row] for cells in labels)
        text = f"expected a creative. Received: {cut(label)!r}, {what}"
        remedy = "Remove rows of totals, or let adscore prepare read the export without them"
        faults.add(row, "totals", text, remedy)


def _could_be_total(cells: Sequence[str]) -> bool:
    return any(is_nothing(cell) or may_be_total_label(cell) for cell in cells)
