"""Tables that are already in memory: data frames and Arrow tables."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import pyarrow as pa

from adscore.errors import TableError
from adscore.table.formats import Source, Weighed, plain_schema
from adscore.table.location import Location

# Name of an in-memory table in errors; its folder is the current one.
FRAME = Location("the data frame")


@dataclass(frozen=True)
class Frame:
    """An in-memory table, as a source of rows.

    Attributes:
        rows: The table.
        file: Name of the table in errors.
    """

    rows: pa.Table = field(repr=False)
    file: Location = FRAME

    def schema(self) -> pa.Schema:
        """The columns and their types."""
        return plain_schema(self.rows.schema)

    def size(self) -> int:
        """Number of rows."""
        return int(self.rows.num_rows)

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Weighed]:
        """Reads the named columns in batches of at most `rows` rows."""
        chosen = self.rows.select(list(names))
        for batch in chosen.cast(plain_schema(chosen.schema)).to_batches(rows):
            yield batch, batch.num_rows

    def remark(self) -> str:
        """Empty: nothing is guessed."""
        return ""

    def hint(self, missing: Collection[str]) -> str:  # noqa: ARG002
        """Empty: there is nothing to suggest."""
        return ""

    def pieces(self) -> list[Source]:
        """The frame itself: it is not split."""
        return [self]


def arrow_table(frame: Any) -> pa.Table:
    """Converts a data frame to an Arrow table.

    Args:
        frame: A pandas data frame, an Arrow table, or anything that Arrow can convert, such as a
            polars frame.

    Raises:
        TableError: Arrow cannot convert it, or a column holds values of several types.
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
    """Whether it is a pandas data frame or a subclass of one; does not import pandas."""
    kinds = (kind.__module__.partition(".")[0] for kind in type(frame).__mro__)
    return "pandas" in kinds


def _from_pandas(frame: Any) -> pa.Table:
    try:
        # The pandas index is not a column.
        rows = pa.Table.from_pandas(_with_text_paths(frame), preserve_index=False)
    except pa.ArrowException as error:
        causes = ": ".join(map(str, reversed(error.args))).partition("\n")[0]
        raise TableError(f"expected columns of one type each. Received: {causes}") from error
    return rows.replace_schema_metadata(None)


def _with_text_paths(frame: Any) -> Any:
    """The frame with `pathlib` paths as text, since Arrow does not know them."""
    names = [name for name, kind in frame.dtypes.items() if str(kind) == "object"]
    return frame.assign(**{name: frame[name].map(_text_of_path) for name in names})


def _text_of_path(cell: Any) -> Any:
    return str(cell) if isinstance(cell, PurePath) else cell
