"""Reads one export and separates its ads, with their counts, from other rows."""

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adscore.errors import TableError
from adscore.prepare.days import written_days
from adscore.prepare.headlines import is_nothing
from adscore.prepare.layout import Choices, Layout, find_layout, require_headline_choice
from adscore.prepare.platform import GENERIC, known_names, recognise
from adscore.prepare.sift import LeftOut, Sifter, SiftOptions
from adscore.progress import SILENT, Progress
from adscore.table.location import Location
from adscore.table.numbers import Notation, looks_numeric
from adscore.table.sheet import Sheet, SheetOptions, SheetRows
from adscore.table.sheets import open_sheet
from adscore.table.totals import rows_of_sums

# Errors of decompressing a truncated or damaged file.
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError)
_BATCHES_TO_UNIFY = 50
_CELLS_TO_JUDGE = 1_000


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How exports are read; see `adscore prepare`.

    Attributes:
        sheet: How to open the files.
        choices: Which columns hold what.
        platform: Key of the platform; None detects it.
        otherwise: Key of the platform if none is detected.
        decimal: The decimal mark; None detects it.
        blank_is_zero: Whether a blank count is zero; None uses the platform's rule.
        keep_rows: Rows, numbered from 1 below the header, that are ads whatever they look like.
        date_format: `strptime` format of days; None detects it.
    """

    sheet: SheetOptions = field(default_factory=SheetOptions)
    choices: Choices = field(default_factory=Choices)
    platform: str | None = None
    otherwise: str = GENERIC
    decimal: str | None = None
    blank_is_zero: bool | None = None
    keep_rows: frozenset[int] = frozenset()
    date_format: str | None = None

    def sifting(self, decimal: str) -> SiftOptions:
        """The options for telling ads from other rows."""
        return SiftOptions(decimal, self.blank_is_zero, self.keep_rows, self.choices.headlines)


@dataclass(frozen=True, slots=True)
class Export:
    """The content of an export.

    Attributes:
        name: Name of the export.
        file_layout: How the file is written, in words.
        layout: Which columns hold what.
        decimal: The decimal mark.
        shown_by: A cell that shows the decimal mark; empty if no cell has a mark.
        rows: Number of rows below the header.
        ads: Rows of ads: the columns `id`, `campaign`, `headline`, `image`, `date`, the context,
            and counts by their names in the result; texts and float64.
        left_out: Rows that are not ads.
        footers: Lines that are not rows.
    """

    name: str
    file_layout: str
    layout: Layout
    decimal: str
    shown_by: str
    rows: int
    ads: pa.Table
    left_out: list[LeftOut]
    footers: list[str]


def read_export(
    name: str, options: ReadOptions, *, counts: bool = True, progress: Progress = SILENT
) -> Export:
    """Reads an export.

    Args:
        name: Path or URL of the file.
        options: Settings of the user.
        counts: Whether to read counts; the table of a join has none.
        progress: Receives the stages and the share of the file read.

    Raises:
        TableError: The export cannot be read, or the user has to settle something.
        OSError: The file cannot be opened.
    """
    location = Location.parse(name)
    short = location.path.rpartition("/")[2]
    progress(f"looking at {short}")
    with _opened(location, short, options) as (sheet, share):
        platform = recognise(sheet.columns, options.platform, options.otherwise)
        layout = find_layout(sheet.columns, platform, options.choices, short, counts=counts)
        notation, filled = _first_look(sheet, layout)
        headlines = tuple(one for one in layout.headlines if one in filled)
        require_headline_choice(headlines, options.choices, short)
        layout = replace(layout, headlines=headlines)
        decimal = notation.decimal(options.decimal, short)
        progress(f"reading {short}")
        sifter = Sifter(short, layout, options.sifting(decimal))
        ads = _sifted(
            sheet,
            layout,
            sifter,
            lambda: progress.advance(share(), f"{sifter.rows:,} rows"),
        )
    left_out = sifter.left_out
    ads, left_out = _without_sums(ads, left_out, [count.name for count in layout.counts])
    return Export(
        name=short,
        file_layout=sheet.layout,
        layout=layout,
        decimal=decimal,
        shown_by=notation.comma if decimal == "," else notation.point,
        rows=sifter.rows,
        ads=_with_days(ads, options.date_format, short) if layout.date else ads,
        left_out=left_out,
        footers=sheet.footers,
    )


@contextmanager
def _opened(
    location: Location, name: str, options: ReadOptions
) -> Iterator[tuple[Sheet, Callable[[], float | None]]]:
    """Opens a file as a sheet and closes it at the end; also gives the share read so far."""
    if location.is_folder():
        raise TableError(f"{location.name}: expected a file. Received: a folder")
    size = None if location.filesystem is not None else Path(location.path).stat().st_size
    with location.open() as file:

        def share() -> float | None:
            return min(1.0, file.tell() / size) if size else None

        try:
            yield open_sheet(file, name, options.sheet, known_names), share
        except UnicodeDecodeError as error:
            raise TableError(
                f"{name}: expected text in {error.encoding} to its end. Received: {error.reason}; "
                "name the encoding with --encoding, or save the file as CSV UTF-8"
            ) from error
        except _DAMAGED as error:
            raise TableError(f"{name}: cannot be unpacked, it may be damaged: {error}") from error


def _sifted(sheet: Sheet, layout: Layout, sifter: Sifter, told: Callable[[], None]) -> pa.Table:
    names = layout.read()
    empty = pa.record_batch([pa.array([], pa.string()) for _ in names], names)
    tables = [sifter.sift(SheetRows(empty, np.array([], np.int64)))]
    for number, batch in enumerate(sheet.rows(names), 1):
        tables.append(sifter.sift(batch))
        told()
        if number % _BATCHES_TO_UNIFY == 0:  # texts shared by batches are stored once
            tables = [pa.concat_tables(tables).unify_dictionaries().combine_chunks()]
    sifter.require_no_faults()
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _with_days(ads: pa.Table, given: str | None, name: str) -> pa.Table:
    """The table with days in ISO 8601."""
    column = ads["date"].combine_chunks()
    array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    array = array.dictionary_decode().dictionary_encode()  # drops words that no row uses any more
    days = pa.array(written_days(array.dictionary.to_pylist(), given, name), pa.string())
    written = days.take(array.indices).dictionary_encode()  # two spellings may be one day
    return ads.set_column(ads.column_names.index("date"), "date", written)


def _first_look(sheet: Sheet, layout: Layout) -> tuple[Notation, set[str]]:
    """The notation of numbers, and the headline columns that are not empty."""
    notation, filled = Notation(), set[str]()
    counted = {count.source for count in layout.counts}
    texts = {layout.id, layout.campaign, layout.image, layout.date, *layout.headlines}
    numeric: list[str] | None = None
    for batch, _ in sheet.rows():
        if numeric is None:
            numeric = [
                one
                for one in sheet.columns
                if one in counted
                or (one not in texts and looks_numeric(_first_cells(batch.column(one))))
            ]
        for one in numeric if not notation.settled else ():
            cells = batch.column(one)
            marked = cells.filter(pc.match_substring_regex(cells, "[.,]"))
            notation.look_at(marked.unique().to_pylist())
        for one in layout.headlines:
            if one not in filled and pc.any(pc.invert(is_nothing(batch.column(one)))).as_py():
                filled.add(one)
        if notation.settled and len(layout.headlines) < 2 and len(filled) == len(layout.headlines):
            break
    return notation, filled


def _first_cells(cells: pa.Array) -> list[str]:
    found: list[str] = cells.slice(0, _CELLS_TO_JUDGE).to_pylist()
    return found


def _without_sums(
    ads: pa.Table, left_out: Sequence[LeftOut], counts: Sequence[str]
) -> tuple[pa.Table, list[LeftOut]]:
    """Leaves out unlabelled totals: rows whose every count is the sum of other rows.

    Args:
        ads: Ads, with a column `suspect`.
        left_out: Rows already left out; those that are sums are relabelled as totals.
        counts: Columns of counts.

    Returns:
        Ads without the column `suspect`, and all rows left out, in row order.
    """
    suspects = ads["suspect"].to_numpy().astype(bool)
    found = list(left_out)
    if counts and ads.num_rows:
        held = np.stack([ads[name].to_numpy() for name in counts])  # (counts, rows)
        rest = held[:, ~suspects].sum(axis=1)
        found = [_named_total(one, rest) for one in found]
        sums = rows_of_sums(held, suspects)
        rows = ads["row"].to_numpy()
        found += [LeftOut(int(rows[at]), "totals", text, {}) for at, text in sorted(sums.items())]
        if sums:
            kept = np.ones(ads.num_rows, bool)
            kept[list(sums)] = False
            ads = ads.filter(pa.array(kept))
    return ads.drop_columns(["suspect"]), sorted(found, key=lambda one: one.row)


def _named_total(one: LeftOut, total: NDArray[np.float64]) -> LeftOut:
    counts = list(one.counts.values())
    is_total = one.reason == "no ad" and np.allclose(counts, total, rtol=1e-9) and total.any()
    return replace(one, reason="totals", label="the sum of all ads") if is_total else one
