"""Table file formats, each read as a stream of batches."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError, cut
from adscore.table.dialect import Dialect, dialect_of, header_below, plain, unpacked, utf8
from adscore.table.json_rows import json_lines
from adscore.table.location import Location

# Arrow's block size: a longer row cannot be read. Arrow reads 32 blocks ahead.
CSV_BLOCK_BYTES = 256 * 1024
# Maximum size of a batch whose rows hold images.
BATCH_BYTES = 32 * 1024 * 1024
# Lines read to collect the columns of a .jsonl file, which has no header.
JSON_HEADER_LINES = 1_000

# A batch, and how much of its source it covers, in the unit of `Source.size`.
Weighed = tuple[pa.RecordBatch, float]


class Source(Protocol):
    """A table or part of one, such as a file; methods raise their library's errors."""

    @property
    def file(self) -> Location:
        """Location of the source; errors name it."""

    def schema(self) -> pa.Schema:
        """The columns and their types."""

    def size(self) -> int | None:
        """Size of the source, in bytes or rows; None if unknown."""

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Weighed]:
        """Reads the named columns in batches of about `rows` rows."""

    def pieces(self) -> list["Source"]:
        """Splits the source into parts that can be read separately, as by a cluster's tasks."""

    def remark(self) -> str:
        """What a user should know about how the source is read; empty if there is no doubt."""

    def hint(self, missing: Collection[str]) -> str:
        """What to do about missing columns; empty if there is nothing to suggest."""


def source_of(file: Location) -> Source:
    """The source for a file, chosen by its extension.

    Raises:
        TableError: The extension is unknown.
    """
    match file.kind:
        case ".csv" | ".tsv" | ".tab" | ".txt":
            return _Text(file)
        case ".parquet":
            return _Parquet(file)
        case ".jsonl" | ".ndjson":
            return _JsonLines(file)
    raise TableError(
        f"{file.name}: expected a .csv, .parquet or .jsonl table, or a folder of these. Received: "
        f"a name that ends in {file.kind!r}; adscore prepare reads workbooks, archives and JSON"
    )


@dataclass(frozen=True)
class _File:
    """Defaults that the formats share."""

    file: Location

    def size(self) -> int | None:
        return self.file.size()

    def pieces(self) -> list[Source]:
        return [cast("Source", self)]

    def remark(self) -> str:
        return ""

    def hint(self, missing: Collection[str]) -> str:  # noqa: ARG002
        return ""


# === .csv and the like ===


@dataclass(frozen=True)
class _Text(_File):
    """Every column is text, so that an id such as 007 keeps its zeros."""

    def schema(self) -> pa.Schema:
        header = [name for name in self.dialect.header if name.strip()]
        if not all(map(_is_text, header)):
            raise ValueError("a header that is not")
        require_distinct_columns(self.file, header)
        return pa.schema([(name, pa.string()) for name in header])

    def remark(self) -> str:
        if not self.dialect.is_guessed:
            return ""
        return f"{self.file.name}: read as {self.dialect.encoding}, since it is not in UTF-8"

    def hint(self, missing: Collection[str]) -> str:
        with self.file.open() as binary:
            line = header_below(unpacked(binary), self.dialect, {plain(name) for name in missing})
        if line is None:
            return ""
        return (
            f"The header seems to be line {line}, with other lines above it: adscore prepare reads "
            "an export as it is"
        )

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Weighed]:  # noqa: ARG002
        if not self.dialect.has_rows:  # Arrow refuses a header without a line end
            return
        batches = self._read([self.dialect.header.index(name) for name in names])
        row = 0
        blank: list[pa.RecordBatch] = []  # empty rows, held back until a filled one follows
        for batch, weight in _weighed(batches, self.size() or 0):
            filled = _filled_rows(batch)
            if filled:
                yield from ((held.rename_columns(names), 0.0) for held in blank)
                yield batch.slice(0, filled).rename_columns(names), weight
                blank = []
            if filled < batch.num_rows:
                blank.append(batch.slice(filled))
            row += batch.num_rows
        if blank and self._has_cells(row - sum(held.num_rows for held in blank)):
            yield from ((held.rename_columns(names), 0.0) for held in blank)

    def _has_cells(self, row: int) -> bool:
        """Whether any column has a value from a row on; exports may end in lines of commas."""
        for batch in self._read(range(len(self.dialect.header))):
            if _filled_rows(batch) > row:
                return True
            row -= batch.num_rows
        return False

    def _read(self, places: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Reads the columns at the given places."""
        dialect = self.dialect
        names = [f"c{place}" for place in range(len(dialect.header))]
        wanted = [names[place] for place in places]
        with (
            _rows_named(),
            self.file.open() as binary,
            pyarrow.csv.open_csv(
                utf8(unpacked(binary), dialect.encoding),
                read_options=pyarrow.csv.ReadOptions(
                    block_size=CSV_BLOCK_BYTES,
                    column_names=names,
                    skip_rows=dialect.lines_above,
                    skip_rows_after_names=1,
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=dialect.separator, newlines_in_values=True
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=wanted,
                    strings_can_be_null=False,
                    check_utf8=False,  # invalid UTF-8 fails only its own row
                ),
            ) as reader,
        ):
            yield from reader

    @cached_property
    def dialect(self) -> Dialect:
        """How the file is written, detected from its beginning."""
        with self.file.open() as binary:
            return dialect_of(unpacked(binary), self.file.name)


_WIDTH = re.compile(r".*Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)


@contextmanager
def _rows_named() -> Iterator[None]:
    """Rewrites Arrow's errors to show the row and what to do."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if found := _WIDTH.fullmatch(str(error)):
            expected, received, row = found.groups()
            raise ValueError(
                f"a row of {received} cells where the header has {expected}: {cut(row)!r}. Is a "
                "separator in a cell without quotes? adscore prepare passes over empty cells, and "
                "lines below the rows"
            ) from error
        if "straddling" not in str(error):
            raise
        raise ValueError(
            f"a row of more than {CSV_BLOCK_BYTES} bytes; leave its longest column out, or write "
            ".parquet"
        ) from error


def _weighed(batches: Iterator[pa.RecordBatch], left: int) -> Iterator[Weighed]:
    """Batches with the bytes they cover: one block each, and for the last what is left."""
    for batch in batches:
        weight = min(left, CSV_BLOCK_BYTES)
        left -= weight
        yield batch, weight


def _filled_rows(batch: pa.RecordBatch) -> int:
    """Number of rows up to the last one with a non-empty cell."""
    for rows in (batch.slice(max(0, batch.num_rows - 1)), batch):  # usually the last row is filled
        lengths = [pc.binary_length(column).to_numpy() for column in rows.columns]
        filled = np.flatnonzero(np.sum(lengths, axis=0))
        if filled.size:
            return int(batch.num_rows - rows.num_rows + filled[-1] + 1)
    return 0


def require_distinct_columns(file: Location, names: list[str]) -> None:
    """Checks that column names are distinct.

    Raises:
        TableError: A name repeats.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TableError(
            f"{file.name}: expected distinct columns. Received: {repeated} twice; rename them, or "
            "let adscore prepare read the table, which tells them apart"
        )


# === .parquet ===


@dataclass(frozen=True)
class _Parquet(_File):
    """Columns keep their types. `group` is the row group that a piece reads; None means all."""

    group: int | None = None

    def schema(self) -> pa.Schema:
        with self.file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            require_distinct_columns(self.file, table.schema_arrow.names)
            return plain_schema(table.schema_arrow)

    def size(self) -> int:
        with self.file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            return int(table.metadata.num_rows)

    def pieces(self) -> list[Source]:
        with self.file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            return [replace(self, group=group) for group in range(table.num_row_groups)]

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Weighed]:
        groups = None if self.group is None else [self.group]
        with self.file.open() as binary, pyarrow.parquet.ParquetFile(binary) as table:
            rows = min(rows, max(1, BATCH_BYTES // _row_bytes(table.metadata, names)))
            for batch in table.iter_batches(rows, groups, columns=list(names)):
                chosen = batch.select(list(names))
                yield chosen.cast(plain_schema(chosen.schema)), batch.num_rows


def _row_bytes(metadata: pyarrow.parquet.FileMetaData, names: Collection[str]) -> int:
    """Mean bytes per row of the named columns, in the row group where it is largest."""
    largest = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = (group.column(at) for at in range(group.num_columns))
        size = sum(
            c.total_uncompressed_size
            for c in chunks
            if c.path_in_schema.partition(".")[0] in names or c.path_in_schema in names
        )
        largest = max(largest, size // max(1, group.num_rows))
    return largest


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with view types replaced, which some result formats cannot hold."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return pa.schema([(field.name, plain.get(field.type, field.type)) for field in schema])


# === .jsonl ===


@dataclass(frozen=True)
class _JsonLines(_File):
    """Rows may have different columns; numbers and other values keep the text in the file."""

    def schema(self) -> pa.Schema:
        names: dict[str, None] = {}
        with self.file.open() as binary:
            rows = json_lines(unpacked(binary))
            for _, (row, _) in zip(range(JSON_HEADER_LINES), rows, strict=False):
                names.update(dict.fromkeys(name for name in row if _is_text(name)))
        if not names:
            raise TableError(
                f"{self.file.name}: expected at least one row. Received: an empty file"
            )
        return pa.schema([(name, pa.string()) for name in names])

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Weighed]:
        with self.file.open() as binary:
            held: list[dict[str, str | None]] = []
            weight = 0
            for row, size in json_lines(unpacked(binary)):
                held.append(row)  # columns that were not asked for are ignored
                weight += size
                if len(held) == rows:
                    yield _json_batch(held, names), weight
                    held, weight = [], 0
            if held:
                yield _json_batch(held, names), weight


def _json_batch(rows: list[dict[str, str | None]], names: Sequence[str]) -> pa.RecordBatch:
    columns = [_json_column([row.get(name) for row in rows]) for name in names]
    return pa.record_batch(columns, names=list(names))


def _json_column(cells: list[str | None]) -> pa.Array:
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        # A lone surrogate cannot be UTF-8. Arrow gets the invalid bytes, and decoding them fails
        # only that row.
        given = [cell if cell is None else cell.encode("utf-8", "surrogatepass") for cell in cells]
        return pa.array(given, pa.binary()).view(pa.string())


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
