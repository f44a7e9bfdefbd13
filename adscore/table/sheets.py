"""Files as people have them -> a sheet: text of any encoding, packed or not, workbooks, JSON.

What a file is, its own bytes tell rather than its name.
"""

import gzip
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
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

# Where services put the rows of a page.
_PAGES = ("results", "data", "rows", "items", "elements")
# What files begin with that hold no table.
_NO_TABLES = {
    b"%pdf": "a PDF", b"<!doctype": "a web page", b"<html": "a web page", b"<table": "a web page",
    b"<?xml": "XML", b"\x89png": "a picture", b"gif8": "a picture", b"\xff\xd8\xff": "a picture",
}  # fmt: skip
# Files of an archive that are read; others, such as a README.txt, may lie beside them.
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet", ".gz")
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
    start = file.read(16)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        return open_sheet(cast("IO[bytes]", gzip.GzipFile(fileobj=file)), name, options, known)
    if start.startswith(b"PK\x03\x04"):
        return _open_zip(file, name, options, known)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return open_workbook(file, name, options, known)
    if start.startswith(b"PAR1"):
        return _parquet(file, name)
    _require_table(start, name)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    encoding = options.encoding or encoding_of(head, whole=len(head) < HEAD_BYTES)
    text = decoded(head, encoding, name)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
        return _json(file, name, encoding)
    return open_delimited(file, text, encoding, name, options, known)


def _require_table(start: bytes, name: str) -> None:
    """Refuses a file that begins as no table does; services answer with pages where one logs in."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((what for mark, what in _NO_TABLES.items() if text.startswith(mark)), "")
    if not start:
        found = "an empty file"
    if found:
        raise TableError(f"{name}: expected a table. Received: {found}; export it as .csv or .xlsx")


def _open_zip(file: IO[bytes], name: str, options: SheetOptions, known: KnownNames) -> Sheet:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise TableError(f"{name}: expected a zip file or workbook. Received: {error}") from error
    if _OF_WORKBOOKS & set(archive.namelist()):
        file.seek(0)
        return open_workbook(file, name, options, known)
    member, options = _member(archive, name, options)
    if member.flag_bits & 1:
        raise TableError(f"{name}: expected an archive without a password. Unpack it first")
    return open_sheet(archive.open(member), f"{name}:{member.filename}", options, known)


def _member(
    archive: zipfile.ZipFile, name: str, options: SheetOptions
) -> tuple[zipfile.ZipInfo, SheetOptions]:
    """The only table of an archive, or the file that is named as its sheet."""
    files = [
        one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename
    ]
    for one in files:
        if one.filename == options.sheet:
            return one, replace(options, sheet=None)
    tables = [one for one in files if one.filename.lower().endswith(_TABLES)] or files
    if len(tables) != 1:
        raise TableError(
            f"{name}: expected one table in the archive. Received: {len(tables)}, "
            f"{listed([one.filename for one in tables])}; name the one to read with --sheet"
        )
    return tables[0], options


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
    """Objects, one a line or in a list, which may stand in an answer or its pages."""
    text = file.read().decode(encoding).lstrip("\ufeff")
    try:
        try:
            data = json.loads(text, parse_float=_Decimal)
        except json.JSONDecodeError:
            lines = [line for line in text.splitlines() if line.strip()]
            data = [json.loads(line, parse_float=_Decimal) for line in lines]
    except (json.JSONDecodeError, RecursionError) as error:
        raise TableError(f"{name}: expected JSON. Received: {error}") from error
    data = _unwrapped(data)
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data) or not data:
        raise TableError(f"{name}: expected a list of objects. Received: other JSON")
    data = [dict(_flat(one)) for one in data]
    header = list(dict.fromkeys(key for row in data for key in row))

    def rows() -> Iterator[list[str]]:
        return ([_json_text(row.get(key)) for key in header] for row in data)

    return sheet_of_rows(name, header, rows, "JSON")


def _unwrapped(data: Any) -> Any:
    """The objects of an answer: of the only list in it, or of all its pages."""
    if isinstance(data, dict):
        found = list(_lists_in(data))
        return found[0] if len(found) == 1 else [data]
    if isinstance(data, list) and all(isinstance(one, dict) for one in data):
        pages = [one[key] for one in data for key in _PAGES if isinstance(one.get(key), list)]
        if len(pages) == len(data):
            return [row for page in pages for row in page]
    return data


def _lists_in(answer: dict[str, Any]) -> Iterator[list[Any]]:
    """Lists of objects, at any depth."""
    for value in answer.values():
        if isinstance(value, dict):
            yield from _lists_in(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield value


def _flat(row: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The values of an object, those of objects in it by names with dots."""
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


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
