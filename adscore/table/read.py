"""Reading a table: every cell is checked before any work starts.

An error names the file, the row and the column. Rows are numbered from 1, the header apart.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.errors import TableError
from adscore.table.arrow import read_arrow
from adscore.table.cells import cell_text, is_bytes
from adscore.table.columns import NO_COLUMN, Columns, Target
from adscore.table.creatives import CreativeTable

# A label of a .jsonl table, which is read as text.
_JSON_TRUTH = {"true": 1, "false": 0}


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
        ValueError: Two targets have one name.
    """
    _require_distinct_names(targets)
    rows = read_arrow(path)
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


def _require_distinct_names(targets: Sequence[Target]) -> None:
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        raise ValueError(f"expected targets of distinct names. Received: {', '.join(names)}")


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
    kind = rows.schema.field(name).type
    if pa.types.is_nested(kind) or is_bytes(kind):
        raise TableError(f"{path}, column {name!r}: expected text. Received: {kind}")
    return [cell_text(value) for value in _values(path, rows, name)]


def _images(path: Path, rows: pa.Table, name: str | None, root: Path) -> list[Path | bytes]:
    if name is None:
        return [b""] * rows.num_rows
    if is_bytes(rows.schema.field(name).type):
        return [value or b"" for value in _values(path, rows, name)]
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
    cells = _values(path, rows, name)
    values = [_whole_number(cell) for cell in cells]
    for row, value in enumerate(values):
        if value is None:
            raise TableError(
                f"{path}, row {row + 1}, column {name!r}: expected a whole number from 0. "
                f"Received: {cells[row]!r}"
            )
    return np.array(values, dtype=np.int64)


def _values(path: Path, rows: pa.Table, name: str) -> list[Any]:
    """The cells of a column. Arrow does not look at the bytes of a Parquet file's texts."""
    values = []
    for row, cell in enumerate(rows.column(name)):
        try:
            values.append(cell.as_py())
        except UnicodeDecodeError as error:
            raise TableError(
                f"{path}, row {row + 1}, column {name!r}: expected text in UTF-8: {error}"
            ) from error
    return values


def _whole_number(value: Any) -> int | None:
    """A cell as a count, or None where it is none; ``12.0`` is how pandas writes 12."""
    try:
        number = float(_JSON_TRUTH.get(value, value))
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or number < 0 or number != int(number) or number >= 2**53:
        return None
    return int(number)
