"""A table of creatives and their results, read and checked once for all who use it.

Every cell is checked before any work starts, and an error names the file, the row and the
column. Rows are numbered from 1, the header apart.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from numpy.typing import NDArray

from adscore.creative import Creative
from adscore.errors import InvalidCreativeError, Reason, TableError

NO_COLUMN = "none"
SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Target:
    """A rate to learn: successes per trial, or a 0/1 label, which is a rate with one trial.

    Attributes:
        name: Name of the rate, e.g. ``"ctr"``.
        successes: Column of the successes, e.g. ``"clicks"``, or of the label.
        trials: Column of the trials, e.g. ``"impressions"``; None for a label.
    """

    name: str
    successes: str
    trials: str | None

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Reads ``NAME=SUCCESSES/TRIALS`` or ``NAME=LABEL``.

        Raises:
            ValueError: The text has another form.
        """
        name, equals, columns = text.partition("=")
        successes, slash, trials = columns.partition("/")
        if not (name and equals and successes) or bool(slash) != bool(trials):
            raise ValueError(f"expected NAME=SUCCESSES/TRIALS or NAME=LABEL. Received: {text!r}")
        return cls(name, successes, trials or None)

    @property
    def columns(self) -> str:
        """The part after the name: ``SUCCESSES/TRIALS`` or ``LABEL``."""
        return self.successes if self.trials is None else f"{self.successes}/{self.trials}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; None where there is no such column.

    Attributes:
        id: Identifies a row; row numbers stand in where it is None.
        headline: Text of the headline.
        image: Path of the image file, or its bytes (Parquet).
        group: Whatever rows are compared within, e.g. the campaign.
        context: Circumstances of the ad, such as its placement.
    """

    id: str | None = "creative_id"
    headline: str | None = "headline"
    image: str | None = "image"
    group: str | None = "campaign_id"
    context: tuple[str, ...] = ()

    def named(self) -> list[str]:
        """Names of all columns that must be there."""
        single = (self.id, self.headline, self.image, self.group)
        return [name for name in (*single, *self.context) if name is not None]


@dataclass(frozen=True, slots=True)
class CreativeTable:
    """A checked table.

    Attributes:
        path: Where it was read from.
        ids: One for each row.
        headlines: One for each row; ``""`` means absent.
        images: One for each row: a file's path or its content; ``b""`` means absent.
        groups: One for each row, or None where there is no group column.
        context: By name, one value for each row; ``""`` means absent.
        target_columns: By target, the columns of its counts.
        successes: By target, counts of shape (rows,), int64.
        trials: By target, counts of shape (rows,), int64.
    """

    path: Path
    ids: Sequence[str]
    headlines: Sequence[str]
    images: Sequence[Path | bytes] = field(repr=False)
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
        return f"{self.path}, row {row + 1} (id {self.ids[row]})"

    def creative(self, row: int) -> Creative:
        """The creative of one row, its image read from disk.

        Raises:
            InvalidCreativeError: The image file cannot be read.
        """
        context = {name: values[row] for name, values in self.context.items() if values[row]}
        return Creative(self.headlines[row], self._image(row), self.ids[row], context)

    def broken_rows(self, errors: Iterable[tuple[int, str]]) -> TableError:
        """One error for many rows (counted from 0): it names the first few."""
        ordered = sorted(errors)
        shown = [f"{self.where(row)}: {message}" for row, message in ordered[:SHOWN_ERRORS]]
        more = len(ordered) - len(shown)
        return TableError("\n".join([*shown, *([f"and {more} more rows"] if more else [])]))

    def _image(self, row: int) -> bytes:
        image = self.images[row]
        if isinstance(image, bytes):
            return image
        try:
            return image.read_bytes()
        except OSError as error:
            raise InvalidCreativeError(
                "image",
                Reason.IMAGE_UNREADABLE,
                f"expected an image file. Received: {image}: {error.strerror}",
            ) from error


def read_table(
    path: Path,
    columns: Columns,
    targets: Sequence[Target] = (),
    image_root: Path | None = None,
) -> CreativeTable:
    """Reads and checks a .csv, .parquet or .jsonl table.

    Args:
        path: The table.
        columns: Which column holds what.
        targets: The rates whose counts are read.
        image_root: Folder to which image paths are relative; the table's own by default.

    Raises:
        TableError: The file cannot be read, has no rows, lacks a column, or holds a cell
            that is not what its column promises.
    """
    rows = _read_arrow(path)
    _require_columns(path, rows, columns, targets)
    if rows.num_rows == 0:
        raise TableError(f"{path}: expected at least one row. Received: none")
    numbers = [str(row + 1) for row in range(rows.num_rows)]
    ids = _texts(path, rows, columns.id) if columns.id else numbers
    _require_distinct(path, columns.id, ids)
    successes, trials = {}, {}
    for target in targets:
        successes[target.name], trials[target.name] = _counts(path, rows, target)
    return CreativeTable(
        path=path,
        ids=ids,
        headlines=_texts(path, rows, columns.headline) if columns.headline else [""] * len(ids),
        images=_images(path, rows, columns.image, image_root or path.parent),
        groups=_texts(path, rows, columns.group) if columns.group else None,
        context={name: _texts(path, rows, name) for name in columns.context},
        target_columns={target.name: target.columns for target in targets},
        successes=successes,
        trials=trials,
    )


def _read_arrow(path: Path) -> pa.Table:
    try:
        match path.suffix.lower():
            case ".csv":
                return _read_csv(path)
            case ".parquet":
                return pyarrow.parquet.read_table(path)
            case ".jsonl" | ".ndjson":
                return pyarrow.json.read_json(path)
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: expected a table in UTF-8: {error}") from error
    raise TableError(f"{path}: expected a .csv, .parquet or .jsonl file")


def _read_csv(path: Path) -> pa.Table:
    """Reads every column as text, so that an id such as 007 stays what it is."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    if not header:
        raise TableError(f"{path}: expected a header line. Received: an empty file")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise TableError(f"{path}: expected distinct columns. Received: {repeated} twice")
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
        ),
    )


def _require_columns(
    path: Path, rows: pa.Table, columns: Columns, targets: Sequence[Target]
) -> None:
    counts = [name for t in targets for name in (t.successes, t.trials) if name is not None]
    for name in [*columns.named(), *counts]:
        if name not in rows.column_names:
            raise TableError(
                f"{path}: expected a column {name!r}. Received: {', '.join(rows.column_names)}. "
                f"Name another with an option, or {NO_COLUMN!r} where there is none"
            )


def _require_distinct(path: Path, column: str | None, ids: Sequence[str]) -> None:
    first_row: dict[str, int] = {}
    for row, value in enumerate(ids):
        if value in first_row:
            raise TableError(
                f"{path}, row {row + 1}, column {column!r}: expected distinct ids. "
                f"Received: {value!r}, which row {first_row[value] + 1} has too"
            )
        first_row[value] = row


def _texts(path: Path, rows: pa.Table, name: str) -> list[str]:
    """A column as text; an empty cell is ``""``."""
    column = rows.column(name)
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        raise TableError(f"{path}, column {name!r}: expected text. Received: {column.type}")
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _images(path: Path, rows: pa.Table, name: str | None, root: Path) -> list[Path | bytes]:
    if name is None:
        return [b""] * rows.num_rows
    column = rows.column(name)
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [value or b"" for value in column.to_pylist()]
    return [root / text if text else b"" for text in _texts(path, rows, name)]


def _counts(
    path: Path, rows: pa.Table, target: Target
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    successes = _whole_numbers(path, rows, target.successes)
    if target.trials is None:
        trials = np.ones_like(successes)
        expected = f"{target.successes!r} to be 0 or 1"
    else:
        trials = _whole_numbers(path, rows, target.trials)
        expected = f"{target.successes!r} to be at most {target.trials!r}"
    wrong = np.flatnonzero(successes > trials)
    if wrong.size:
        row = int(wrong[0])
        received = f"{successes[row]}" + (f" of {trials[row]}" if target.trials else "")
        raise TableError(
            f"{path}, row {row + 1}: target {target.name!r}: expected {expected}. "
            f"Received: {received}"
        )
    return successes, trials


def _whole_numbers(path: Path, rows: pa.Table, name: str) -> NDArray[np.int64]:
    values = [_whole_number(value) for value in rows.column(name).to_pylist()]
    for row, value in enumerate(values):
        if value is None:
            raise TableError(
                f"{path}, row {row + 1}, column {name!r}: expected a whole number from 0. "
                f"Received: {rows.column(name)[row].as_py()!r}"
            )
    return np.array(values, dtype=np.int64)


def _whole_number(value: Any) -> int | None:
    """A cell as a count, or None where it is none; ``12.0`` is how pandas writes 12."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or number < 0 or number != int(number) or number >= 2**53:
        return None
    return int(number)
