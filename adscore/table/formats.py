"""The kinds of table files, each read as a stream."""

import csv
import io
import json
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError
from adscore.table.location import Location

# Bytes that are parsed together: a longer row cannot be read. Arrow reads 32 such blocks ahead.
CSV_BLOCK_BYTES = 256 * 1024
# Bytes of the rows that are scored together, where they hold images.
BATCH_BYTES = 32 * 1024 * 1024
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
            rows = min(rows, max(1, BATCH_BYTES // _row_bytes(table.metadata, schema.names)))
            for batch in table.iter_batches(batch_size=rows, columns=schema.names):
                yield batch.select(schema.names).cast(schema)


class _JsonLines:
    """Rows may name different columns; numbers and the like are the text that stands there."""

    def schema(self, file: Location) -> pa.Schema:
        names: dict[str, None] = {}
        with file.open() as binary:
            for _, row in zip(range(JSON_HEADER_LINES), json_rows(binary), strict=False):
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
            for row in json_rows(binary):
                held.append(row)  # names that are not asked for are passed over
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


def _row_bytes(metadata: pyarrow.parquet.FileMetaData, names: Collection[str]) -> int:
    """Bytes that some columns of a row take, in the mean over the row group with the largest."""
    largest = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = (group.column(at) for at in range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema in names)
        largest = max(largest, size // max(1, group.num_rows))
    return largest


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type that every format of results can hold, where it is another way to keep the same."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return plain.get(kind, kind)


class _Decimal(float):
    """A number with a fraction or an exponent; as text what stands in the file."""

    text: str

    def __new__(cls, text: str) -> "_Decimal":
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def json_rows(binary: BinaryIO) -> Iterator[dict[str, str | None]]:
    """The rows of a .jsonl file, each value as the text that stands there.

    Raises:
        ValueError: A line is no JSON object, or names a value twice.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_distinct, parse_float=_Decimal, parse_constant=_not_a_number
    )
    for number, line in enumerate(binary, start=1):
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if not text:
            continue
        try:
            row = decoder.decode(text)
            if not isinstance(row, dict):
                raise ValueError(f"expected an object. Received: {type(row).__name__}")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error
        yield {name: _json_text(value) for name, value in row.items()}


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"expected distinct names. Received: {repeated!r} twice")
    return row


def _not_a_number(text: str) -> Any:
    raise ValueError(f"expected JSON. Received: {text}")


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | dict | list) else str(value)
