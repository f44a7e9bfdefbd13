"""A table's file -> an Arrow table, before anything is said of its columns."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError
from adscore.table.formats import csv_header, json_rows


def read_arrow(path: Path) -> pa.Table:
    """Reads a .csv, .parquet or .jsonl file.

    Raises:
        TableError: The file cannot be read, or is not a table.
    """
    kind = path.suffix.lower()
    try:
        match kind:
            case ".csv":
                return _read_csv(path)
            case ".parquet":
                return pyarrow.parquet.read_table(path)
            case ".jsonl" | ".ndjson":
                return _read_json_lines(path)
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (pa.ArrowException, ValueError, csv.Error) as error:
        # Arrow appends whole schemas to some of its messages.
        cause = str(error).partition("\n")[0]
        raise TableError(f"{path}: expected a {kind} table in UTF-8. Received: {cause}") from error
    raise TableError(f"{path}: expected a .csv, .parquet or .jsonl file")


def _read_csv(path: Path) -> pa.Table:
    """Reads every column as text, so that an id such as 007 stays what it is."""
    with path.open("rb") as file:
        header, has_rows = csv_header(str(path), file)
    if not has_rows:  # Arrow refuses a header without a line's end
        return pa.table({name: pa.array([], pa.string()) for name in header})
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
        ),
    )


def _read_json_lines(path: Path) -> pa.Table:
    """Reads every value as text, as scoring does, so that a context value is the same to both."""
    with path.open("rb") as file:
        rows = list(json_rows(file))
    if not rows:
        raise TableError(f"{path}: expected at least one row. Received: an empty file")
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table(
        {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    )
