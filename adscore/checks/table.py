"""Checks the creatives of a table as a stream; only the findings are kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from typing import Any

import pyarrow as pa

from adscore.checks.check import LIMITS, Checked, Checker
from adscore.checks.findings import CheckedCreative, CheckReport
from adscore.checks.rules import Placement
from adscore.cores import in_order, usable_cores
from adscore.creative import Columns, Creative
from adscore.errors import InvalidCreativeError
from adscore.table import (
    ImageCell,
    ImageSource,
    Piece,
    Text,
    image_cells,
    open_stream,
    require_types,
    texts,
)

# Small, so that progress is visible: a banner takes some tenths of a second.
_BATCH_ROWS = 64
# Batches of work queued per thread ahead of the next row to report.
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of a row; an unreadable cell holds the error instead."""

    id: str
    headline: Text
    image: ImageCell
    group: str
    share: float | None


# Called with each creative and its findings; and with the number of rows done and their share of
# the table, from 0 to 1, None if unknown.
CreativeChecked = Callable[[Creative, CheckedCreative], None]
RowsDone = Callable[[int, float | None], None]


def check_table(
    table: Any,
    columns: Columns,
    placement: Placement,
    image_root: str | None = None,
    *,
    checked: CreativeChecked = lambda _, __: None,
    progress: RowsDone = lambda _, __: None,
) -> CheckReport:
    """Checks every creative of a table against the rules of a placement, on all cores.

    Args:
        table: A table, as for `open_stream`.
        columns: Which column holds what; near-duplicates are looked for inside each group.
        placement: Placement whose rules are checked.
        image_root: Folder or URL of image paths; the table's folder by default.
        checked: Called with each creative and its findings, before near-duplicates are known.
        progress: Called after rows are done.

    Raises:
        TableError: The table cannot be read, or lacks a column.
    """
    stream = open_stream(table, columns.named())
    require_types(stream.schema, columns)
    stream.require_rows()
    checker = Checker(placement)
    source = ImageSource(
        stream.folder if image_root is None else image_root, LIMITS.max_image_bytes
    )
    groups: dict[str, list[tuple[int, Checked]]] = {}
    threads = usable_cores()

    def check(rows: list[_Row]) -> list[tuple[_Row, Creative, Checked]]:
        return [(row, *_check(row, source, checker)) for row in rows]

    # Rows with the same image go to one thread: other threads would only wait for its result.
    pieces = (_rows(piece, columns) for piece in stream.pieces(_BATCH_ROWS))
    work = (list(rows) for piece in pieces for _, rows in groupby(piece, lambda row: row.image))
    with ThreadPoolExecutor(threads, "check") as pool:
        done = 0
        for results in in_order(pool, check, work, _AHEAD * threads):
            for row, creative, found in results:
                groups.setdefault(row.group, []).append((done, found))
                checked(creative, found.creative)
                done += 1
                if row.share is not None:
                    progress(done, row.share)
    compared: dict[int, CheckedCreative] = {}
    for group in groups.values():
        places, members = zip(*group, strict=True)
        compared |= zip(places, checker.compared(members), strict=True)
    creatives = tuple(compared[place] for place in range(done))
    return CheckReport(placement.name, creatives, tuple(checker.not_checked))


def _rows(piece: Piece, columns: Columns) -> Iterator[_Row]:
    batch, count = piece.rows, piece.rows.num_rows
    numbers = [str(piece.first_row + row + 1) for row in range(count)]
    ids = _plain(batch, columns.id) or numbers
    groups = _plain(batch, columns.group) or [""] * count
    headlines = texts(batch, columns.headline) if columns.headline else [""] * count
    images = image_cells(batch, columns.image) if columns.image else repeat("", count)
    for number, cells in enumerate(zip(ids, headlines, images, groups, strict=True)):
        # The share is known for the whole batch, so its last row gets it.
        yield _Row(*cells, piece.share if number == count - 1 else None)


def _plain(batch: pa.RecordBatch, name: str | None) -> list[str]:
    """A column of names; unreadable cells become ``""``."""
    cells = texts(batch, name) if name else []
    return ["" if isinstance(cell, InvalidCreativeError) else cell for cell in cells]


def _check(row: _Row, source: ImageSource, checker: Checker) -> tuple[Creative, Checked]:
    headline = "" if isinstance(row.headline, InvalidCreativeError) else row.headline
    creative = Creative(headline, b"", row.id)
    try:
        creative = replace(creative, image=_known(row.image, source))
        _raise(row.headline)
    except InvalidCreativeError as error:
        return creative, checker.unreadable(creative, error)
    return creative, checker.check(creative)


def _known(cell: ImageCell, source: ImageSource) -> bytes:
    _raise(cell)
    return cell if isinstance(cell, bytes) else source.read(str(cell))


def _raise(cell: object) -> None:
    if isinstance(cell, InvalidCreativeError):
        raise cell
