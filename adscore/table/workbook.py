"""Reads Excel and LibreOffice workbooks as a sheet of text cells."""

import itertools
from collections.abc import Iterator
from typing import IO, Any

from adscore.errors import TableError
from adscore.table.dialect import MAX_PREAMBLE
from adscore.table.sheet import (
    KnownNames,
    Sheet,
    SheetOptions,
    header_at,
    listed,
    no_header,
    sheet_of_rows,
)

# Excel keeps 15 digits of a number; longer ids have lost their last digits.
_EXCEL_DIGITS = 10**15
_ROWS_TO_LOOK_AT = MAX_PREAMBLE + 20


def open_workbook(file: IO[bytes], name: str, options: SheetOptions, known: KnownNames) -> Sheet:
    """Opens the sheet with the table in a workbook.

    Of several sheets, takes the only one whose header has names known from platforms.

    Args:
        file: A seekable file.
        name: Name of the file, for messages.
        options: User settings.
        known: Counts the known names in a header.

    Raises:
        TableError: The file is not a workbook, has no table, or several sheets qualify.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(file)
        visible = [
            one.name for one in book.sheets_metadata if str(one.visible).endswith(".Visible")
        ]
        wanted = visible if options.sheet is None else [options.sheet]
        sheets = {
            title: book.get_sheet_by_name(title) for title in wanted if title in book.sheet_names
        }
    except CalamineError as error:
        raise TableError(f"{name}: expected a workbook. Received: {error}") from error
    if options.sheet is not None and options.sheet not in sheets:
        raise TableError(
            f"{name}: expected a sheet {options.sheet!r} (--sheet). "
            f"Received: {listed(book.sheet_names)}"
        )
    found: dict[str, tuple[int, list[str]]] = {}
    for title, sheet in sheets.items():
        head = list(itertools.islice(_rows(sheet), _ROWS_TO_LOOK_AT))
        at = header_at(head, options, known)
        if at is not None and len(head) > at + 1:
            found[title] = at, head[at]
    title = _chosen(name, {title: known(header) for title, (_, header) in found.items()})
    at, header = found[title]
    sheet = sheets[title]

    def rows() -> Iterator[list[str]]:
        return itertools.islice(_rows(sheet), at + 1, None)

    others = f" of {len(book.sheet_names)}" if len(book.sheet_names) > 1 else ""
    layout = f"workbook, sheet {title!r}{others}, header in line {at + 1}"
    return sheet_of_rows(name, header, rows, layout)


def _chosen(name: str, known: dict[str, int]) -> str:
    """The sheet to read, chosen by the number of known names in its header."""
    if not known:
        raise no_header(name)
    best = max(known.values())
    likely = [title for title, count in known.items() if count == best or best == 0]
    # A summary sheet shares a name or two with the sheet of ads.
    if len(likely) > 1 or any(best < 2 * count for count in known.values() if count != best):
        raise TableError(
            f"{name}: expected one sheet with a table. Received: {listed(list(known))}; "
            "name the one to read with --sheet"
        )
    return likely[0]


def _rows(sheet: Any) -> Iterator[list[str]]:
    """The rows of a sheet from its first line on; vertically merged cells repeat their value."""
    left = sheet.start[1] if sheet.start else 0
    merged = {
        (row, column - left): bottom
        for (row, column), (bottom, right) in sheet.merged_cell_ranges or ()
        if bottom > row and right == column
    }
    held: dict[int, tuple[str, int]] = {}
    for number, row in enumerate(sheet.iter_rows()):
        cells = [_text(cell) for cell in row]
        for column in range(len(cells)) if merged else ():
            if (bottom := merged.get((number, column))) is not None:
                held[column] = cells[column], bottom
            elif column in held and number <= held[column][1]:
                cells[column] = held[column][0]
        yield cells


def _text(cell: Any) -> str:
    """A cell as text.

    Whole numbers have no decimal point. A number with three decimals gets a fourth: workbook
    numbers have no notation, and three digits could be taken for thousands.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if cell.is_integer():
            # Past 15 digits, scientific notation marks the id as damaged.
            return str(int(cell)) if abs(cell) < _EXCEL_DIGITS else f"{cell:E}"
        text = str(cell)
        return f"{text}0" if len(text.partition(".")[2]) == 3 else text
    return str(cell)
