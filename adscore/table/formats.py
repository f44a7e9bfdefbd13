"""The kinds of table files, each read as a stream."""

import codecs
import csv
import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError
from adscore.table.location import Location

# Bytes that are parsed together: a longer row cannot be read. Arrow reads 32 such blocks ahead.
CSV_BLOCK_BYTES = 256 * 1024
# Lines whose names make the columns of a .jsonl file, which has no header.
JSON_HEADER_LINES = 1_000


class Format(Protocol):
    """Reads files of one kind; every method raises what its library raises."""

    def schema(self, file: Location) -> pa.Schema:
        """The columns of a file and their types."""

    def count(self, file: Location) -> int:
        """The number of its rows."""

    def batches(self, file: Location, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Its rows in some batches, the columns of a schema alone; `rows` is a wish."""


def format_of(file: Location) -> Format:
    """The format that a file's name says.

    Raises:
        TableError: It is none of those that are known.
    """
    match file.kind:
        case ".csv":
            return _Csv()
        case ".parquet":
            return _Parquet()
        case ".jsonl" | ".ndjson":
            return _JsonLines()
    raise TableError(
        f"{file.name}: expected a .csv, .parquet or .jsonl table, or a folder of these. Received: "
        f"a name that ends in {file.kind!r}"
    )


class _Csv:
    def schema(self, file: Location) -> pa.Schema:
        with file.open() as binary:
            header, _ = csv_header(file.name, binary)
        return pa.schema([(name, pa.string()) for name in header])

    def count(self, file: Location) -> int:
        first = pa.schema([self.schema(file).field(0)])
        return sum(batch.num_rows for batch in self.batches(file, first, 0))

    def batches(self, file: Location, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:  # noqa: ARG002
        with file.open() as binary:
            _, has_rows = csv_header(file.name, binary)
        if not has_rows:  # Arrow refuses a header without a line's end
            return
        with (
            file.open() as binary,
            pyarrow.csv.open_csv(
                binary,
                read_options=pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(schema.names, pa.string()),
                    include_columns=schema.names,
                    strings_can_be_null=False,
                ),
            ) as reader,
        ):
            try:
                for batch in reader:
                    yield batch.select(schema.names)
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error):
                    raise
                raise ValueError(
                    f"a row of more than {CSV_BLOCK_BYTES} bytes; leave its longest column out, or "
                    "write .parquet"
                ) from error


class _Parquet:
    def schema(self, file: Location) -> pa.Schema:
        with file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            return pa.schema([(field.name, _plain(field.type)) for field in table.schema_arrow])

    def count(self, file: Location) -> int:
        with file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            return int(table.metadata.num_rows)

    def batches(self, file: Location, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        with file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            for batch in table.iter_batches(batch_size=rows, columns=schema.names):
                yield batch.select(schema.names).cast(schema)


class _JsonLines:
    """Rows may name different columns; numbers and the like become the text that JSON has."""

    def schema(self, file: Location) -> pa.Schema:
        names: dict[str, None] = {}
        with file.open() as binary:
            for _, row in zip(range(JSON_HEADER_LINES), _json_rows(binary), strict=False):
                names.update(dict.fromkeys(row))
        if not names:
            raise TableError(f"{file.name}: expected at least one row. Received: an empty file")
        return pa.schema([(name, pa.string()) for name in names])

    def count(self, file: Location) -> int:
        with file.open() as binary:
            return sum(bool(line.strip()) for line in binary)

    def batches(self, file: Location, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        with file.open() as binary:
            held: list[dict[str, str | None]] = []
            for row in _json_rows(binary):
                held.append({name: _json_text(row.get(name)) for name in schema.names})
                if len(held) == rows:
                    yield pa.RecordBatch.from_pylist(held, schema)
                    held = []
            if held:
                yield pa.RecordBatch.from_pylist(held, schema)


def csv_header(name: str, binary: BinaryIO) -> tuple[list[str], bool]:
    """The names of the columns of a .csv file, and whether anything follows them.

    Raises:
        TableError: There is none, or a name is there twice.
    """
    with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
        header = next(csv.reader(text), [])
        has_rows = bool(text.readline())
    if not header:
        raise TableError(f"{name}: expected a header line. Received: an empty file")
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise TableError(f"{name}: expected distinct columns. Received: {repeated} twice")
    return header, has_rows


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type that every format of results can hold, where it is another way to keep the same."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return plain.get(kind, kind)


def _json_rows(binary: BinaryIO) -> Iterator[dict[str, Any]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for number, text in enumerate(binary, start=1):
        line = text.removeprefix(codecs.BOM_UTF8) if number == 1 else text
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error


def _json_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
