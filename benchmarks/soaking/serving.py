"""`adscore serve` as a process that can be measured, stopped and killed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.2
STOP_SECONDS = 60.0


class Served:
    """A server that answers calls."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address

    @property
    def resident_mb(self) -> float:
        """Resident memory of the process, in MB; 0 where the system does not tell."""
        statm = Path(f"/proc/{self.process.pid}/statm")
        if not statm.exists():
            return 0.0
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def workers(self) -> list[int]:
        """The processes that serve, where there is a supervisor."""
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [int(pid) for pid in tasks.read_text().split()]
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def end(self, number: signal.Signals) -> int:
        """Signals it and waits; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def served(
    root: Path, *options: str, address: str = "127.0.0.1:0", stderr: Path | None = None
) -> Iterator[Served]:
    """Runs a server for the `with` block; its log goes to a file, or nowhere."""
    log = (stderr or Path(os.devnull)).open("w")
    arguments = ["serve", str(root), "--address", address, "--poll-seconds", str(POLL_SECONDS)]
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "adscore", *arguments, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        line = process.stdout.readline().strip() if process.stdout else ""
        if not line.startswith("Ready on "):
            process.kill()
            raise RuntimeError(f"expected a server to start. Received: {line or 'nothing'}")
        try:
            yield Served(process, line.removeprefix("Ready on ").split(": ")[0])
        finally:
            if process.poll() is None:
                process.terminate()


def add_version(model: Path, version: int, *, broken: bool = False) -> None:
    """Adds a copy of version 1 as the training would: renamed when it is whole."""
    partial = Path(shutil.copytree(model / "1", model / f".partial-{version}"))
    if broken:
        (partial / "head.onnx").write_bytes(b"no graph")
    partial.rename(model / str(version))
