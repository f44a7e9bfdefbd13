"""The table reader: a stream of Arrow batches, in memory that does not grow with the table.

A table is a .csv, .parquet or .jsonl file, a folder of files of one such kind, read in order of
name, or a data frame. Only requested columns are read. Columns of .csv and .jsonl are text, so
that an id such as 007 keeps its zeros; others keep their type.
"""

import csv
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from adscore.creative import NO_COLUMN
from adscore.errors import TableError, cut
from adscore.table.dialect import plain
from adscore.table.formats import BATCH_BYTES, Source, Weighed, source_of
from adscore.table.frames import FRAME, Frame, arrow_table, is_pandas
from adscore.table.location import Location

SHOWN_COLUMNS = 40
MAX_REMARKS = 5
NAME_ANOTHER = f"Name another with an option, or {NO_COLUMN!r} where there is none"
# Least similarity, from 0 to 1, for suggesting a column that may have been misspelt.
ALIKE = 0.6


class MissingColumnsError(TableError):
    """A table lacks columns that were asked for.

    Attributes:
        missing: The missing names.
        what: What was expected and received.
        hint: What to do about this table; empty if naming other columns may help.
    """

    def __init__(self, missing: Sequence[str], what: str, hint: str = "") -> None:
        super().__init__(f"{what} {hint or NAME_ANOTHER}")
        self.missing = tuple(missing)
        self.what = what
        self.hint = hint


class Piece(NamedTuple):
    """Rows of a table, and their place in it.

    Attributes:
        rows: The rows.
        first_row: Number of the first row, counted from 0.
        share: Share of the table read by the end of this piece, from 0 to 1; None if its size is
            unknown. For .csv and .jsonl it is measured in bytes.
    """

    rows: pa.RecordBatch
    first_row: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Columns selected from a source, possibly renamed.

    Attributes:
        source: The source of the rows.
        names: Their names in the source.
        schema: Their names as asked for, and their types.
    """

    source: Source
    names: tuple[str, ...]
    schema: pa.Schema

    @property
    def file(self) -> Location:
        """Location of the source."""
        return self.source.file

    def batches(self, rows: int) -> Iterator[Weighed]:
        """Reads batches of about `rows` rows."""
        with _named_errors(self.file):
            for batch, weight in self.source.batches(self.names, rows):
                yield pa.record_batch(batch.columns, schema=self.schema), weight

    def pieces(self) -> list["Selection"]:
        """Splits the selection into parts that can be read separately, as by a cluster's tasks."""
        with _named_errors(self.file):
            return [replace(self, source=piece) for piece in self.source.pieces()]

    def remarks(self) -> list[str]:
        """What a user should know about how the source is read."""
        renamed = ", ".join(
            f"{asked!r} from {cut(there)!r}"
            for asked, there in zip(self.schema.names, self.names, strict=True)
            if asked != there
        )
        columns = f"{self.file.name}: columns are read: {renamed}" if renamed else ""
        return [*filter(None, [self.source.remark(), columns])]


@dataclass(frozen=True, slots=True)
class TableStream:
    """A table whose columns are known and whose rows are not yet read.

    Attributes:
        location: Location of the table.
        sources: Its sources, in reading order.
        schema: The requested columns, in that order.
    """

    location: Location
    sources: tuple[Selection, ...]
    schema: pa.Schema

    @property
    def folder(self) -> str:
        """The table's folder; image paths are relative to it by default."""
        return self.sources[0].file.parent

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know about how the table is read; longer lists are cut."""
        found = [remark for source in self.sources for remark in source.remarks()]
        more = len(found) - MAX_REMARKS
        return (*found[:MAX_REMARKS], *([f"and {more} more remarks"] if more > 0 else []))

    def require_rows(self) -> None:
        """Checks that there is at least one row.

        Raises:
            TableError: The table is empty, or a file cannot be read.
        """
        if next(self.batches(1), None) is None:
            raise TableError(f"{self.location.name}: expected at least one row. Received: none")

    def batches(self, rows: int, *, skip: int = 0) -> Iterator[pa.RecordBatch]:
        """Reads the table in batches of a number of rows; see `pieces`."""
        return (piece.rows for piece in self.pieces(rows, skip=skip))

    def pieces(self, rows: int, *, skip: int = 0) -> Iterator[Piece]:
        """Reads the table in batches of `rows` rows, with their position.

        The last batch may be shorter, as may batches with large images; see `rebatched`.

        Args:
            rows: Rows per batch, at least 1.
            skip: Rows to skip at the start.

        Raises:
            TableError: A file cannot be read, or is not a table.
        """
        total, done, first_row = self._size(), 0.0, skip
        for batch, weight in rebatched(self._read(rows), self.schema, rows, skip):
            done += weight
            yield Piece(batch, first_row, None if total is None else min(1.0, done / (total or 1)))
            first_row += batch.num_rows

    def fingerprint(self) -> list[str]:
        """Strings that change with the content of the table.

        Raises:
            TableError: A file cannot be read.
        """
        found = []
        for source in self.sources:
            with _named_errors(source.file):
                name = source.file.path.rpartition("/")[2]
                found.append(f"{name} {source.file.fingerprint()}")
        return found

    def _size(self) -> int | None:
        """Total size, in the unit of the sources; None if unknown."""
        sizes = []
        for source in self.sources:
            with _named_errors(source.file):
                sizes.append(source.source.size())
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def _read(self, rows: int) -> Iterator[Weighed]:
        for source in self.sources:
            yield from source.batches(rows)


def open_stream(table: Any, columns: Sequence[str] | None = None) -> TableStream:
    """Opens a table and reads its columns, but no rows yet.

    Args:
        table: Path or fsspec URL of a .csv, .parquet or .jsonl file, or of a folder of these; or a
            pandas data frame, an Arrow table, or anything that Arrow can convert.
        columns: Names of the columns to read; all unless given.

    Raises:
        TableError: The table is missing, has an unknown extension or lacks a column.
    """
    if not isinstance(table, str | Path):
        return _open_frame(table, columns)
    location = Location.parse(str(table))
    with _named_errors(location):
        files = tuple(location.files()) if location.is_folder() else (location,)
    kinds = {file.kind for file in files}
    if len(kinds) != 1:
        received = ", ".join(sorted(kinds)) or "no file"
        raise TableError(f"{table}: expected files of one kind in the folder. Received: {received}")
    sources = tuple(_selection(source_of(file), columns) for file in files)
    for source in sources:
        if not source.schema.equals(sources[0].schema):
            raise TableError(
                f"{source.file.name}: expected the column types of {files[0].name}: "
                f"{sources[0].schema}. Received: {source.schema}"
            )
    return TableStream(location, sources, sources[0].schema)


def require_columns(
    table: str, columns: Sequence[str], there: Sequence[str], hint: str = ""
) -> dict[str, str]:
    """Maps requested columns to a table's columns; ignores case and extra blanks.

    Args:
        table: Name of the table.
        columns: Requested names.
        there: The table's columns.
        hint: What else to suggest if one is missing.

    Returns:
        The table's name of each requested column.

    Raises:
        MissingColumnsError: A column is missing, or several differ only in case or blanks.
    """
    alike: dict[str, list[str]] = {}
    for name in there:
        alike.setdefault(plain(str(name)), []).append(name)
    found = {name: [name] if name in there else alike.get(plain(name), []) for name in columns}
    missing = [name for name, names in found.items() if len(names) != 1]
    if missing:
        raise MissingColumnsError(missing, _missing(table, missing, there), hint)
    return {name: names[0] for name, names in found.items()}


def _missing(table: str, missing: Sequence[str], there: Sequence[str]) -> str:
    what = "a column" if len(missing) == 1 else "the columns"
    by_plain = {plain(str(name)): str(name) for name in there}
    guesses = [
        f"Did you mean {cut(by_plain[close[0]])!r} for {name!r}?"
        for name in missing
        if (close := get_close_matches(plain(name), by_plain, 1, ALIKE))
    ]
    expected = f"{table}: expected {what} {', '.join(map(repr, missing))}"
    return " ".join([f"{expected}. Received: {_listed(there)}.", *guesses])


def _listed(names: Sequence[Any]) -> str:
    shown = [cut(name) for name in names[:SHOWN_COLUMNS]]
    more = len(names) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])


def rebatched(
    batches: Iterator[Weighed], schema: pa.Schema, rows: int, skip: int = 0
) -> Iterator[Weighed]:
    """Splits and joins batches to `rows` rows each.

    The last one may be shorter, and so are those that already hold `BATCH_BYTES`. Weights follow
    the rows; that of skipped rows goes to the first batch after them.
    """
    held: list[pa.RecordBatch] = []
    count, weight = 0, 0.0
    for batch, size in batches:
        of_a_row = size / max(1, batch.num_rows)
        dropped = min(skip, batch.num_rows)
        skip -= dropped
        weight += dropped * of_a_row
        rest = batch.slice(dropped)
        while count + rest.num_rows >= rows:
            taken = rows - count
            yield _joined([*held, rest.slice(0, taken)], schema), weight + taken * of_a_row
            rest, held, count, weight = rest.slice(taken), [], 0, 0.0
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows
            weight += rest.num_rows * of_a_row
        if count and sum(batch.nbytes for batch in held) >= BATCH_BYTES:
            yield _joined(held, schema), weight
            held, count, weight = [], 0, 0.0
    if count:
        yield _joined(held, schema), weight


def _joined(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    arrays = [
        pa.concat_arrays([batch.column(number) for batch in batches])
        for number in range(len(schema))
    ]
    return pa.record_batch(arrays, schema=schema)


def _open_frame(frame: Any, columns: Sequence[str] | None) -> TableStream:
    if columns is not None and is_pandas(frame):
        # Columns that are not read may hold types unknown to Arrow.
        names = require_columns(FRAME.name, columns, list(frame.columns))
        frame = frame[list(names.values())]
    selection = _selection(Frame(arrow_table(frame)), columns)
    return TableStream(selection.file, (selection,), selection.schema)


def _selection(source: Source, columns: Sequence[str] | None) -> Selection:
    file = source.file
    with _named_errors(file):
        schema = source.schema()
    columns = schema.names if columns is None else columns
    try:
        names = require_columns(file.name, columns, schema.names)
    except MissingColumnsError as error:
        with _named_errors(file):
            hint = source.hint(error.missing)
        require_columns(file.name, columns, schema.names, hint)
        raise
    # Drop the file's metadata from the schema.
    kinds = [(name, schema.field(there).type) for name, there in names.items()]
    return Selection(source, tuple(names.values()), pa.schema(kinds))


@contextmanager
def _named_errors(file: Location) -> Iterator[None]:
    """Adds the file's name to errors."""
    try:
        yield
    except TableError:
        raise
    except (pa.ArrowException, ValueError, EOFError, csv.Error, zlib.error) as error:
        cause = str(error).partition("\n")[0]  # Arrow appends whole schemas
        raise TableError(
            f"{file.name}: expected a {file.kind} table in UTF-8. Received: {cause}"
        ) from error
    except Exception as error:
        if file.filesystem is None and not isinstance(error, OSError):
            raise
        # Errors of remote filesystems share no base class.
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{file.name}: cannot be read: {reason}") from error
