"""Files as people have them -> a table of text cells, streamed.

A sheet is a table in a text file of any encoding and separator, perhaps packed, or in an Excel
workbook. There may be lines above its header and below its rows. Every cell is text here; what a
number means is settled by `adscore.table.numbers`.
"""

import csv
import gzip
import io
import itertools
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError, cut
from adscore.table.dialect import (
    HEAD_BYTES,
    MAX_PREAMBLE,
    SEPARATOR_LINE,
    SEPARATOR_WORDS,
    Lines,
    decoded,
    encoding_of,
    records_of,
    separator_of,
    shown,
)

_BLOCK_BYTES = 1024 * 1024
_ROWS_AT_ONCE = 50_000
# Excel keeps 15 digits of a number; an id with more has lost its last ones.
_EXCEL_DIGITS = 10**15


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


@dataclass(slots=True)
class Sheet:
    """A sheet whose rows are still to be read.

    Attributes:
        name: Names it in messages.
        columns: Names of its columns, blanks around them removed; columns without a name are
            left out.
        layout: How it is read, in words, such as ``UTF-16, tabs, header in line 6``.
        header_line: The line of its header, from 1.
        footers: Lines that are no rows, such as a copyright; known once the rows were read.
    """

    name: str
    columns: tuple[str, ...]
    layout: str
    header_line: int
    _batches: Callable[["Sheet", Sequence[str]], Iterator[pa.RecordBatch]] = field(repr=False)
    footers: list[str] = field(default_factory=list)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Its rows, every cell a text; once.

        Args:
            columns: Which columns, in this order; None means all.

        Raises:
            TableError: A row has more cells than the header, or is not of the encoding.
        """
        return self._batches(self, tuple(columns or self.columns))


# Says how many names of a header are known; the line with the most is the header.
KnownNames = Callable[[Sequence[str]], int]


def open_sheet(
    file: IO[bytes],
    name: str,
    options: SheetOptions | None = None,
    known: KnownNames = lambda _: 0,
) -> Sheet:
    """Opens a sheet of any kind, by its own bytes rather than its name.

    Args:
        file: The file; it can be rewound.
        name: Names it in messages.
        options: What the user says of it.
        known: Helps to find the header among the lines above it.

    Raises:
        TableError: It has no header, or is of a kind that cannot be read.
    """
    options = options or SheetOptions()
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        return open_sheet(cast("IO[bytes]", gzip.GzipFile(fileobj=file)), name, options, known)
    if start == b"PK\x03\x04":
        return _open_zip(file, name, options, known)
    if start == b"\xd0\xcf\x11\xe0":
        return _workbook(file, name, options, known)
    if start == b"PAR1":
        return _parquet(file, name)
    if not start:
        raise TableError(f"{name}: expected a table. Received: an empty file")
    return _text(file, name, options, known)


# === Packed files and workbooks ===


def _open_zip(file: IO[bytes], name: str, options: SheetOptions, known: KnownNames) -> Sheet:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise TableError(f"{name}: expected a zip file or workbook. Received: {error}") from error
    if "xl/workbook.xml" in archive.namelist() or "xl/workbook.bin" in archive.namelist():
        file.seek(0)
        return _workbook(file, name, options, known)
    members = [
        one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename
    ]
    if len(members) != 1:
        raise TableError(
            f"{name}: expected one file in the archive. Received: {len(members)}, "
            f"{_listed([one.filename for one in members])}; unpack it and name the one to read"
        )
    return open_sheet(archive.open(members[0]), f"{name}:{members[0].filename}", options, known)


def _workbook(file: IO[bytes], name: str, options: SheetOptions, known: KnownNames) -> Sheet:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(file)
    except CalamineError as error:
        raise TableError(f"{name}: expected a workbook. Received: {error}") from error
    if options.sheet is not None and options.sheet not in book.sheet_names:
        raise TableError(
            f"{name}: expected a sheet {options.sheet!r} (--sheet). "
            f"Received: {_listed(book.sheet_names)}"
        )
    wanted = [options.sheet] if options.sheet is not None else book.sheet_names
    found = {}
    for one in wanted:
        sheet = book.get_sheet_by_name(one)
        head = [
            [_cell_text(cell) for cell in row]
            for row in itertools.islice(sheet.iter_rows(), MAX_PREAMBLE + 20)
        ]
        if (at := _header_at(head, options, known)) is not None:
            found[one] = (sheet, at, head[at])
    if not found:
        raise _no_header(name)
    if len(found) > 1:
        raise TableError(
            f"{name}: expected one sheet with a table. Received: {_listed(list(found))}; "
            "name the one to read with --sheet"
        )
    [(title, (sheet, at, header))] = found.items()
    rows = (
        [_cell_text(cell) for cell in row]
        for row in itertools.islice(sheet.iter_rows(), at + 1, None)
    )
    layout = f"workbook, sheet {title!r}, header in line {at + 1}"
    return _of_rows(name, header, rows, layout, at + 1)


def _cell_text(cell: Any) -> str:
    """A workbook's cell as text; a whole number without a decimal point."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        # Beyond its digits it is written as it came, so that a damaged id can be told.
        return str(int(cell)) if abs(cell) < _EXCEL_DIGITS else f"{cell:E}"
    return str(cell)


def _of_rows(
    name: str, header: Sequence[str], rows: Iterator[list[str]], layout: str, line: int
) -> Sheet:
    """A sheet of rows that are lists already."""
    named, kept = _named(name, header)

    places = dict(zip(named, kept, strict=True))

    def batches(_: Sheet, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        while chunk := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            cells = [
                pa.array([row[at] if at < len(row) else "" for row in chunk], pa.string())
                for at in (places[one] for one in columns)
            ]
            yield pa.record_batch(cells, names=list(columns))

    return Sheet(name, named, layout, line, batches)


def _parquet(file: IO[bytes], name: str) -> Sheet:
    try:
        source = pyarrow.parquet.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise TableError(f"{name}: expected a Parquet file. Received: {error}") from error
    fields = [one for one in source.schema_arrow if not pa.types.is_nested(one.type)]
    names = tuple(one.name for one in fields)

    def batches(_: Sheet, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in source.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
            cells = [batch.column(one).cast(pa.string()).fill_null("") for one in columns]
            yield pa.record_batch(cells, names=list(columns))

    return Sheet(name, names, "Parquet", 0, batches)


# === Text ===


def _text(file: IO[bytes], name: str, options: SheetOptions, known: KnownNames) -> Sheet:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    encoding = options.encoding or encoding_of(head, whole=len(head) < HEAD_BYTES)
    text = decoded(head, encoding, name)
    if text.lstrip()[:1] in ("[", "{"):
        return _json(file, name, encoding)
    separator = None
    if match := SEPARATOR_LINE.match(text):
        separator = match[1]
    separator = separator or separator_of(text)
    records, ends = records_of(text, separator)
    at = _header_at(records, options, known)
    if at is None:
        raise _no_header(name)
    line = ends[at - 1] + 1 if at else 1
    body = Lines(file, encoding, skip=ends[at])
    marks = SEPARATOR_WORDS.get(separator, repr(separator))
    layout = f"{shown(encoding)}, {marks}, header in line {line}"
    return _delimited(name, records[at], body, separator, layout, line)


def _header_at(
    records: Sequence[Sequence[str]], options: SheetOptions, known: KnownNames
) -> int | None:
    """Which row is the header; None where none can be."""
    if options.header_line is not None:
        at = options.header_line - 1
        return at if at < len(records) else None
    candidates = range(min(MAX_PREAMBLE, len(records)))
    best = max(candidates, key=lambda at: known(records[at]), default=0)
    if records and known(records[best]) >= 2:
        return best
    widths = Counter(width for one in records if (width := _width(one)) > 0)
    if not widths:
        return None
    usual = max(widths, key=lambda width: (widths[width] * width, width))
    for at in candidates:
        cells = [cell.strip() for cell in records[at] if cell.strip()]
        if (
            _width(records[at]) >= min(usual, 2)
            and _width(records[at]) >= 0.6 * usual
            and not any(_NUMBER.fullmatch(cell) for cell in cells)
        ):
            return at
    return None


# A header names things; a cell that is a number belongs to a row.
_NUMBER = re.compile(r"[-+]?[\d.,  ]*\d[\d.,  ]*%?")


def _width(record: Sequence[str]) -> int:
    """Cells up to the last one that holds something."""
    return max((at + 1 for at, cell in enumerate(record) if cell.strip()), default=0)


def _delimited(
    name: str, header: Sequence[str], body: Lines, separator: str, layout: str, line: int
) -> Sheet:
    named, kept = _named(name, header)
    width = len(header)
    places = [f"c{at}" for at in range(width)]
    place_of = dict(zip(named, (places[at] for at in kept), strict=True))

    def batches(sheet: Sheet, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = {place_of[one]: one for one in columns}
        short: list[list[str]] = []
        long: list[str] = []

        def judge(row: pyarrow.csv.InvalidRow) -> str:
            cells = next(csv.reader([row.text], delimiter=separator), [])
            if len(cells) > width and any(cell.strip() for cell in cells[width:]):
                long.append(row.text)
                return "error"
            if _width(cells) <= 1 < width:
                sheet.footers.append(row.text.strip().strip('"').strip())
            else:
                short.append([*cells, *[""] * width][:width])
            return "skip"

        for batch in _arrow_batches(body, name, places, list(wanted), separator, judge, long):
            yield batch.rename_columns(list(columns))
            if short:
                yield _padded(short, places, wanted)
                short.clear()
        if short:
            yield _padded(short, places, wanted)

    return Sheet(name, named, layout, line, batches)


def _arrow_batches(
    body: Lines,
    name: str,
    places: Sequence[str],
    wanted: Sequence[str],
    separator: str,
    judge: Callable[[pyarrow.csv.InvalidRow], str],
    long: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    read = pyarrow.csv.ReadOptions(
        use_threads=False, block_size=_BLOCK_BYTES, column_names=list(places)
    )
    parse = pyarrow.csv.ParseOptions(
        delimiter=separator, newlines_in_values=True, invalid_row_handler=judge
    )
    convert = pyarrow.csv.ConvertOptions(
        column_types={place: pa.string() for place in places},
        strings_can_be_null=False,
        include_columns=list(wanted),
    )
    try:
        yield from pyarrow.csv.open_csv(
            cast("Any", io.BufferedReader(body, 1024 * 1024)), read, parse, convert
        )
    except UnicodeDecodeError as error:
        raise TableError(
            f"{name}: expected text in {error.encoding} to its end. Received: {error.reason}; name "
            "the encoding with --encoding, or save the file as CSV UTF-8"
        ) from error
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        if long:
            raise TableError(
                f"{name}: expected {len(places)} cells in each row, as in the header. Received: "
                f"{cut(long[0], 120)}; is a separator in a cell without quotes?"
            ) from error
        raise TableError(f"{name}: expected a table. Received: {cut(error, 120)}") from error


def _padded(
    rows: Sequence[Sequence[str]], places: Sequence[str], wanted: Mapping[str, str]
) -> pa.RecordBatch:
    cells = [pa.array([row[places.index(one)] for row in rows], pa.string()) for one in wanted]
    return pa.record_batch(cells, names=list(wanted.values()))


def _named(name: str, header: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the columns that have one, and where they stand."""
    kept = [(at, " ".join(cell.split())) for at, cell in enumerate(header) if cell.strip()]
    names = tuple(one for _, one in kept)
    twice = [one for one, count in Counter(names).items() if count > 1]
    if twice:
        raise TableError(
            f"{name}: expected distinct names of columns. Received: {_listed(twice)} more than once"
        )
    return names, tuple(at for at, _ in kept)


def _json(file: IO[bytes], name: str, encoding: str) -> Sheet:
    """Objects, one a line or in a list; a list may stand under one key, as services answer."""
    text = file.read().decode(encoding)
    try:
        try:
            data = json.loads(text)
        except json.JSONDecodeError:
            data = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (json.JSONDecodeError, RecursionError) as error:
        raise TableError(f"{name}: expected JSON. Received: {error}") from error
    if isinstance(data, dict):
        lists = [one for one in data.values() if isinstance(one, list) and one]
        data = lists[0] if len(lists) == 1 else [data]
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data) or not data:
        raise TableError(f"{name}: expected a list of objects. Received: other JSON")
    header = list(dict.fromkeys(key for row in data for key in row))
    rows = ([_json_text(row.get(key)) for key in header] for row in data)
    return _of_rows(name, header, iter(rows), "JSON", 0)


def _json_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


# === Words ===


def _no_header(name: str) -> TableError:
    return TableError(
        f"{name}: expected a header, a line that names the columns. Received: none in the first "
        f"{MAX_PREAMBLE} lines; say where it is with --header-line"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(cut(one, 120)) for one in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
