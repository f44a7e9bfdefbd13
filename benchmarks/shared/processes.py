"""A server and its children: start, first line, CPU and memory from /proc, stop."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

BENCHMARKS = Path(__file__).resolve().parents[1]
PROJECT = BENCHMARKS.parent
HOST = "127.0.0.1"
_PARTS = (".", "client", "server", "web", "protos/gen")
_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 120.0
_STOP_SECONDS = 15.0


class ProcessError(Exception):
    """A process did not do what it was started for; the text ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used so far.

    Attributes:
        cpu_seconds: User and system time of all that live.
        rss_mb: Resident memory, summed; pages that processes share count in each.
        peak_rss_mb: The highest that each of them had, summed.
    """

    cpu_seconds: float
    rss_mb: float
    peak_rss_mb: float


class ServerProcess:
    """A server as a user would start it; as a context manager it is stopped.

    Args:
        command: What to run.
        environment: Variables beside those of this process.
        stderr: Where its errors and its log go; None means to what it prints.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], stderr: Path | None = None
    ) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self.started = time.monotonic()
        with (stderr or Path(os.devnull)).open("w") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=errors if stderr else subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,  # so that its children can be stopped with it
            )

    @property
    def pid(self) -> int:
        """Of the process itself."""
        return self._process.pid

    def wait_for_line(self, words: str) -> str:
        """The first line that holds some words, once it is printed.

        Raises:
            ProcessError: It ended, or took longer than two minutes.
        """
        while time.monotonic() - self.started < _START_SECONDS:
            for line in self.output().splitlines():
                if words in line:
                    return line
            self.check_alive()
            time.sleep(0.005)
        raise ProcessError(f"expected a line with {words!r}. Received:\n{self._tail()}")

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll()

    def end(self, number: signal.Signals) -> int:
        """Signals it and waits; returns the exit code."""
        self._process.send_signal(number)
        return self._process.wait(_START_SECONDS)

    def check_alive(self) -> None:
        """Raises ProcessError where it has ended."""
        if self._process.poll() is not None:
            raise ProcessError(f"exit status {self._process.returncode}:\n{self._tail()}")

    def output(self) -> str:
        """What it has printed so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def usage(self) -> Usage:
        """What it and its children have used."""
        return usage_of(self.pid)

    def stop(self) -> None:
        """Asks it to end, then makes it and its children end."""
        # By handle and not by number, which another process may have by then.
        children = [handle for pid in _family(self.pid)[1:] if (handle := _open(pid)) is not None]
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for handle in children:
            _kill(handle)
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tail(self) -> str:
        return "\n".join(self.output().splitlines()[-15:])


@dataclass(frozen=True, slots=True)
class Running:
    """A server that can be called.

    Attributes:
        process: It.
        address: HOST:PORT.
        transport: Name of the function that calls it.
        python: Of the processes that call it.
        project: The checkout of adscore that it and its callers are.
    """

    process: ServerProcess
    address: str
    transport: str = "serving_bench.transports.score"
    python: str = sys.executable
    project: Path = PROJECT

    @property
    def workers(self) -> list[int]:
        """The processes that serve, where there is a supervisor."""
        return [
            pid
            for pid in _family(self.process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]


def adscore_server(
    root: Path,
    *options: str,
    address: str = f"{HOST}:0",
    stderr: Path | None = None,
    project: Path = PROJECT,
) -> AbstractContextManager[Running]:
    """`adscore serve`, ready to be called."""
    command = ("adscore", "serve", str(root), "--address", address, *options)
    return ready_server(*command, stderr=stderr, project=project)


@contextmanager
def ready_server(
    *command: str, stderr: Path | None = None, project: Path = PROJECT
) -> Iterator[Running]:
    """A module that prints where it is ready, as `adscore serve` does."""
    python = python_of(project)
    with ServerProcess([python, "-m", *command], python_path(project), stderr) as process:
        address = process.wait_for_line("Ready on ").partition("Ready on ")[2].split()[0]
        yield Running(process, address.rstrip(":"), python=python, project=project)


def python_of(project: Path) -> str:
    """The interpreter of a checkout: its own where it has one, else the one that runs this."""
    own = project / ".venv/bin/python"
    return str(own) if project != PROJECT and own.exists() else sys.executable


def python_path(project: Path = PROJECT) -> dict[str, str]:
    """Variables with which any Python finds adscore, of some checkout, and the benchmarks."""
    paths = (BENCHMARKS, *(project / part for part in _PARTS))
    # Not the folder that this runs in, which may be a checkout too.
    return {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONSAFEPATH": "1"}


def usage_of(pid: int) -> Usage:
    """What a process and its children have used; zeros where it is gone."""
    cpu = resident = peak = 0.0
    for member in _family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{member}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS
        resident += _megabytes(status, "VmRSS:")
        peak += _megabytes(status, "VmHWM:")
    return Usage(cpu, resident, peak)


def _family(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    members = [pid]
    for member in members:
        members += children.get(member, [])
    return members


def _megabytes(status: str, name: str) -> float:
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(name)), 0.0
    )


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _kill(handle: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    os.close(handle)
