"""Days of any spelling -> ``2026-09-01``, where all of a file are written in one way."""

from collections.abc import Sequence
from datetime import datetime

from adscore.errors import TableError, cut

_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y",
    "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y",
    "%Y年%m月%d日", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
)  # fmt: skip


def written_days(cells: Sequence[str], given: str | None, name: str) -> list[str]:
    """Days as they are written in ISO 8601; blank ones stay.

    Args:
        cells: Days of one file.
        given: How they are written, as `strptime` takes it; None finds it out.
        name: Names the file in errors.

    Raises:
        TableError: One is no day, or they can be read in two ways.
    """
    distinct = list(dict.fromkeys(cell for cell in cells if cell))
    formats = list(_FORMATS if given is None else (given,))
    for cell in distinct:
        fitting = [form for form in formats if _day(cell, form)]
        if not fitting:
            raise TableError(
                f"{name}: expected days"
                + (f" written as {given}" if given else " all written in one way")
                + f". Received: {cut(cell)!r}; say how they are written, such as --date-format "
                "%d.%m.%y"
            )
        formats = fitting
    meanings = {tuple(_day(cell, form) for cell in distinct): form for form in formats}
    if len(meanings) > 1 and distinct:
        ways = list(meanings.values())
        raise TableError(
            f"{name}: is {distinct[0]!r} written as {' or '.join(ways)}? Say so: --date-format "
            f"{ways[0]}"
        )
    written = {cell: _day(cell, formats[0]) for cell in distinct}
    return [written.get(cell, cell) for cell in cells]


def require_format(form: str) -> None:
    """Checks how a user says that days are written.

    Raises:
        ValueError: It has no day, month and year.
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
    try:
        return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return ""
