"""Numbers as people and platforms write them: `1,298`, `1.298`, `1 298`, `5,43 %`, ` --`.

A file uses one notation, which its cells must show: `12,5` and `1.234,50` have a decimal comma,
`0.42` and `1,234.50` a decimal point. If every cell is ambiguous (`1.298` alone), nothing is
guessed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adscore.errors import TableError

# Cells that mean "no value", compared without outer blanks and case.
NOTHING = ("", "-", "--", "---", "\u2013", "\u2014", "n/a", "na", "nan", "null", "none", "#n/a")

# Digit grouping marks: space, no-break, thin and narrow no-break space, and Swiss apostrophes.
_GROUPING = "[ \u00a0\u2009\u202f'\u2019]"
_MINUS = "\u2212"
_SIGN = f"[-+{_MINUS}]?"
_UNIT = r"\s*[%€$£¥]?"


def _marks(point: str, group: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of cells that show which mark is the decimal one."""
    grouped = rf"\d{{1,3}}(?:{group}\d{{3}})+|\d{{1,3}}(?:{_GROUPING}\d{{3}})+"
    indian = rf"\d{{1,2}}(?:{group}\d{{2}})+{group}\d{{3}}"
    shapes = (
        # 1, 2, or more than 3 digits after the mark: three could be a group of thousands.
        rf"(?:{grouped}|\d+)?{point}(?:\d{{1,2}}|\d{{4,}}|\d*)",
        rf"\d{{1,3}}(?:{group}\d{{3}}){{2,}}",
        rf"{indian}(?:{point}\d*)?",
        # `0.298` and `1234.298` cannot be groups of thousands.
        rf"(?:0|\d{{4,}}|{grouped}){point}\d{{3}}",
    )
    return tuple(re.compile(f"{_SIGN}(?:{shape}){_UNIT}") for shape in shapes)


_SHOW_POINT = _marks(r"\.", ",")
_SHOW_COMMA = _marks(",", r"\.")
_OPEN = re.compile(rf"{_SIGN}[1-9]\d{{0,2}}[.,]\d{{3}}{_UNIT}")


@dataclass(slots=True)
class Notation:
    """Evidence in a file's cells about its number notation.

    Attributes:
        point: A cell that shows a decimal point, or grouping by commas; empty if none does.
        comma: A cell that shows a decimal comma, or grouping by points; empty if none does.
        open: A cell that can be read either way; empty if there is none.
    """

    point: str = ""
    comma: str = ""
    open: str = ""
    _seen: set[str] = field(default_factory=set, repr=False)

    def look_at(self, cells: Iterable[str]) -> None:
        """Adds evidence from cells that should hold numbers."""
        for cell in cells:
            text = cell.strip()
            if "." not in text and "," not in text:
                continue
            if _OPEN.fullmatch(text):
                self.open = self.open or text
            elif any(shape.fullmatch(text) for shape in _SHOW_POINT):
                self.point = self.point or text
            elif any(shape.fullmatch(text) for shape in _SHOW_COMMA):
                self.comma = self.comma or text

    @property
    def settled(self) -> bool:
        """Whether a cell has shown the notation."""
        return bool(self.point or self.comma)

    def decimal(self, asked: str | None, name: str) -> str:
        """The decimal mark, ``.`` or ``,``.

        Args:
            asked: The user's choice; None detects it from the cells.
            name: Name of the file, for errors.

        Raises:
            TableError: The cells contradict each other, or are ambiguous.
        """
        if asked is not None:
            return asked
        if self.point and self.comma:
            raise TableError(
                f"{name}: expected numbers of one notation. Received: {self.point!r} and "
                f"{self.comma!r}; say which mark is the decimal one with --decimal . or --decimal ,"
            )
        if self.open and not self.settled:
            digits = re.sub(r"\D", "", self.open)
            raise TableError(
                f"{name}: {self.open!r} can be {digits} or {digits[:-3]}.{digits[-3:]}, and no "
                "other cell tells which. Say which mark is the decimal one: --decimal . or "
                "--decimal ,"
            )
        return "," if self.comma else "."


def is_nothing(cell: str) -> bool:
    """Whether a cell means "no value"."""
    return cell.strip().casefold() in NOTHING


def looks_numeric(cells: Sequence[str]) -> bool:
    """Whether most non-empty cells are numbers; the label of a total may be among them."""
    held = [cell.strip() for cell in cells if not is_nothing(cell)]
    return sum(bool(_PLAIN.fullmatch(cell)) for cell in held) > 0.5 * len(held)


_PLAIN = re.compile(rf"{_SIGN}[\d.,]*\d([\d.,]|{_GROUPING}(?=\d))*{_UNIT}")


def read_counts(
    cells: pa.ChunkedArray, decimal: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Reads a column of counts; percentages and amounts of money are not counts.

    Args:
        cells: Texts.
        decimal: The decimal mark, ``.`` or ``,``.

    Returns:
        The numbers, (rows,), NaN where a cell is empty or not a number; and whether a cell holds
        something other than a number, (rows,).
    """
    text = pc.utf8_trim_whitespace(cells)
    nothing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(NOTHING))
    point, group = (r"\.", ",") if decimal == "." else (",", r"\.")
    mark = rf"(?:{group}|{_GROUPING})"
    whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d{{1,2}}(?:{group}\d{{2}})+{group}\d{{3}}|\d+)"
    good = pc.match_substring_regex(text, rf"^{_SIGN}(?:{whole}{point}?|{whole}?{point}\d+)$")
    text = pc.replace_substring_regex(text, mark, "")
    text = pc.replace_substring(text, _MINUS, "-")
    if decimal == ",":
        text = pc.replace_substring(text, ",", ".")
    numbers = pc.cast(pc.if_else(good, text, None), pa.float64())
    values = np.asarray(numbers.combine_chunks().to_numpy(zero_copy_only=False), np.float64)
    bad = np.asarray(
        pc.invert(pc.or_(good, nothing)).combine_chunks().to_numpy(zero_copy_only=False)
    )
    return values, bad.astype(bool)
