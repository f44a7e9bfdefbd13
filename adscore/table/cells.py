"""Converts the cells of a batch, in any type a table format yields, to texts and images."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from adscore.creative import Columns
from adscore.errors import InvalidCreativeError, Reason, TableError, cut

# A cell's value, or why it cannot be read.
Text = str | InvalidCreativeError
ImageCell = bytes | Text


def require_types(schema: pa.Schema, columns: Columns, table: str = "") -> None:
    """Checks that each column's type suits its role.

    Args:
        schema: Types of the columns to read.
        columns: Which column holds what.
        table: Name of the table, for the error.

    Raises:
        TableError: A column has an unsuitable type.
    """
    for name in columns.named():
        kind = schema.field(name).type
        if name == columns.image and is_image_struct(kind):
            continue
        if pa.types.is_nested(kind) or (is_bytes(kind) and name != columns.image):
            expected = "a path or bytes" if name == columns.image else "text"
            where = f"{table}, column" if table else "column"
            raise TableError(f"{where} {name!r}: expected {expected}. Received: {kind}")


def texts(batch: pa.RecordBatch, name: str) -> list[Text]:
    """A column as text; an empty cell is ``""``."""
    return [
        cell if isinstance(cell, InvalidCreativeError) else cell_text(cell)
        for cell in values(batch, name)
    ]


def image_cells(batch: pa.RecordBatch, name: str) -> Iterator[ImageCell]:
    """An image column: paths, URLs, data URIs or encoded files; an absent image is empty."""
    column = batch.column(name)
    if is_bytes(column.type):
        return (cell.as_py() or b"" for cell in column)
    if is_image_struct(column.type):
        return map(_of_struct, column)
    return iter(texts(batch, name))


def holds_images(kind: pa.DataType) -> bool:
    """Whether a column's cells are, or may be, encoded image files."""
    return is_bytes(kind) or is_image_struct(kind)


def is_image_struct(kind: pa.DataType) -> bool:
    """Whether cells are image structs, as in Hugging Face data sets: ``bytes`` and ``path``."""
    if not pa.types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    return "bytes" in fields and is_bytes(fields["bytes"])


def _of_struct(cell: pa.Scalar) -> ImageCell:
    """The bytes of an image struct, or its path if it has no bytes."""
    if not cell.is_valid:
        return b""
    image = cell["bytes"].as_py()
    path = cell["path"].as_py() if any(field.name == "path" for field in cell.type) else None
    return image or str(path or "")


def values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column as Python values; a cell that cannot be decoded becomes the error that says why."""
    column = batch.column(name)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # Arrow does not validate UTF-8 on reading
        return [_value(cell, name) for cell in column]


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column's cells are bytes."""
    types = pa.types
    checks = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return any(check(kind) for check in (*checks, types.is_binary_view))


def cell_text(value: Any) -> str:
    """A cell as text; an empty cell is ``""``.

    Booleans are written as in JSON, so that .jsonl and Parquet tables give the same text.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _value(cell: pa.Scalar, name: str) -> Any:
    try:
        return cell.as_py()
    except UnicodeDecodeError as error:
        expected, cause = "text in UTF-8", f"{error.object[error.start : error.start + 1]!r} in it"
    except (ValueError, OverflowError) as error:  # such as a date out of range
        expected, cause = "text", str(error)
    return InvalidCreativeError(
        name, Reason.HEADLINE_NOT_TEXT, f"expected {expected}. Received: {cut(cause)}"
    )
