"""Shows the progress of a long command: a bar on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from adscore.console import printable
from adscore.progress import Progress

# Few enough lines for a log, often enough to show that the command is still running.
SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def shown_progress(
    console: Console, stage: str = "", *, announce: bool = False
) -> Iterator[Progress]:
    """Shows the stage, the share done and the time left while the block runs.

    Args:
        console: Where to print.
        stage: The first stage, unless the work names its own.
        announce: Whether to print a line as each stage begins; not on a terminal.
    """
    shown: _Bars | _Lines = (
        _Bars(console) if console.is_terminal else _Lines(console, announce=announce)
    )
    with shown:
        if stage:
            shown(stage)
        yield shown


class _Bars(Progress):
    """A bar for each stage; it pulses while the share is unknown."""

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[what]}"),
            console=console,
        )
        self._task: int | None = None

    def __enter__(self) -> "_Bars":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()
        self._bar.stop()

    def __call__(self, stage: str) -> None:
        self._finish()
        # A stage may be named after a table's column.
        self._task = self._bar.add_task(printable(stage), total=None, what="")

    def advance(self, share: float | None, what: str = "") -> None:
        if self._task is None:
            return
        if share is not None and self._bar.tasks[self._task].total is None:
            # Work done before the first known share must not count towards the speed.
            self._bar.reset(self._task, total=1.0, completed=share)  # type: ignore[arg-type]
        self._bar.update(self._task, completed=share, what=printable(what))  # type: ignore[arg-type]

    def _finish(self) -> None:
        if self._task is not None:
            self._bar.update(self._task, total=1.0, completed=1.0)  # type: ignore[arg-type]
            self._bar.stop_task(self._task)  # type: ignore[arg-type]


class _Lines(Progress):
    """A line every `SECONDS_BETWEEN_LINES`, even without news from the work."""

    def __init__(self, console: Console, *, announce: bool) -> None:
        self._console, self._announce = console, announce
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._printed = time.monotonic()
        self._stage, self._started = "", self._printed
        self._begun: tuple[float, float] | None = None  # time and value of the first share
        self._share: float | None = None
        self._what = ""
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "_Lines":
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._ticker.join()

    def __call__(self, stage: str) -> None:
        with self._lock:
            self._stage, self._started = stage, time.monotonic()
            self._begun = self._share = None
            self._what = ""
            if self._announce:
                self._print(f"{stage} ...")

    def advance(self, share: float | None, what: str = "") -> None:
        with self._lock:
            now = time.monotonic()
            if self._begun is None and share is not None:
                self._begun = now, share
            self._share, self._what = share, what
            if now - self._printed >= SECONDS_BETWEEN_LINES:
                self._print(self._line(now))

    def _tick(self) -> None:
        while not self._end.wait(max(SECONDS_BETWEEN_LINES / 4, 0.1)):
            with self._lock:
                now = time.monotonic()
                if self._stage and now - self._printed >= SECONDS_BETWEEN_LINES:
                    self._print(self._line(now))

    def _line(self, now: float) -> str:
        parts = [self._what, "" if self._share is None else f"{self._share:.0%}"]
        parts += [_left(now, self._begun, self._share) or f"{now - self._started:.0f} s so far"]
        return f"{self._stage}: {', '.join(filter(None, parts))}"

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        self._console.print(line)


def _left(now: float, begun: tuple[float, float] | None, share: float | None) -> str:
    """The time left at the speed so far; empty while unknown."""
    if begun is None or share is None or share <= begun[1]:
        return ""
    seconds = (now - begun[0]) * (1 - share) / (share - begun[1])
    return f"{seconds / 60:.0f} min left" if seconds >= 120 else f"{seconds:.0f} s left"


def rate_of(rows: int, seconds: float) -> str:
    """Rows a second, in words."""
    return f"{rows / max(seconds, 1e-9):,.0f} rows/s"
