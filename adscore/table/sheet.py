"""What a sheet is: a table of text cells, streamed, with lines above its header and below its rows.

Where its header is and what its columns are called is found out here; how its rows are read is a
matter of its kind. What a number means is settled by `adscore.table.numbers`.
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
# Names of a header that some platform has; a line with fewer may be a sentence.
_MIN_KNOWN_NAMES = 2
# A header names things; a cell that is a number belongs to a row.
_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d[\d.,\s]*%?")
_PLACE = re.compile(r" \[\d+\]")


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """What a user says of a sheet, where looking at it is not enough.

    Attributes:
        encoding: Its encoding; None finds it out.
        header_line: The line of its header, from 1; None finds it out.
        sheet: The sheet of a workbook; None takes the only one that has a table.
    """

    encoding: str | None = None
    header_line: int | None = None
    sheet: str | None = None


class SheetRows(NamedTuple):
    """Some rows of a sheet.

    Attributes:
        cells: Their cells, texts; empty ones are ``""``.
        numbers: Their numbers, (rows,) int64, from 1 below the header; lines without any cell are
            not counted.
    """

    cells: pa.RecordBatch
    numbers: NDArray[np.int64]


@dataclass(slots=True)
class Sheet:
    """A sheet whose rows are still to be read.

    Attributes:
        name: Names it in messages.
        columns: Names of its columns, blanks around them removed; columns without a name are
            left out, and those of one name get their place behind it: ``Clicks [1]``.
        layout: How it is read, in words, such as ``UTF-16, tabs, header in line 6``.
        footers: Lines that are no rows, such as a copyright; known once the rows were read.
    """

    name: str
    columns: tuple[str, ...]
    layout: str
    _rows: Callable[["Sheet", Sequence[str]], Iterator[SheetRows]] = field(repr=False)
    footers: list[str] = field(default_factory=list)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[SheetRows]:
        """Its rows from the first on; they can be read again, one reading after the other.

        Args:
            columns: Which columns, in this order; None means all.

        Raises:
            TableError: A row has more cells than the header, or is not of the encoding.
        """
        return self._rows(self, tuple(self.columns if columns is None else columns))


# Says how many names of a header are known; the line with the most is the header.
KnownNames = Callable[[Sequence[str]], int]


def header_at(
    records: Sequence[Sequence[str]], options: SheetOptions, known: KnownNames
) -> int | None:
    """Which of the first rows is the header, from 0; None where none can be."""
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
    """Cells up to the last one that holds something."""
    return max((at + 1 for at, cell in enumerate(record) if cell.strip()), default=0)


def named_columns(header: Sequence[str]) -> dict[str, int]:
    """The columns that have a name, and where they stand; names that repeat get their place."""
    cells = {at: " ".join(cell.replace("\ufeff", "").split()) for at, cell in enumerate(header)}
    counted = Counter(cells.values())
    return {
        name if counted[name] == 1 else f"{name} [{at + 1}]": at
        for at, name in cells.items()
        if name
    }


def without_place(name: str) -> str:
    """The name of a column as it stands in the header."""
    found = _PLACE.search(name)
    return name[: found.start()] if found and found.end() == len(name) else name


def sheet_of_rows(
    name: str, header: Sequence[str], rows: Callable[[], Iterator[list[str]]], layout: str
) -> Sheet:
    """A sheet of rows that are lists of cells already, which can be had again."""
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
    """The error of a sheet whose header was not found."""
    return TableError(
        f"{name}: expected a header, a line that names the columns. Received: none in the first "
        f"{MAX_PREAMBLE} lines; say where it is with --header-line"
    )


def listed(names: Sequence[str]) -> str:
    """The first of some names, for a message."""
    shown = ", ".join(repr(cut(one, 120)) for one in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
