"""Converts days in any spelling to ISO 8601 (``2026-09-01``); one file uses one spelling."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from adscore.errors import TableError, cut

_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y",
    "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%b %d %Y", "%d %b %Y", "%d %b %y", "%Y %b %d",
    "%Y年%m月%d日", "%Y. %m. %d.",
)  # fmt: skip
# A workbook's day number, counted from the end of 1899; those from 2000 to 2099 are accepted.
_SERIAL = "days since 1899-12-30"
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 73_050
# A time after the day, with its zone; some reports write it even if it is always midnight.
_TIME = re.compile(
    r"[T ]\s*\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AP]M)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
# By English month, the first letters of its name in German, French, Spanish, Portuguese,
# Italian, Dutch and Polish.
_MONTHS = {
    "Jan": "jan ene gen sty", "Feb": "feb fev fév lut", "Mar": "mar mär mrz mrt maa",
    "Apr": "apr abr avr kwi", "May": "may mai mag mei maj", "Jun": "jun juin giu cze",
    "Jul": "jul juil lug lip", "Aug": "aug aoû ago sie", "Sep": "sep set wrz",
    "Oct": "oct okt out ott paź", "Nov": "nov lis", "Dec": "dec dez déc dic gru",
}  # fmt: skip
_BEGINNINGS = {begin: month for month, all_ in _MONTHS.items() for begin in all_.split()}


def written_days(cells: Sequence[str], given: str | None, name: str) -> list[str]:
    """Days in ISO 8601; blank ones stay blank.

    Args:
        cells: Days of one file.
        given: Their format for `strptime`; None detects it.
        name: Name of the file, for errors.

    Raises:
        TableError: A cell is not a day, or the days can be read in two ways.
    """
    distinct = list(dict.fromkeys(cell for cell in cells if cell))
    plain = {cell: _plain(cell) for cell in distinct}
    if given is not None:
        plain = {cell: cell if _day(cell, given) else short for cell, short in plain.items()}
    formats = [*_FORMATS, _SERIAL] if given is None else [given]
    for cell in distinct:
        fitting = [form for form in formats if _day(plain[cell], form)]
        if not fitting:
            raise TableError(
                f"{name}: expected days"
                + (f" written as {given}" if given else " all written in one way")
                + f". Received: {cut(cell)!r}; say how they are written, such as --date-format "
                "%d.%m.%y"
            )
        formats = fitting
    meanings = {tuple(_day(plain[cell], form) for cell in distinct): form for form in formats}
    if len(meanings) > 1 and distinct:
        ways = list(meanings.values())
        raise TableError(
            f"{name}: is {distinct[0]!r} written as {' or '.join(ways)}? Say so: --date-format "
            f"{ways[0]}"
        )
    written = {cell: _day(plain[cell], formats[0]) for cell in distinct}
    return [written.get(cell, cell) for cell in cells]


def require_format(form: str) -> None:
    """Checks a user's format of days.

    Raises:
        ValueError: The format lacks day, month or year.
    """
    day = datetime(2001, 2, 3)  # noqa: DTZ001 - a day has no zone
    try:
        good = _day(day.strftime(form), form) == day.date().isoformat()
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"--date-format: expected day, month and year such as %d.%m.%Y. Received: {form}"
        )


def _day(text: str, form: str) -> str:
    if form == _SERIAL:
        is_serial = text.isdecimal() and _FIRST_SERIAL <= int(text) <= _LAST_SERIAL
        return (date(1899, 12, 30) + timedelta(int(text))).isoformat() if is_serial else ""
    try:
        return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return ""


def _plain(text: str) -> str:
    """A day without time and weekday, and with a month's name in English."""
    text = _TIME.sub("", text.strip())
    words = [word for word in re.split(r"[\s,.-]+", text) if word.casefold() not in ("de", "")]
    names = [word for word in words if word.isalpha()]
    if not names:
        return text
    *weekday, name = names
    begin = name.casefold()
    month = _BEGINNINGS.get(begin[:4]) or _BEGINNINGS.get(begin[:3]) or name
    return " ".join(month if word == name else word for word in words if word not in weekday)
