"""Result files that appear under their name only when complete, with one writer at a time.

A .csv may be opened in a spreadsheet, which runs cells that begin like a formula:
https://owasp.org/www-community/attacks/CSV_Injection
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError

ENDINGS = (".parquet", ".csv", ".jsonl")
# Rows in a row group of a Parquet file: small groups are slow to read, large ones take memory.
PARQUET_GROUP_ROWS = 8_192
# Matches the beginning of a cell that a spreadsheet runs.
FORMULA = r"^[=+\-@\t\r]"
SHOWN_IDS = 3


class TableWriter(Protocol):
    """Writes batches of one schema to an open file."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""

    def close(self) -> None:
        """Flushes buffered rows; the file itself stays open."""


def require_new_file(path: Path) -> None:
    """Checks that a result can be written, before the work for it starts.

    Raises:
        TableError: The file exists, its folder does not, or its name has an unknown ending.
    """
    if path.suffix.lower() not in ENDINGS:
        raise TableError(
            f"{path}: expected an output named .parquet, .csv or .jsonl, or a folder (a name "
            "without an ending)"
        )
    if path.exists():
        raise TableError(f"{path}: expected a new file. Received: one that exists; remove it")
    if not path.parent.is_dir():
        raise TableError(f"{path}: expected a folder {path.parent}. Received: none of that name")


@contextmanager
def new_file(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Opens a writer whose file appears under its name only if the block succeeds.

    Raises:
        TableError: It cannot be written, another run is writing it, or its format cannot hold a
            column.
    """
    _require_cells(path, schema)
    partial = path.with_name(f".{path.name}.partial")
    with writing(path), exclusive(partial) as file:
        try:
            with table_writer(file, path.suffix.lower(), schema) as writer:
                yield writer
            finish(file, partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


class FormulaGuard:
    """Puts ' before texts that a spreadsheet would run; ids stay unchanged, so that joins work.

    Attributes:
        ids: Number of ids that a spreadsheet would run.
        examples: The first of them.
    """

    def __init__(self) -> None:
        self.ids = 0
        self.examples: list[str] = []

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns of a guarded file; the first holds the ids."""
        identity, *others = schema
        names = _guarded(pa.array([field.name for field in others])).to_pylist()
        kinds = [_without_categories(field.type) for field in others]
        return pa.schema([identity, *zip(names, kinds, strict=True)])

    def rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of a guarded file."""
        identity, *others = batch.columns
        formulas = identity.filter(pc.match_substring_regex(identity, FORMULA))
        self.ids += len(formulas)
        self.examples += formulas[: SHOWN_IDS - len(self.examples)].to_pylist()
        columns = [_guarded(column.cast(_without_categories(column.type))) for column in others]
        return pa.record_batch([identity, *columns], schema=self.schema(batch.schema))


def _guarded(column: pa.Array) -> pa.Array:
    types = pa.types
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    if not any(is_kind(column.type) for is_kind in kinds):
        return column
    quote, nothing = (pa.scalar(text, column.type) for text in ("'", ""))
    quoted = pc.binary_join_element_wise(quote, column, nothing)
    return pc.if_else(pc.match_substring_regex(column, FORMULA), quoted, column)


def _without_categories(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def finish(file: BinaryIO, partial: Path, path: Path) -> None:
    """Fsyncs a written file and gives it its final name.

    Raises:
        TableError: A file of that name has appeared meanwhile.
    """
    file.flush()
    os.fsync(file.fileno())
    if path.exists():
        raise TableError(f"{path}: expected a new file. Received: one that exists; remove it")
    partial.rename(path)
    sync_folder(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError, such as a full disk, into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise TableError(
            f"{path}: cannot be written: {error.strerror or error}. Make room or name another "
            "place, and run again"
        ) from error


@contextmanager
def exclusive(path: Path) -> Iterator[BinaryIO]:
    """Opens an empty file under an exclusive lock.

    The operating system releases the lock when the process dies, so a killed run leaves no stale
    lock.

    Raises:
        TableError: Another process holds the lock.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _another_run(path) from error
        # The other process may have renamed the file and ended after it was opened here.
        if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
            raise _another_run(path)
        file.truncate(0)
        yield file


def sync_folder(folder: Path) -> None:
    """Fsyncs a folder, so that the names in it survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def table_writer(file: BinaryIO, ending: str, schema: pa.Schema) -> Iterator[TableWriter]:
    """Opens a writer for the format of an ending; its output is complete after the block."""
    writer: TableWriter
    match ending:
        case ".parquet":
            writer = _ParquetWriter(file, schema)
        case ".csv":
            writer = _CsvWriter(file, schema)
        case _:
            writer = _JsonLinesWriter(file)
    try:
        yield writer
    except BaseException:
        with suppress(Exception):  # the file is discarded, but the library must close it
            writer.close()
        raise
    writer.close()


class _ParquetWriter:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer: Any = pyarrow.parquet.ParquetWriter(file, schema)
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= PARQUET_GROUP_ROWS:
            self._write_held()

    def close(self) -> None:
        self._write_held()
        self._writer.close()

    def _write_held(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held))
        self._held, self._rows = [], 0


class _CsvWriter:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer: Any = pyarrow.csv.CSVWriter(file, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        try:
            self._writer.write_batch(batch)
        except pa.ArrowInvalid as error:  # bytes that are not text
            raise _no_text(".csv", error) from error

    def close(self) -> None:
        self._writer.close()


class _JsonLinesWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder()

    def write(self, batch: pa.RecordBatch) -> None:
        try:
            rows = _without_nanoseconds(batch).to_pylist()
        except UnicodeDecodeError as error:
            raise _no_text(".jsonl", error) from error
        self._file.write(self._encoder.encode_lines(rows))

    def close(self) -> None:
        """Does nothing, since nothing is buffered."""


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Converts times in nanoseconds to text, since Python's types cannot hold them."""
    fields = [
        field.with_type(pa.string())
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns"
        else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields))


def _no_text(ending: str, error: Exception) -> TableError:
    return TableError(
        f"expected columns to keep that a {ending} can hold. Received: {error}; write .parquet or "
        "do not keep them"
    )


def _require_cells(path: Path, schema: pa.Schema) -> None:
    for field in schema if path.suffix.lower() == ".csv" else ():
        if pa.types.is_nested(field.type) or pa.types.is_fixed_size_binary(field.type):
            raise TableError(
                f"{path}: expected columns that a .csv can hold. Received: {field.name!r} of type "
                f"{field.type}; write .parquet or do not keep it"
            )


def _another_run(path: Path) -> TableError:
    return TableError(
        f"{path}: expected to be the only run that writes there. Received: another one at work; "
        "wait for it, or name another output"
    )
