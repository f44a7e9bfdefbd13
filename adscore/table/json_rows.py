"""Reads JSON objects as rows of texts: one per line, or the list in a service's response."""

import json
from collections.abc import Iterator
from typing import IO, Any

from adscore.errors import TableError
from adscore.table.sheet import Sheet, sheet_of_rows

# Keys under which services return the rows of a page.
_PAGES = ("results", "data", "rows", "items", "elements")


# === .jsonl ===


def json_lines(binary: IO[bytes]) -> Iterator[tuple[dict[str, str | None], int]]:
    """Yields the rows of a .jsonl file, each value as its text in the file, with their bytes.

    Raises:
        ValueError: A line is not a JSON object, or repeats a key.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_distinct, parse_float=_Decimal, parse_constant=_not_a_number
    )
    for number, line in enumerate(binary, start=1):
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        text = line.decode(encoding, "surrogateescape").strip()
        if not text:
            continue
        try:
            row = decoder.decode(text)
            if not isinstance(row, dict):
                raise ValueError(f"expected an object. Received: {type(row).__name__}")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error
        yield {name: json_text(value) for name, value in row.items()}, len(line)


class _Decimal(float):
    """A float that keeps its text from the file."""

    text: str

    def __new__(cls, text: str) -> "_Decimal":
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"expected distinct names. Received: {repeated!r} twice")
    return row


def _not_a_number(text: str) -> Any:
    raise ValueError(f"expected JSON. Received: {text}")


def json_text(value: Any) -> str | None:
    """A value as its text in the file; None for null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | dict | list) else str(value)


# === Responses of services ===


def open_json(file: IO[bytes], name: str, encoding: str) -> Sheet:
    """Opens JSON objects: one per line, or in a list, which may be inside a response or its pages.

    Args:
        file: The file, at its beginning.
        name: Name of the file, for errors.
        encoding: Encoding of the file.

    Raises:
        TableError: The file holds no objects.
    """
    text = file.read().decode(encoding).lstrip("\ufeff")
    try:
        try:
            data = json.loads(text, parse_float=_Decimal)
        except json.JSONDecodeError:
            lines = [line for line in text.splitlines() if line.strip()]
            data = [json.loads(line, parse_float=_Decimal) for line in lines]
    except (json.JSONDecodeError, RecursionError) as error:
        raise TableError(f"{name}: expected JSON. Received: {error}") from error
    data = _unwrapped(data)
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data) or not data:
        raise TableError(f"{name}: expected a list of objects. Received: other JSON")
    data = [dict(_flat(one)) for one in data]
    header = list(dict.fromkeys(key for row in data for key in row))

    def rows() -> Iterator[list[str]]:
        return ([_cell(row.get(key)) for key in header] for row in data)

    return sheet_of_rows(name, header, rows, "JSON")


def _unwrapped(data: Any) -> Any:
    """The objects of a response: its only list, or the lists of all its pages."""
    if isinstance(data, dict):
        found = list(_lists_in(data))
        return found[0] if len(found) == 1 else [data]
    if isinstance(data, list) and all(isinstance(one, dict) for one in data):
        pages = [one[key] for one in data for key in _PAGES if isinstance(one.get(key), list)]
        if len(pages) == len(data):
            return [row for page in pages for row in page]
    return data


def _lists_in(answer: dict[str, Any]) -> Iterator[list[Any]]:
    """Finds lists of objects at any depth."""
    for value in answer.values():
        if isinstance(value, dict):
            yield from _lists_in(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield value


def _flat(row: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Flattens an object; keys of nested objects are joined by dots."""
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _cell(value: Any) -> str:
    """A value as a cell; a fourth decimal keeps ``.298`` from being read as thousands."""
    text = json_text(value) or ""
    has_three = isinstance(value, _Decimal) and len(text.partition(".")[2]) == 3
    return f"{text}0" if has_three else text
