"""How far a long command is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

# A log that is read later wants few lines.
SECONDS_BETWEEN_LINES = 10.0

# Told the rows that are done, those of them that earlier runs did, and all.
Tell = Callable[[int, int, int], None]


@contextmanager
def row_progress(console: Console, what: str) -> Iterator[Tell]:
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


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} rows/s")


def _bar(console: Console) -> Bar:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("rows"), _RateColumn())
    left = TimeRemainingColumn(elapsed_when_finished=True)
    return Bar(TextColumn("{task.description}"), *columns, left, console=console)


def _shown_by(bar: Bar, what: str) -> Tell:
    task = bar.add_task(what, total=None)

    def tell(done: int, before: int, total: int) -> None:
        if bar.tasks[task].total is None and before:
            bar.reset(task, completed=before)  # rows of earlier runs are no speed of this one
        bar.update(task, completed=done, total=total)

    return tell


def _printed_by(console: Console, what: str) -> Tell:
    started = printed = time.monotonic()

    def tell(done: int, before: int, total: int) -> None:
        nonlocal printed
        now = time.monotonic()
        if now - printed < SECONDS_BETWEEN_LINES:
            return
        printed = now
        rate = (done - before) / max(now - started, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate else ""
        console.print(f"{what}: {done:,} of {total:,} rows, {rate:,.0f} rows/s{left}")

    return tell
