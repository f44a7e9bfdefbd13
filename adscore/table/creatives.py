"""A table of creatives and their results, all of it in memory, every cell checked.

An error names the table, the row and the column. Rows are numbered from 1, the header apart.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.creative import Columns, Creative, InputLimits, Target
from adscore.errors import InvalidCreativeError, TableError, cut
from adscore.table.cells import is_bytes, require_types, texts, values
from adscore.table.images import ImageSource
from adscore.table.stream import open_stream

SHOWN_ERRORS = 5
BATCH_ROWS = 4_096

# A label of a .jsonl table, which is read as text.
_JSON_TRUTH = {"true": 1, "false": 0}


@dataclass(frozen=True, slots=True)
class CreativeTable:
    """A checked table.

    Attributes:
        name: Path or URL that it was read from.
        ids: One for each row.
        headlines: One for each row; ``""`` means absent.
        images: One for each row: path, URL or content of a file; empty means absent.
        image_root: Folder, a path or URL, to which the paths are relative.
        groups: One for each row, or None where there is no group column.
        context: By name, one value for each row; ``""`` means absent.
        target_columns: By target, the columns of its counts.
        successes: By target, counts of shape (rows,), int64.
        trials: By target, counts of shape (rows,), int64.
    """

    name: str
    ids: Sequence[str]
    headlines: Sequence[str]
    images: Sequence[str | bytes] = field(repr=False)
    image_root: str
    groups: Sequence[str] | None
    context: dict[str, Sequence[str]]
    target_columns: dict[str, str]
    successes: dict[str, NDArray[np.int64]]
    trials: dict[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def group_names(self) -> Sequence[str]:
        """Group of each row; without a group column each row is a group of its own."""
        return self.ids if self.groups is None else self.groups

    def where(self, row: int) -> str:
        """Names a row (counted from 0) as a reader of the file would look for it."""
        return f"{self.name}, row {row + 1} (id {cut(self.ids[row])})"

    def creative(self, row: int, limits: InputLimits | None = None) -> Creative:
        """The creative of one row, its image read.

        Args:
            row: Counted from 0.
            limits: Largest image that is read; the usual one unless given.

        Raises:
            InvalidCreativeError: The image cannot be read.
        """
        context = {name: values[row] for name, values in self.context.items() if values[row]}
        image = self.images[row]
        if isinstance(image, str):
            largest = (limits or InputLimits()).max_image_bytes
            image = ImageSource(self.image_root, largest).read(image)
        return Creative(self.headlines[row], image, self.ids[row], context)

    def broken_rows(self, errors: Iterable[tuple[int, str]]) -> TableError:
        """One error for many rows (counted from 0): it names the first few."""
        return _first_of([f"{self.where(row)}: {text}" for row, text in sorted(errors)], "rows")


def read_table(
    table: Any,
    columns: Columns,
    targets: Sequence[Target] = (),
    image_root: str | Path | None = None,
) -> CreativeTable:
    """Reads and checks a whole table.

    Args:
        table: What `open_stream` takes: a path, a URL, a folder or a data frame.
        columns: Which column holds what.
        targets: The rates whose counts are read.
        image_root: Folder, a path or URL, to which image paths are relative; that of the table by
            default.

    Raises:
        TableError: The table cannot be read, has no rows, lacks a column, or holds a cell
            that is not what its column promises.
        ValueError: Two targets have one name.
    """
    _require_distinct_names(targets)
    counted = list(dict.fromkeys(name for target in targets for name in target.count_columns))
    stream = open_stream(table, list(dict.fromkeys([*columns.named(), *counted])))
    name = stream.location.name
    require_types(stream.schema, columns, name)
    read = _Cells(name, columns, counted)
    for batch in stream.batches(BATCH_ROWS):
        read.add(batch)
    read.require_whole()
    ids = read.texts[columns.id] if columns.id else [str(n + 1) for n in range(read.rows)]
    _require_distinct(name, columns.id, ids)
    counts = {target.name: read.counts_of(target) for target in targets}
    return CreativeTable(
        name=name,
        ids=ids,
        headlines=read.texts[columns.headline] if columns.headline else [""] * read.rows,
        images=read.images if columns.image else [b""] * read.rows,
        image_root=str(image_root or stream.folder),
        groups=read.texts[columns.group] if columns.group else None,
        context={name: read.texts[name] for name in columns.context},
        target_columns={target.name: target.columns for target in targets},
        successes={target: successes for target, (successes, _) in counts.items()},
        trials={target: trials for target, (_, trials) in counts.items()},
    )


class _Cells:
    """All cells of a table that were read so far, and those that hold what they may not."""

    def __init__(self, table: str, columns: Columns, counted: Sequence[str]) -> None:
        self.rows = 0
        single = (columns.id, columns.headline, columns.group)
        names = [name for name in (*single, *columns.context) if name is not None]
        self.texts: dict[str, list[str]] = {name: [] for name in names}
        self.images: list[str | bytes] = []
        self._table = table
        self._image = columns.image
        self._counts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in counted}
        self._faults: list[str] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the cells of further rows."""
        for name, held in self.texts.items():
            held += self._readable(name, texts(batch, name))
        if self._image is not None:
            self.images += self._read_images(batch, self._image)
        for name, parts in self._counts.items():
            parts.append(self._whole_numbers(name, self._readable(name, values(batch, name))))
        self.rows += batch.num_rows

    def require_whole(self) -> None:
        """Checks that there are rows, and that every cell could be read.

        Raises:
            TableError: It names the first cells that could not.
        """
        if not self.rows:
            raise TableError(f"{self._table}: expected at least one row. Received: none")
        if self._faults:
            raise _first_of(self._faults, "cells")

    def counts_of(self, target: Target) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Successes and trials of a target, (rows,) each.

        Raises:
            TableError: A row has more successes than trials.
        """
        successes = np.concatenate(self._counts[target.successes])
        if target.trials is None:
            trials, expected = np.ones_like(successes), "0 or 1"
        else:
            trials = np.concatenate(self._counts[target.trials])
            expected = f"at most {target.trials!r}"
        wrong = np.flatnonzero(successes > trials)
        if wrong.size:
            faults = [
                f"{self._table}, row {row + 1}: target {target.name!r}: expected "
                f"{target.successes!r} to be {expected}. Received: {successes[row]}"
                + (f" of {trials[row]}" if target.trials else "")
                for row in wrong.tolist()
            ]
            raise _first_of(faults, "rows")
        return successes, trials

    def _read_images(self, batch: pa.RecordBatch, name: str) -> list[str | bytes]:
        if is_bytes(batch.schema.field(name).type):
            return [cell or b"" for cell in batch.column(name).to_pylist()]
        return self._readable(name, texts(batch, name))

    def _readable(self, name: str, cells: Sequence[Any]) -> list[Any]:
        """The cells, without those that could not be read."""
        for row, cell in enumerate(cells, self.rows):
            if isinstance(cell, InvalidCreativeError):
                self._add_fault(row, name, str(cell).removeprefix(f"{cell.field}: "))
        return ["" if isinstance(cell, InvalidCreativeError) else cell for cell in cells]

    def _whole_numbers(self, name: str, cells: Sequence[Any]) -> NDArray[np.int64]:
        numbers = [_whole_number(cell) for cell in cells]
        for row, number in enumerate(numbers):
            if number is None:
                received = cut(repr(cells[row]))
                self._add_fault(
                    self.rows + row, name, f"expected a whole number from 0. Received: {received}"
                )
        return np.array([number or 0 for number in numbers], dtype=np.int64)

    def _add_fault(self, row: int, column: str, text: str) -> None:
        self._faults.append(f"{self._table}, row {row + 1}, column {column!r}: {text}")


def _whole_number(value: Any) -> int | None:
    """A cell as a count, or None where it is none; ``12.0`` is how pandas writes 12."""
    try:
        number = float(_JSON_TRUTH.get(value, value))
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or number < 0 or number != int(number) or number >= 2**53:
        return None
    return int(number)


def _require_distinct_names(targets: Sequence[Target]) -> None:
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        raise ValueError(f"expected targets of distinct names. Received: {', '.join(names)}")


def _require_distinct(table: str, column: str | None, ids: Sequence[str]) -> None:
    first_row: dict[str, int] = {}
    faults = []
    for row, value in enumerate(ids):
        first = first_row.setdefault(value, row)
        if first != row:
            faults.append(
                f"{table}, row {row + 1}, column {column!r}: expected distinct ids. "
                f"Received: {cut(value)!r}, which row {first + 1} has too"
            )
    if faults:
        raise _first_of(faults, "rows")


def _first_of(faults: Sequence[str], what: str) -> TableError:
    """One error for many faults: it names the first few."""
    more = len(faults) - SHOWN_ERRORS
    return TableError(
        "\n".join([*faults[:SHOWN_ERRORS], *([f"and {more} more {what}"] if more > 0 else [])])
    )
