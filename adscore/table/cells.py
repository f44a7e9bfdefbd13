"""The cells of a table, of whatever type its format gives them."""

from typing import Any

import pyarrow as pa


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column's cells are bytes."""
    types = pa.types
    checks = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return any(check(kind) for check in (*checks, types.is_binary_view))


def cell_text(value: Any) -> str:
    """A cell as text, ``""`` where it is empty.

    Truth is written as JSON has it, so that it is the same in a .jsonl and in a Parquet table.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
