"""Data frames and Arrow tables: tables that are in memory already."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import pyarrow as pa

from adscore.errors import TableError
from adscore.table.formats import Source, Weighed, plain_schema
from adscore.table.location import Location

# What errors call a table that has no name; its folder is the current one.
FRAME = Location("the data frame")


@dataclass(frozen=True)
class Frame:
    """A table in memory, as a source of rows.

    Attributes:
        rows: The table.
        file: What errors call it.
    """

    rows: pa.Table = field(repr=False)
    file: Location = FRAME

    def schema(self) -> pa.Schema:
        """Its columns and their types."""
        return plain_schema(self.rows.schema)

    def size(self) -> int:
        """Its rows."""
        return int(self.rows.num_rows)

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Weighed]:
        """Its rows, some columns alone."""
        chosen = self.rows.select(list(names))
        for batch in chosen.cast(plain_schema(chosen.schema)).to_batches(rows):
            yield batch, batch.num_rows

    def remark(self) -> str:
        """Nothing."""
        return ""

    def hint(self, missing: Collection[str]) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def pieces(self) -> list[Source]:
        """Itself."""
        return [self]


def arrow_table(frame: Any) -> pa.Table:
    """A data frame as an Arrow table.

    Args:
        frame: One of pandas, an Arrow table, or what else Arrow makes one of, such as a frame of
            polars.

    Raises:
        TableError: It is nothing of the kind, or a column holds values of several types.
    """
    if is_pandas(frame):
        return _from_pandas(frame)
    try:
        return pa.table(frame)
    except (TypeError, pa.ArrowException) as error:
        raise TableError(
            "expected a data frame, an Arrow table, a path or a URL. Received: "
            f"{type(frame).__name__}"
        ) from error


def is_pandas(frame: Any) -> bool:
    """Whether it is a data frame of pandas, or of a kind made from it; without its import."""
    kinds = (kind.__module__.partition(".")[0] for kind in type(frame).__mro__)
    return "pandas" in kinds


def _from_pandas(frame: Any) -> pa.Table:
    try:
        # What pandas says beside the columns, such as its index, is not part of them.
        rows = pa.Table.from_pandas(_with_text_paths(frame), preserve_index=False)
    except pa.ArrowException as error:
        causes = ": ".join(map(str, reversed(error.args))).partition("\n")[0]
        raise TableError(f"expected columns of one type each. Received: {causes}") from error
    return rows.replace_schema_metadata(None)


def _with_text_paths(frame: Any) -> Any:
    """The same with text where cells are `pathlib` paths, which Arrow does not know."""
    names = [name for name, kind in frame.dtypes.items() if str(kind) == "object"]
    return frame.assign(**{name: frame[name].map(_text_of_path) for name in names})


def _text_of_path(cell: Any) -> Any:
    return str(cell) if isinstance(cell, PurePath) else cell
