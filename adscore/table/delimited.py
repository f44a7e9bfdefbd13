"""Reads delimited text files in any encoding as a sheet of text cells, with Arrow's CSV reader."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from adscore.errors import TableError, cut
from adscore.table.dialect import (
    SEPARATOR_LINE,
    SEPARATOR_WORDS,
    Lines,
    records_of,
    separator_of,
    shown,
)
from adscore.table.sheet import (
    KnownNames,
    Sheet,
    SheetOptions,
    SheetRows,
    header_at,
    named_columns,
    no_header,
    width,
)
from adscore.table.totals import is_total_label

_BLOCK_BYTES = 1024 * 1024
_QUOTES = "\"'"


def open_delimited(
    file: IO[bytes], text: str, encoding: str, name: str, options: SheetOptions, known: KnownNames
) -> Sheet:
    """Opens a delimited text file.

    Args:
        file: The file, at its beginning.
        text: The beginning of the file, decoded.
        encoding: Encoding of the file.
        name: Name of the file, for messages.
        options: Settings of the user.
        known: Counts the known names in a header.

    Raises:
        TableError: No header was found.
    """
    said = SEPARATOR_LINE.match(text.removeprefix("\ufeff"))
    separator = said[1] if said else separator_of(text)
    records, ends = records_of(text, separator)
    at = header_at(records, options, known)
    if at is None:
        raise no_header(name)
    line = ends[at - 1] + 1 if at else 1
    places = named_columns(records[at])
    reading: list[Lines] = []
    marks = SEPARATOR_WORDS.get(separator, repr(separator))

    def rows(sheet: Sheet, columns: Sequence[str]) -> Iterator[SheetRows]:
        for earlier in reading:  # Arrow may still be reading ahead in it
            earlier.close()
        file.seek(0)
        sheet.footers.clear()
        reading[:] = [Lines(file, encoding, skip=ends[at])]
        body = _Body(reading[0], name, separator, len(records[at]))
        return body.rows({one: places[one] for one in columns}, sheet.footers)

    return Sheet(name, tuple(places), f"{shown(encoding)}, {marks}, header in line {line}", rows)


@dataclass(slots=True)
class _Body:
    """The rows below a header.

    Short rows are padded to the header's width; a line with a single cell is not a row.

    Attributes:
        lines: The lines below the header, in UTF-8.
        name: Name of the file, for errors.
        separator: Separator of cells.
        width: Number of cells in the header.
    """

    lines: Lines
    name: str
    separator: str
    width: int
    _short: dict[int, list[str]] = field(default_factory=dict)
    _skipped: list[int] = field(default_factory=list)
    _long: str = ""

    def rows(self, places: dict[str, int], footers: list[str]) -> Iterator[SheetRows]:
        names = list(places)

        def judge(row: pyarrow.csv.InvalidRow) -> str:
            cells = next(csv.reader([row.text], delimiter=self.separator), [])
            beyond = " ".join(cells[self.width :]).strip()
            if is_total_label(beyond):
                footers.append(row.text.strip())
            elif beyond:
                self._long = row.text
                return "error"
            elif width(cells) <= 1 < self.width:
                footers.append(row.text.strip().strip(_QUOTES).strip())
            else:
                self._short[row.number] = [*cells, *[""] * self.width]
            self._skipped.append(row.number)
            return "skip"

        last = 0
        for batch in self._batches([f"c{at}" for at in places.values()], judge):
            numbers = self._numbers(last, batch.num_rows)
            last = int(numbers[-1]) if len(numbers) else last
            yield self._with_short(batch.rename_columns(names), numbers, places, last)
        if self._short:
            empty = pa.record_batch([pa.array([], pa.string()) for _ in names], names)
            end = max(self._short)
            yield self._with_short(empty, np.array([], np.int64), places, end)

    def _numbers(self, last: int, count: int) -> NDArray[np.int64]:
        """Numbers of the next `count` rows; those of skipped rows are left out."""
        beyond = [number for number in self._skipped if number > last]
        numbers = np.arange(last + 1, last + 1 + count + len(beyond))
        self._skipped = beyond
        return numbers[~np.isin(numbers, beyond)][:count]

    def _with_short(
        self, batch: pa.RecordBatch, numbers: NDArray[np.int64], places: dict[str, int], last: int
    ) -> SheetRows:
        """Merges the short rows up to number `last` into a batch, in order of row number."""
        due = [number for number in self._short if number <= last]
        if not due:
            return SheetRows(batch, numbers)
        short = [self._short.pop(number) for number in due]
        filled = [pa.array([row[at] for row in short], pa.string()) for at in places.values()]
        together = [pa.concat_arrays(pair) for pair in zip(batch.columns, filled, strict=True)]
        numbers = np.concatenate([numbers, np.array(due, np.int64)])
        order = np.argsort(numbers)
        rows = pa.record_batch(together, names=list(places)).take(pa.array(order))
        return SheetRows(rows, numbers[order])

    def _batches(self, wanted: Sequence[str], judge: Any) -> Iterator[pa.RecordBatch]:
        names = [f"c{at}" for at in range(self.width)]
        read = pyarrow.csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, column_names=names
        )
        parse = pyarrow.csv.ParseOptions(
            delimiter=self.separator, newlines_in_values=True, invalid_row_handler=judge
        )
        convert = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            include_columns=list(dict.fromkeys(wanted)),
        )
        lines = cast("Any", io.BufferedReader(self.lines, _BLOCK_BYTES))
        try:
            yield from pyarrow.csv.open_csv(lines, read, parse, convert)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return
            raise self._error(error) from error

    def _error(self, error: Exception) -> TableError:
        if not self._long:
            return TableError(f"{self.name}: expected a table. Received: {cut(error, 120)}")
        return TableError(
            f"{self.name}: expected {self.width} cells in each row, as in the header. Received: "
            f"{cut(self._long, 120)}; is a separator in a cell without quotes?"
        )
