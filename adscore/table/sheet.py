"""A sheet: a streamed table of text cells, with lines above its header and below its rows.

This module finds the header and names the columns; each file kind reads its own rows. What a
number means is decided by `adscore.table.numbers`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.errors import TableError, cut
from adscore.table.dialect import MAX_PREAMBLE

ROWS_AT_ONCE = 50_000
# A header has at least so many names known from platforms; a line with fewer may be a sentence.
_MIN_KNOWN_NAMES = 2
# A header has names; a cell with a number belongs to a row.
_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d[\d.,\s]*%?")
_PLACE = re.compile(r" \[\d+\]")


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """User settings for a sheet, where detection is not enough.

    Attributes:
        encoding: Encoding; None detects it.
        header_line: Line of the header, from 1; None detects it.
        sheet: Sheet of a workbook; None takes the only one with a table.
    """

    encoding: str | None = None
    header_line: int | None = None
    sheet: str | None = None


class SheetRows(NamedTuple):
    """Some rows of a sheet.

    Attributes:
        cells: Text cells; empty ones are ``""``.
        numbers: Row numbers, (rows,) int64, from 1 below the header; lines without any cell are not
            counted.
    """

    cells: pa.RecordBatch
    numbers: NDArray[np.int64]


@dataclass(slots=True)
class Sheet:
    """A sheet whose rows are not yet read.

    Attributes:
        name: Name of the sheet, for messages.
        columns: Column names without outer blanks; unnamed columns are left out, and repeated names
            get their place appended: ``Clicks [1]``.
        layout: How the sheet is read, in words, such as ``UTF-16, tabs, header in line 6``.
        footers: Lines that are not rows, such as a copyright; complete once the rows are read.
    """

    name: str
    columns: tuple[str, ...]
    layout: str
    _rows: Callable[["Sheet", Sequence[str]], Iterator[SheetRows]] = field(repr=False)
    footers: list[str] = field(default_factory=list)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[SheetRows]:
        """Reads the rows from the first on; may be called again once an earlier reading is done.

        Args:
            columns: Columns to read, in this order; None means all.

        Raises:
            TableError: A row has more cells than the header, or is not in the encoding.
        """
        return self._rows(self, tuple(self.columns if columns is None else columns))


# Counts the known names in a header; the line with the most is the header.
KnownNames = Callable[[Sequence[str]], int]


def header_at(
    records: Sequence[Sequence[str]], options: SheetOptions, known: KnownNames
) -> int | None:
    """Index of the header among the first rows, from 0; None if none qualifies."""
    if options.header_line is not None:
        at = options.header_line - 1
        return at if at < len(records) else None
    candidates = range(min(MAX_PREAMBLE, len(records)))
    best = max(candidates, key=lambda at: known(records[at]), default=0)
    if records and known(records[best]) >= _MIN_KNOWN_NAMES:
        return best
    widths = Counter(wide for one in records if (wide := width(one)) > 0)
    if not widths:
        return None
    usual = max(widths, key=lambda wide: (widths[wide] * wide, wide))
    return next((at for at in candidates if _could_be_header(records[at], usual)), None)


def _could_be_header(record: Sequence[str], usual: int) -> bool:
    cells = [cell.strip() for cell in record if cell.strip()]
    return (
        width(record) >= min(usual, 2)
        and width(record) >= 0.6 * usual
        and not any(_NUMBER.fullmatch(cell) for cell in cells)
    )


def width(record: Sequence[str]) -> int:
    """Number of cells up to the last non-empty one."""
    return max((at + 1 for at, cell in enumerate(record) if cell.strip()), default=0)


def named_columns(header: Sequence[str]) -> dict[str, int]:
    """Named columns and their places; repeated names get their place appended."""
    cells = {at: " ".join(cell.replace("\ufeff", "").split()) for at, cell in enumerate(header)}
    counted = Counter(cells.values())
    return {
        name if counted[name] == 1 else f"{name} [{at + 1}]": at
        for at, name in cells.items()
        if name
    }


def without_place(name: str) -> str:
    """A column's name as in the header, without the place appended to repeated names."""
    found = _PLACE.search(name)
    return name[: found.start()] if found and found.end() == len(name) else name


def sheet_of_rows(
    name: str, header: Sequence[str], rows: Callable[[], Iterator[list[str]]], layout: str
) -> Sheet:
    """A sheet of rows that are already lists of cells; `rows` can be called repeatedly."""
    places = named_columns(header)

    def read(_: Sheet, columns: Sequence[str]) -> Iterator[SheetRows]:
        filled = (row for row in rows() if any(row))
        first = 1
        while chunk := list(itertools.islice(filled, ROWS_AT_ONCE)):
            cells = [
                pa.array([row[at] if at < len(row) else "" for row in chunk], pa.string())
                for at in (places[one] for one in columns)
            ]
            numbers = np.arange(first, first + len(chunk))
            yield SheetRows(pa.record_batch(cells, names=list(columns)), numbers)
            first += len(chunk)

    return Sheet(name, tuple(places), layout, read)


def no_header(name: str) -> TableError:
    """The error for a sheet without a recognisable header."""
    return TableError(
        f"{name}: expected a header, a line that names the columns. Received: none in the first "
        f"{MAX_PREAMBLE} lines; say where it is with --header-line"
    )


def listed(names: Sequence[str]) -> str:
    """The first few names, for a message."""
    shown = ", ".join(repr(cut(one, 120)) for one in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
