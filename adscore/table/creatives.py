"""A table of creatives and their results, held in memory, with every cell checked.

Errors name the table, the row and the column. Rows are numbered from 1, not counting the header.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from adscore.creative import Columns, Creative, InputLimits, Target
from adscore.errors import BrokenRowsError, cut
from adscore.progress import SILENT, Progress
from adscore.table.cells import require_types
from adscore.table.checks import (
    CheckedCells,
    Faults,
    check_ids,
    check_totals,
    checked_counts,
)
from adscore.table.images import ImageSource
from adscore.table.stream import MissingColumnsError, TableStream, open_stream

_Value = TypeVar("_Value")

BATCH_ROWS = 4_096
SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True)
class CreativeTable:
    """A checked table.

    Attributes:
        name: Path or URL that the table was read from.
        ids: One for each row.
        headlines: One for each row; ``""`` means absent.
        images: One for each row: path, URL or encoded file; empty means absent.
        image_root: Folder, a path or URL, to which image paths are relative.
        groups: One for each row, or None without a group column.
        context: By name, one value for each row; ``""`` means absent.
        target_columns: By target, the columns of its counts.
        successes: By target, counts of shape (rows,), int64; float64 where they are fractional.
        trials: By target, counts of shape (rows,), int64.
        remarks: What a user should know about how the table was read.
        columns: Which column held what.
        kept: Original position of each row, counted from 0; None if no row was left out.
    """

    name: str
    ids: Sequence[str]
    headlines: Sequence[str]
    images: Sequence[str | bytes] = field(repr=False)
    image_root: str
    groups: Sequence[str] | None
    context: dict[str, Sequence[str]]
    target_columns: dict[str, str]
    successes: dict[str, NDArray[Any]]
    trials: dict[str, NDArray[np.int64]]
    remarks: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)
    kept: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def group_names(self) -> Sequence[str]:
        """Group of each row; without a group column each row is a group of its own."""
        return self.ids if self.groups is None else self.groups

    def without(self, rows: Collection[int]) -> "CreativeTable":
        """A copy without the given rows, counted from 0."""
        left = np.array([row for row in range(len(self)) if row not in rows], dtype=np.int64)

        def taken(values: Sequence[_Value]) -> list[_Value]:
            return [values[row] for row in left.tolist()]

        return replace(
            self,
            kept=left if self.kept is None else self.kept[left],
            ids=taken(self.ids),
            headlines=taken(self.headlines),
            images=taken(self.images),
            groups=None if self.groups is None else taken(self.groups),
            context={name: taken(values) for name, values in self.context.items()},
            successes={name: counts[left] for name, counts in self.successes.items()},
            trials={name: counts[left] for name, counts in self.trials.items()},
        )

    def where(self, row: int) -> str:
        """Names a row (counted from 0) as the user finds it in the file."""
        number = row if self.kept is None else int(self.kept[row])
        return f"{self.name}, row {number + 1} (id {cut(self.ids[row])})"

    def creative(self, row: int, limits: InputLimits | None = None) -> Creative:
        """The creative of one row; reads its image.

        Args:
            row: Counted from 0.
            limits: Limits on the image size; the defaults unless given.

        Raises:
            InvalidCreativeError: The image cannot be read.
        """
        context = {name: values[row] for name, values in self.context.items() if values[row]}
        image = self.images[row]
        if isinstance(image, str):
            largest = (limits or InputLimits()).max_image_bytes
            image = ImageSource(self.image_root, largest).read(image)
        return Creative(self.headlines[row], image, self.ids[row], context)

    def broken_rows(self, errors: Iterable[tuple[int, str]]) -> BrokenRowsError:
        """One error for many rows (counted from 0); names the first `SHOWN_ROWS`."""
        ordered = sorted(errors)
        lines = [f"{self.where(row)}: {text}" for row, text in ordered[:SHOWN_ROWS]]
        more = len(ordered) - len(lines)
        lines += [f"and {more} more rows"] if more else []
        return BrokenRowsError("\n".join(lines), {row for row, _ in ordered})


def read_table(
    table: Any,
    columns: Columns,
    targets: Sequence[Target] = (),
    image_root: str | Path | None = None,
    *,
    skip_bad_rows: bool = False,
    progress: Progress = SILENT,
) -> CreativeTable:
    """Reads and checks a whole table.

    Args:
        table: A path, a URL, a folder or a data frame, as for `open_stream`.
        columns: Which column holds what.
        targets: The rates whose counts are read.
        image_root: Folder, a path or URL, to which image paths are relative; the table's folder by
            default.
        skip_bad_rows: Leave rows with faults out and add a remark, instead of raising an error.
        progress: Receives the share of the table read so far.

    Raises:
        MissingColumnsError: Columns are missing.
        BrokenRowsError: Cells hold invalid values; the first of each kind are named.
        TableError: The table cannot be read otherwise, or has no rows.
        ValueError: Two targets have the same name.
    """
    _require_distinct_names(targets)
    stream = _open(table, columns, targets)
    faults = Faults(stream.location.name)
    found = _collected(stream, columns, targets, faults, progress)
    creatives = replace(found, image_root=str(image_root or stream.folder))
    if not faults.rows:
        return creatives
    if not skip_bad_rows:
        raise BrokenRowsError(str(faults), faults.rows)
    left_out = f"rows left out: {len(faults.rows)}\n{faults}"
    return replace(creatives.without(faults.rows), remarks=(*creatives.remarks, left_out))


def _open(table: Any, columns: Columns, targets: Sequence[Target]) -> TableStream:
    counted = [name for target in targets for name in target.count_columns]
    try:
        stream = open_stream(table, list(dict.fromkeys([*columns.named(), *counted])))
    except MissingColumnsError as error:
        if not set(error.missing) <= set(counted):
            raise
        counts = "Targets are learned from counts; a rate or per cent alone is none."
        raise MissingColumnsError(error.missing, f"{error.what} {counts}", error.hint) from error
    require_types(stream.schema, columns, stream.location.name)
    stream.require_rows()
    return stream


def _collected(
    stream: TableStream,
    columns: Columns,
    targets: Sequence[Target],
    faults: Faults,
    progress: Progress,
) -> CreativeTable:
    """All rows of a table, including those with faults."""
    read = CheckedCells(columns, targets, faults)
    for batch, _, share in stream.pieces(BATCH_ROWS):
        read.add(batch)
        progress.advance(share, f"{read.rows:,} rows")
    ids = read.texts[columns.id] if columns.id else [str(n + 1) for n in range(read.rows)]
    labels = [read.texts[name] for name in (columns.id, columns.group, columns.headline) if name]
    if labels and any(target.trials for target in targets):
        check_totals(labels, read.counts, faults)
    if columns.id:
        check_ids(columns.id, ids, faults)
    counts = {target.name: checked_counts(target, read.counts, faults) for target in targets}
    return CreativeTable(
        name=stream.location.name,
        ids=ids,
        headlines=read.texts[columns.headline] if columns.headline else [""] * read.rows,
        images=read.images if columns.image else [b""] * read.rows,
        image_root=stream.folder,
        groups=read.texts[columns.group] if columns.group else None,
        context={name: read.texts[name] for name in columns.context},
        target_columns={target.name: target.columns for target in targets},
        successes={target: successes for target, (successes, _) in counts.items()},
        trials={target: trials for target, (_, trials) in counts.items()},
        remarks=(*stream.remarks, *read.remarks),
        columns=columns,
    )


def _require_distinct_names(targets: Sequence[Target]) -> None:
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        raise ValueError(f"expected targets of distinct names. Received: {', '.join(names)}")
