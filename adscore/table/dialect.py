"""How a text file with a table is written: its packing, encoding and separator."""

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
# What is read to find encoding, separator and header.
HEAD_BYTES = 256 * 1024
# How Excel says the separator, in the first line.
SEPARATOR_LINE = re.compile(r"sep=(.)\s*")
# Lines that may stand above a header.
MAX_PREAMBLE = 60
# Lines that are looked at for the separator.
_MAX_LINES = 260
SEPARATOR_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# Those that a file shows by itself.
_SURE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
_ENCODING_WORDS = {
    "utf-8-sig": "UTF-8", "utf-8": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16", "utf-32": "UTF-32",
}  # fmt: skip


# What files begin with that hold no table, or hold one of another kind.
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
    """How a table is written whose header is its first line.

    Attributes:
        encoding: A name that Python knows.
        separator: Between the cells of a row.
        header: Its cells, as they stand.
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
        """Whether nothing in the file says its encoding."""
        return self.encoding == "cp1252"


def require_text(start: bytes, name: str) -> None:
    """Refuses a file that begins as no text with a table does.

    Services answer with a page where one has to log in, and files have the wrong ending.

    Args:
        start: Its first bytes.
        name: Names it in the error.

    Raises:
        TableError: It is empty, or of another kind.
    """
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((what for mark, what in _NO_TEXTS.items() if text.startswith(mark)), "")
    if found or not start:
        raise TableError(f"{name}: expected a table. Received: {found or 'an empty file'}")


def dialect_of(file: IO[bytes], name: str) -> Dialect:
    """Looks at the beginning of a file.

    Args:
        file: The file, at its beginning.
        name: Names it in errors.

    Raises:
        TableError: It is of an encoding that only `adscore prepare` reads, or has no header.
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
    """The line of what looks more like the header than the first one does, from 1.

    Args:
        file: The file, at its beginning.
        dialect: What its beginning looks like.
        names: Columns to look for, as `plain` gives them.
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
    """A column's name without what people do not see as a difference: case and outer blanks."""
    return " ".join(name.split()).casefold()


def _first_row(text: str, separator: str) -> tuple[list[str], bool]:
    """The cells of the first row, and whether anything follows it."""
    rest = io.StringIO(text, newline="")
    return next(csv.reader(rest, delimiter=separator), []), bool(rest.readline())


def _plain_encoding(head: bytes, name: str, *, whole: bool) -> str:
    """The encoding of a file, as far as there is little doubt."""
    encoding = encoding_of(head, whole=whole)
    if encoding in _SURE or encoding == "cp1252":
        return encoding
    raise TableError(
        f"{name}: expected text in UTF-8, UTF-16 or cp1252. Received: what may be {encoding}. Save "
        "it as CSV UTF-8, or let adscore prepare read it with --encoding"
    )


def _is_utf8_with_faults(head: bytes) -> bool:
    """Whether more of what is not ASCII is UTF-8 than is not: then some bytes are broken."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    beyond_ascii = [char for char in text if char > "\x7f"]
    broken = sum("\udc80" <= char <= "\udcff" for char in beyond_ascii)
    return 2 * broken <= len(beyond_ascii)


def _errors(encoding: str) -> str:
    """How what is no text is decoded, so that it is an error of its row alone."""
    wide = encoding.startswith(("utf-16", "utf-32"))
    return "surrogatepass" if wide else "surrogateescape"


def utf8(file: IO[bytes], encoding: str) -> IO[bytes]:
    """A text file in UTF-8, whatever its own encoding; what is no text stays none."""
    if encoding.startswith("utf-8"):
        return file
    return io.BufferedReader(Lines(file, encoding, errors=_errors(encoding)), 1024 * 1024)


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """What is in a .gz file, which its first bytes tell; any other file as it is."""
    is_packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_packed else file


def shown(encoding: str) -> str:
    """What people call an encoding."""
    return _ENCODING_WORDS.get(encoding, encoding)


def encoding_of(head: bytes, *, whole: bool) -> str:
    """The encoding of a text by its beginning; `whole` says that this is all of it."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # the first begins as UTF-16
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    # Text in UTF-16 without a mark: every second byte of Latin letters is zero.
    start = head[:2000]
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if len(head) >= 4 and max(even, odd) > len(start) / 5:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return "utf-8" if _is_utf8_with_faults(head) else _guessed_encoding(head)
    return "utf-8"


# What Western European texts are made of beside ASCII.
_WESTERN = frozenset(
    "äöüÄÖÜßéèêëàâáãçñóòôõíìîïúùûÉÀÇÑåÅøØæÆœ€£«»°·…\xa0\u2013\u2014\u2018\u2019\u201c\u201d\u201e"
)


# Western words have a letter beyond ASCII here and there, seldom three in a row.
_RUNS = re.compile(r"[^\W\d_a-zA-Z]{3,}")


def _guessed_encoding(head: bytes) -> str:
    """One of the encodings before Unicode; that of Western Windows where nothing tells."""
    import charset_normalizer  # few tables need it

    best = charset_normalizer.from_bytes(head[:65_536], cp_exclusion=["mac_cyrillic"]).best()
    if best is None or best.encoding in ("ascii", "latin_1", "iso8859_1", "cp1252"):
        return "cp1252"
    # Short texts of Western Europe pass for many encodings: the usual one goes first.
    try:
        western = head.decode("cp1252")
    except UnicodeDecodeError:
        return str(best.encoding)
    letters = [one for one in western if ord(one) > 127]
    likely = sum(one in _WESTERN for one in letters)
    # Cyrillic and the like are all letters beyond ASCII, and pass for Western ones.
    few = len(letters) < sum(one.isascii() and one.isalpha() for one in western)
    in_runs = sum(len(run) for run in _RUNS.findall(western))
    few = few and in_runs < 0.5 * len(letters)
    return "cp1252" if few and likely >= 0.8 * len(letters) else str(best.encoding)


def decoded(head: bytes, encoding: str, name: str) -> str:
    """The text of a beginning.

    Raises:
        TableError: There is no such encoding, or the text is of another one.
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
    """The separator that gives most lines in a row the same number of cells, and many cells."""

    def weight(separator: str) -> tuple[int, int]:
        widths = [len(record) for record in records_of(text, separator)[0][:200] if len(record) > 1]
        if not widths:
            return 0, 0
        width, lines = max(Counter(widths).items(), key=lambda item: (item[1] * item[0], item[0]))
        return lines * (width - 1), width

    return max(SEPARATORS, key=weight)


def records_of(text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    """The rows of the beginning of a file, and the line that each ends with, from 1."""
    records, ends = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for record in reader:
            records.append(record)
            ends.append(reader.line_num)
            if len(records) > _MAX_LINES:
                break
    except csv.Error:
        pass  # the beginning ends inside a quoted cell, or a cell is very long
    return records, ends


class Lines(io.RawIOBase):
    """The rest of a text file in UTF-8, from a line on; what Arrow reads.

    Args:
        file: The file, at its beginning.
        encoding: Its encoding.
        skip: Lines to leave out.
        errors: What is done about bytes that are no text.
    """

    def __init__(
        self, file: IO[bytes], encoding: str, skip: int = 0, errors: str = "strict"
    ) -> None:
        super().__init__()
        # A lone carriage return ends a line for the reader of the header too.
        self._text = io.TextIOWrapper(cast("Any", file), encoding, errors, newline="")
        self._lock = threading.Lock()  # Arrow reads ahead in a thread of its own
        for _ in range(skip):
            self._text.readline()
        self._rest = b""

    def readable(self) -> bool:
        """That it can be read, as `io` asks."""
        return True

    def close(self) -> None:
        """Leaves the file open, which may be read again."""
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
