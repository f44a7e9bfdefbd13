"""What is asked of offline scoring, whatever engine does it."""

from dataclasses import dataclass

import pyarrow as pa

from adscore.errors import TableError
from adscore.table import Columns, is_bytes

# Memory for what the towers said of assets: some ten thousand of a model trained from scratch,
# some thousand of one on encoders, and little beside the runtime's own.
CACHE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """Which columns are read and carried along; small and picklable, so that it travels.

    Attributes:
        columns: Which column holds what; the group is not read.
        keep: Further columns that the result carries along as they are.
        image_root: Folder, a path or URL, to which image paths are relative.
    """

    columns: Columns
    keep: tuple[str, ...] = ()
    image_root: str = "."

    @property
    def id_name(self) -> str:
        """Name of the result's first column; rows are numbered where the table has no id."""
        return self.columns.id or "row"

    @property
    def read(self) -> list[str]:
        """Names of the columns that are read, each once."""
        return list(dict.fromkeys([*self.columns.named(), *self.keep]))


def require_types(schema: pa.Schema, columns: Columns) -> None:
    """Checks that columns can hold what they are said to hold.

    Raises:
        TableError: One is of another type.
    """
    for name in columns.named():
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or (is_bytes(kind) and name != columns.image):
            expected = "a path or bytes" if name == columns.image else "text"
            raise TableError(f"column {name!r}: expected {expected}. Received: {kind}")
