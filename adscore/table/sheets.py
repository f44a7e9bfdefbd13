"""Opens the files people have as sheets: text in any encoding, compressed or not, workbooks, JSON.

The kind of a file is detected from its bytes, not its name.
"""

import gzip
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from adscore.errors import TableError
from adscore.table.delimited import open_delimited
from adscore.table.dialect import HEAD_BYTES, decoded, encoding_of, require_text
from adscore.table.json_rows import open_json
from adscore.table.sheet import (
    ROWS_AT_ONCE,
    KnownNames,
    Sheet,
    SheetOptions,
    SheetRows,
    listed,
)
from adscore.table.workbook import open_workbook

# Files of an archive that are read; others, such as a README.txt, are ignored.
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet", ".gz")
# Members that identify an archive as a workbook, of Excel or LibreOffice.
_OF_WORKBOOKS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}


def open_sheet(
    file: IO[bytes],
    name: str,
    options: SheetOptions | None = None,
    known: KnownNames = lambda _: 0,
) -> Sheet:
    """Opens a sheet of any file kind.

    Args:
        file: A seekable file.
        name: Name of the file, for messages.
        options: User settings.
        known: Counts the known names in a line, to find the header.

    Raises:
        TableError: No header was found, or the kind of file cannot be read.
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
    require_text(start, name)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    encoding = options.encoding or encoding_of(head, whole=len(head) < HEAD_BYTES)
    text = decoded(head, encoding, name)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
        return open_json(file, name, encoding)
    return open_delimited(file, text, encoding, name, options, known)


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
    """The only table of an archive, or the file that `options.sheet` names."""
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
