"""Files as people have them -> a sheet: text of any encoding, packed or not, workbooks, JSON.

What a file is, its own bytes tell rather than its name.
"""

import gzip
import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from adscore.errors import TableError
from adscore.table.delimited import open_delimited
from adscore.table.dialect import HEAD_BYTES, decoded, encoding_of
from adscore.table.sheet import (
    ROWS_AT_ONCE,
    KnownNames,
    Sheet,
    SheetOptions,
    SheetRows,
    listed,
    sheet_of_rows,
)
from adscore.table.workbook import open_workbook

# Files that only a workbook's archive holds: of Excel, and of LibreOffice.
_OF_WORKBOOKS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}


def open_sheet(
    file: IO[bytes],
    name: str,
    options: SheetOptions | None = None,
    known: KnownNames = lambda _: 0,
) -> Sheet:
    """Opens a sheet of any kind.

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
        return open_workbook(file, name, options, known)
    if start == b"PAR1":
        return _parquet(file, name)
    if not start:
        raise TableError(f"{name}: expected a table. Received: an empty file")
    head = file.read(HEAD_BYTES)
    file.seek(0)
    encoding = options.encoding or encoding_of(head, whole=len(head) < HEAD_BYTES)
    text = decoded(head, encoding, name)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
        return _json(file, name, encoding)
    return open_delimited(file, text, encoding, name, options, known)


def _open_zip(file: IO[bytes], name: str, options: SheetOptions, known: KnownNames) -> Sheet:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise TableError(f"{name}: expected a zip file or workbook. Received: {error}") from error
    if _OF_WORKBOOKS & set(archive.namelist()):
        file.seek(0)
        return open_workbook(file, name, options, known)
    members = [
        one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename
    ]
    if len(members) != 1:
        raise TableError(
            f"{name}: expected one file in the archive. Received: {len(members)}, "
            f"{listed([one.filename for one in members])}; unpack it and name the one to read"
        )
    if members[0].flag_bits & 1:
        raise TableError(f"{name}: expected an archive without a password. Unpack it first")
    return open_sheet(archive.open(members[0]), f"{name}:{members[0].filename}", options, known)


def _parquet(file: IO[bytes], name: str) -> Sheet:
    try:
        source = pyarrow.parquet.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise TableError(f"{name}: expected a Parquet file. Received: {error}") from error
    fields = [one for one in source.schema_arrow if not pa.types.is_nested(one.type)]

    def rows(_: Sheet, columns: Sequence[str]) -> Iterator[SheetRows]:
        first = 1
        for batch in source.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
            cells = [batch.column(one).cast(pa.string()).fill_null("") for one in columns]
            numbers = np.arange(first, first + batch.num_rows)
            yield SheetRows(pa.record_batch(cells, names=list(columns)), numbers)
            first += batch.num_rows

    return Sheet(name, tuple(one.name for one in fields), "Parquet", rows)


def _json(file: IO[bytes], name: str, encoding: str) -> Sheet:
    """Objects, one a line or in a list; a list may stand under one key, as services answer."""
    text = file.read().decode(encoding).lstrip("\ufeff")
    try:
        try:
            data = json.loads(text, parse_float=_Decimal)
        except json.JSONDecodeError:
            lines = [line for line in text.splitlines() if line.strip()]
            data = [json.loads(line, parse_float=_Decimal) for line in lines]
    except (json.JSONDecodeError, RecursionError) as error:
        raise TableError(f"{name}: expected JSON. Received: {error}") from error
    if isinstance(data, dict):
        lists = [one for one in data.values() if isinstance(one, list) and one]
        data = lists[0] if len(lists) == 1 else [data]
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data) or not data:
        raise TableError(f"{name}: expected a list of objects. Received: other JSON")
    header = list(dict.fromkeys(key for row in data for key in row))
    rows = ([_json_text(row.get(key)) for key in header] for row in data)
    return sheet_of_rows(name, header, rows, "JSON")


class _Decimal(float):
    """A number that keeps how it was written; a fourth digit says that three are no thousands."""

    def __new__(cls, text: str) -> "_Decimal":
        """Reads it."""
        number = super().__new__(cls, text)
        number.text = f"{text}0" if len(text.partition(".")[2]) == 3 else text
        return number

    text: str


def _json_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, _Decimal):
        return value.text
    return json.dumps(value, ensure_ascii=False)
