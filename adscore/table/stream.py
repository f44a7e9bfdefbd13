"""A table as a stream of Arrow batches: memory does not grow with its length.

A .csv, .parquet or .jsonl file, or a folder of files of one such kind, which are read in the order
of their names. Only columns that are asked for are read. Those of .csv and .jsonl are text, so
that an id such as 007 stays what it is; those of Parquet keep their type.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from adscore.errors import TableError
from adscore.table.columns import NO_COLUMN
from adscore.table.formats import BATCH_BYTES, Format, format_of
from adscore.table.location import Location


@dataclass(frozen=True, slots=True)
class TableStream:
    """A table that was looked at, but not yet read.

    Attributes:
        location: Where it is.
        files: Its files, in order.
        schema: Of the columns that were asked for, in that order.
    """

    location: Location
    files: tuple[Location, ...]
    schema: pa.Schema

    @property
    def folder(self) -> str:
        """The folder of the table, to which image paths are relative unless said otherwise."""
        return self.files[0].parent

    def count(self) -> int:
        """The number of rows; reads the whole of a .csv or .jsonl file.

        Raises:
            TableError: A file cannot be read, or is not a table.
        """
        total = 0
        for file in self.files:
            with _named_errors(file):
                total += format_of(file).count(file)
        return total

    def batches(self, rows: int, *, skip: int = 0) -> Iterator[pa.RecordBatch]:
        """Reads the table in batches of a number of rows.

        The last one may be shorter, and so may be those with large images; see `rebatched`.

        Args:
            rows: Rows of a batch, at least 1.
            skip: Rows at the start that are passed over.

        Raises:
            TableError: A file cannot be read, or is not a table.
        """
        return rebatched(self._read(rows), self.schema, rows, skip)

    def fingerprint(self) -> list[str]:
        """Another one where the content of the table is another.

        Raises:
            TableError: A file cannot be read.
        """
        found = []
        for file in self.files:
            with _named_errors(file):
                found.append(f"{file.path.rpartition('/')[2]} {file.fingerprint()}")
        return found

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        for file in self.files:
            with _named_errors(file):
                yield from format_of(file).batches(file, self.schema, rows)


def open_stream(name: str, columns: Sequence[str]) -> TableStream:
    """Finds a table and looks at its columns.

    Args:
        name: Path or fsspec URL of a .csv, .parquet or .jsonl file, or of a folder of these.
        columns: Names of the columns to read.

    Raises:
        TableError: There is no such table, it has another ending, or a column is not there.
    """
    location = Location.parse(name)
    with _named_errors(location):
        files = tuple(location.files()) if location.is_folder() else (location,)
    kinds = {file.kind for file in files}
    if len(kinds) != 1:
        received = ", ".join(sorted(kinds)) or "no file"
        raise TableError(f"{name}: expected files of one kind in the folder. Received: {received}")
    schemas = [_schema(file, format_of(file), columns) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        if not schema.equals(schemas[0]):
            raise TableError(
                f"{file.name}: expected the column types of {files[0].name}: {schemas[0]}. "
                f"Received: {schema}"
            )
    return TableStream(location, files, schemas[0])


def rebatched(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, rows: int, skip: int = 0
) -> Iterator[pa.RecordBatch]:
    """Cuts and joins batches into ones of a number of rows.

    The last one may be shorter, and so are those that already hold `BATCH_BYTES`.
    """
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        dropped = min(skip, batch.num_rows)
        skip -= dropped
        rest = batch.slice(dropped)
        while count + rest.num_rows >= rows:
            taken = rows - count
            yield _joined([*held, rest.slice(0, taken)], schema)
            rest, held, count = rest.slice(taken), [], 0
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows
        if count and sum(batch.nbytes for batch in held) >= BATCH_BYTES:
            yield _joined(held, schema)
            held, count = [], 0
    if count:
        yield _joined(held, schema)


def _joined(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    arrays = [
        pa.concat_arrays([batch.column(number) for batch in batches])
        for number in range(len(schema))
    ]
    return pa.record_batch(arrays, schema=schema)


def _schema(file: Location, kind: Format, columns: Sequence[str]) -> pa.Schema:
    with _named_errors(file):
        schema = kind.schema(file)
    for name in columns:
        if name not in schema.names:
            raise TableError(
                f"{file.name}: expected a column {name!r}. Received: {', '.join(schema.names)}. "
                f"Name another with an option, or {NO_COLUMN!r} where there is none"
            )
    # A file's metadata is not part of what a column is.
    return pa.schema([(name, schema.field(name).type) for name in columns])


@contextmanager
def _named_errors(file: Location) -> Iterator[None]:
    """Says of each error which file it is about."""
    try:
        yield
    except TableError:
        raise
    except (pa.ArrowException, UnicodeDecodeError, ValueError) as error:
        cause = str(error).partition("\n")[0]  # Arrow appends whole schemas
        raise TableError(
            f"{file.name}: expected a {file.kind} table in UTF-8. Received: {cause}"
        ) from error
    except Exception as error:
        if file.filesystem is None and not isinstance(error, OSError):
            raise
        # The libraries of remote filesystems have no common base class.
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{file.name}: cannot be read: {reason}") from error
