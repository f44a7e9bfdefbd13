"""How a text table is written: its compression, encoding and separator."""

import codecs
import csv
import gzip
import io
import re
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO, Any, cast

from adscore.errors import TableError

SEPARATORS = (",", ";", "\t", "|")
# Bytes read to detect encoding, separator and header.
HEAD_BYTES = 256 * 1024
# How Excel names the separator, in the first line.
SEPARATOR_LINE = re.compile(r"sep=(.)\s*")
# Maximum of lines above a header.
MAX_PREAMBLE = 60
# Lines used to detect the separator.
_MAX_LINES = 260
SEPARATOR_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# Encodings that can be detected without guessing.
_SURE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
_ENCODING_WORDS = {
    "utf-8-sig": "UTF-8", "utf-8": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16", "utf-32": "UTF-32",
}  # fmt: skip


# First bytes of files that are not text tables, and what to tell the user.
_NO_TEXTS = {
    b"%pdf": "a PDF; export it as .csv or .xlsx",
    **dict.fromkeys((b"<!doctype", b"<html", b"<table", b"<?xml"),
                    "a web page or XML; export it as .csv or .xlsx"),
    **dict.fromkeys((b"\x89png", b"gif8", b"\xff\xd8\xff"), "a picture"),
    **dict.fromkeys((b"pk\x03\x04", b"\xd0\xcf\x11\xe0"),
                    "a workbook or archive, whatever its name says; adscore prepare reads it"),
    b"par1": "a Parquet file; name it .parquet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text table is written whose header is its first line.

    Attributes:
        encoding: Encoding, as Python names it.
        separator: Separator of cells.
        header: Cells of the header, unchanged.
        lines_above: Lines above the header: 1 for Excel's ``sep=;``, else 0.
        has_rows: Whether anything follows the header.
    """

    encoding: str
    separator: str
    header: tuple[str, ...]
    lines_above: int
    has_rows: bool

    @property
    def is_guessed(self) -> bool:
        """Whether the encoding is a guess, since nothing in the file shows it."""
        return self.encoding == "cp1252"


def require_text(start: bytes, name: str) -> None:
    """Refuses a file whose first bytes show that it is not a text table.

    Services answer with a login page, and files have the wrong extension.

    Args:
        start: First bytes of the file.
        name: Name of the file, for the error.

    Raises:
        TableError: The file is empty or of another kind.
    """
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((what for mark, what in _NO_TEXTS.items() if text.startswith(mark)), "")
    if found or not start:
        raise TableError(f"{name}: expected a table. Received: {found or 'an empty file'}")


def dialect_of(file: IO[bytes], name: str) -> Dialect:
    """Detects the dialect from the beginning of a file.

    Args:
        file: The file, at its beginning.
        name: Name of the file, for errors.

    Raises:
        TableError: Only `adscore prepare` reads the encoding, or the file has no header.
    """
    head = file.read(HEAD_BYTES)
    whole = len(head) < HEAD_BYTES
    if head:
        require_text(head[:16], name)
    encoding = _plain_encoding(head, name, whole=whole)
    text = codecs.getincrementaldecoder(encoding)(_errors(encoding)).decode(head, final=whole)
    said = SEPARATOR_LINE.match(text)
    text = text[said.end() :] if said else text
    ways = [said[1]] if said else SEPARATORS
    separator = max(ways, key=lambda one: len(_first_row(text, one)[0]))
    header, has_rows = _first_row(text, separator)
    if not header:
        raise TableError(f"{name}: expected a header line. Received: an empty file")
    return Dialect(encoding, separator, tuple(header), 1 if said else 0, has_rows or not whole)


def header_below(file: IO[bytes], dialect: Dialect, names: Collection[str]) -> int | None:
    """Line (from 1) below the first that looks like the real header; None if none does.

    Args:
        file: The file, at its beginning.
        dialect: Dialect of the file.
        names: Columns to look for, normalised by `plain`.
    """
    text = utf8(file, dialect.encoding).read(HEAD_BYTES).decode("utf-8", "replace")
    for separator in SEPARATORS:
        records, ends = records_of(text, separator)
        for record, end in zip(records[1:MAX_PREAMBLE], ends, strict=False):
            found = {plain(cell) for cell in record} & set(names)
            if len(found) >= min(2, len(names)):
                return end + 1
    return None


def plain(name: str) -> str:
    """A column's name in lower case with blanks collapsed, for comparison."""
    return " ".join(name.split()).casefold()


def _first_row(text: str, separator: str) -> tuple[list[str], bool]:
    """The cells of the first row, and whether anything follows."""
    rest = io.StringIO(text, newline="")
    return next(csv.reader(rest, delimiter=separator), []), bool(rest.readline())


def _plain_encoding(head: bytes, name: str, *, whole: bool) -> str:
    """The encoding of a file, if it is one that needs no more than a safe guess."""
    encoding = encoding_of(head, whole=whole)
    if encoding in _SURE or encoding == "cp1252":
        return encoding
    raise TableError(
        f"{name}: expected text in UTF-8, UTF-16 or cp1252. Received: what may be {encoding}. Save "
        "it as CSV UTF-8, or let adscore prepare read it with --encoding"
    )


def _is_utf8_with_faults(head: bytes) -> bool:
    """Whether most non-ASCII characters are valid UTF-8, so that the others are broken bytes."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    beyond_ascii = [char for char in text if char > "\x7f"]
    broken = sum("\udc80" <= char <= "\udcff" for char in beyond_ascii)
    return 2 * broken <= len(beyond_ascii)


def _errors(encoding: str) -> str:
    """Error handler that keeps undecodable bytes, so that they fail only their own row."""
    wide = encoding.startswith(("utf-16", "utf-32"))
    return "surrogatepass" if wide else "surrogateescape"


def utf8(file: IO[bytes], encoding: str) -> IO[bytes]:
    """A text file converted to UTF-8; undecodable bytes stay invalid."""
    if encoding.startswith("utf-8"):
        return file
    return io.BufferedReader(Lines(file, encoding, errors=_errors(encoding)), 1024 * 1024)


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """The content of a gzip file, which its first bytes show; any other file unchanged."""
    is_packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_packed else file


def shown(encoding: str) -> str:
    """The usual name of an encoding, for messages."""
    return _ENCODING_WORDS.get(encoding, encoding)


def encoding_of(head: bytes, *, whole: bool) -> str:
    """Detects an encoding from the beginning of a text; `whole`: the beginning is all of it."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # FF FE begins both
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    # UTF-16 without a byte order mark: every second byte of Latin letters is zero.
    start = head[:2000]
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if len(head) >= 4 and max(even, odd) > len(start) / 5:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return "utf-8" if _is_utf8_with_faults(head) else _guessed_encoding(head)
    return "utf-8"


# Non-ASCII characters of Western European texts.
_WESTERN = frozenset(
    "äöüÄÖÜßéèêëàâáãçñóòôõíìîïúùûÉÀÇÑåÅøØæÆœ€£«»°·…\xa0\u2013\u2014\u2018\u2019\u201c\u201d\u201e"
)


# Western words have single non-ASCII letters, seldom three in a row.
_RUNS = re.compile(r"[^\W\d_a-zA-Z]{3,}")


def _guessed_encoding(head: bytes) -> str:
    """Guesses a legacy encoding; cp1252 (Western Windows) if nothing points elsewhere."""
    import charset_normalizer  # few tables need it

    best = charset_normalizer.from_bytes(head[:65_536], cp_exclusion=["mac_cyrillic"]).best()
    if best is None or best.encoding in ("ascii", "latin_1", "iso8859_1", "cp1252"):
        return "cp1252"
    # Short Western European texts fit many encodings: prefer cp1252, the most usual.
    try:
        western = head.decode("cp1252")
    except UnicodeDecodeError:
        return str(best.encoding)
    letters = [one for one in western if ord(one) > 127]
    likely = sum(one in _WESTERN for one in letters)
    # Cyrillic text consists of non-ASCII letters and can pass for Western ones.
    few = len(letters) < sum(one.isascii() and one.isalpha() for one in western)
    in_runs = sum(len(run) for run in _RUNS.findall(western))
    few = few and in_runs < 0.5 * len(letters)
    return "cp1252" if few and likely >= 0.8 * len(letters) else str(best.encoding)


def decoded(head: bytes, encoding: str, name: str) -> str:
    """Decodes the beginning of a file.

    Raises:
        TableError: The encoding is unknown, or the text is not in it.
    """
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    except LookupError as error:
        raise TableError(
            f"--encoding: expected the name of an encoding. Received: {encoding}"
        ) from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"{name}: expected text in {shown(encoding)}. Received: {error.reason} at byte "
            f"{error.start}; name the encoding with --encoding, or save the file as CSV UTF-8"
        ) from error


def separator_of(text: str) -> str:
    """The separator with which most rows agree on a number of cells, weighted by that number."""

    def weight(separator: str) -> tuple[int, int]:
        widths = [len(record) for record in records_of(text, separator)[0][:200] if len(record) > 1]
        if not widths:
            return 0, 0
        width, lines = max(Counter(widths).items(), key=lambda item: (item[1] * item[0], item[0]))
        return lines * (width - 1), width

    return max(SEPARATORS, key=weight)


def records_of(text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    """The first rows of a text, and the line at which each ends, from 1."""
    records, ends = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for record in reader:
            records.append(record)
            ends.append(reader.line_num)
            if len(records) > _MAX_LINES:
                break
    except csv.Error:
        pass  # the text ends inside a quoted cell, or a cell is too long
    return records, ends


class Lines(io.RawIOBase):
    """The rest of a text file from some line on, as a stream of UTF-8 that Arrow can read.

    Args:
        file: The file, at its beginning.
        encoding: Encoding of the file.
        skip: Lines to skip.
        errors: Python's error handler for bytes that cannot be decoded.
    """

    def __init__(
        self, file: IO[bytes], encoding: str, skip: int = 0, errors: str = "strict"
    ) -> None:
        super().__init__()
        # Keep line ends as they are: the header's reader too takes a lone carriage return for one.
        self._text = io.TextIOWrapper(cast("Any", file), encoding, errors, newline="")
        self._lock = threading.Lock()  # Arrow reads ahead in a thread of its own
        for _ in range(skip):
            self._text.readline()
        self._rest = b""

    def readable(self) -> bool:
        """True, which `io` asks for."""
        return True

    def close(self) -> None:
        """Closes the stream but not the file, so that the file can be read again."""
        with self._lock:
            if not self.closed:
                self._text.detach()
            super().close()

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer with the next bytes of UTF-8."""
        with self._lock:
            if not self._rest and not self.closed:
                self._rest = self._text.read(1024 * 1024).encode("utf-8", "surrogatepass")
            size = min(len(buffer), len(self._rest))
            buffer[:size], self._rest = self._rest[:size], self._rest[size:]
            return size
