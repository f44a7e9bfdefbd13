"""How far a long command is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

# A log that is read later wants few lines.
SECONDS_BETWEEN_LINES = 10.0

# Called with the rows that are done, those of them that earlier runs did, and the share that they
# are of all, from 0 to 1; None where that is unknown.
RowsDone = Callable[[int, int, float | None], None]


@contextmanager
def row_progress(console: Console, what: str) -> Iterator[RowsDone]:
    """Shows rows done, rate and time left, for as long as the block runs.

    Args:
        console: Where.
        what: What is done to rows, e.g. ``"scoring"``.
    """
    if console.is_terminal:
        with _bar(console) as bar:
            yield _shown_by(bar, what)
    else:
        yield _printed_by(console, what)


def _bar(console: Console) -> Bar:
    left = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), left)
    return Bar(*columns, TextColumn("{task.fields[rows]}"), console=console)


def _shown_by(bar: Bar, what: str) -> RowsDone:
    task = bar.add_task(what, total=None, rows="")
    started = time.monotonic()

    def tell(done: int, before: int, share: float | None) -> None:
        if share is not None and bar.tasks[task].total is None:
            # What earlier runs did is no speed of this one.
            bar.reset(task, total=1.0, completed=share)  # type: ignore[arg-type]
        rate = _rate(done - before, time.monotonic() - started)
        bar.update(task, completed=share, rows=f"{done:,} rows, {rate}")

    return tell


def _printed_by(console: Console, what: str) -> RowsDone:
    started = printed = time.monotonic()
    begun: tuple[float, float] | None = None  # when the share was first known, and the share

    def tell(done: int, before: int, share: float | None) -> None:
        nonlocal printed, begun
        now = time.monotonic()
        if begun is None and share is not None:
            begun = now, share
        if now - printed < SECONDS_BETWEEN_LINES:
            return
        printed = now
        part = left = ""
        if begun is not None and share is not None:
            part = f" ({share:.0%})"
            seconds = (now - begun[0]) * (1 - share) / max(share - begun[1], 1e-9)
            left = f", {seconds:.0f} s left" if share > begun[1] else ""
        console.print(f"{what}: {done:,} rows{part}, {_rate(done - before, now - started)}{left}")

    return tell


def _rate(rows: int, seconds: float) -> str:
    return f"{rows / max(seconds, 1e-9):,.0f} rows/s"
