"""Several processes that obey the same order at the same time, and what came of it together."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from serving_bench.load import Done
from serving_bench.orders import READY, Order
from shared.processes import PROJECT, Usage, python_path


class WorkerError(Exception):
    """A process that sends ended; it has printed why."""


class Workers:
    """Processes that obey; as a context manager they are ended.

    Args:
        arguments: Of each process, behind `python -m`.
        number: Of processes.
        python: The interpreter.
        project: The checkout of adscore that they import.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        number: int,
        python: str = sys.executable,
        project: Path = PROJECT,
    ) -> None:
        self._processes = [
            subprocess.Popen(
                [python, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **python_path(project)},
                text=True,
            )
            for _ in range(number)
        ]

    def run(self, order: Order, usage: Callable[[], Usage]) -> tuple[Done, Usage, Usage]:
        """Has the order carried out by all at once.

        Args:
            order: For each of them: two processes of 16 callers are 32 callers.
            usage: What a server has used so far.

        Returns:
            What came of it: creatives, latencies and CPU of all, the longest time; and what the
            server had used before and after.

        Raises:
            WorkerError: One of them ended.
        """
        for process in self._processes:
            self._tell(process, order.to_line())
        for process in self._processes:
            if self._hear(process).strip() != READY:
                raise WorkerError(f"expected {READY!r}. Received: another line")
        before = usage()
        for process in self._processes:
            self._tell(process, "go\n")
        parts = [Done(**json.loads(self._hear(process))) for process in self._processes]
        after = usage()
        together = Done(
            sum(part.creatives for part in parts),
            max(part.seconds for part in parts),
            [latency for part in parts for latency in part.latencies_ms],
            sum(part.cpu_seconds for part in parts),
        )
        return together, before, after

    def stop(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.stdin.close()  # type: ignore[union-attr]
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()  # type: ignore[union-attr]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @staticmethod
    def _tell(process: "subprocess.Popen[str]", line: str) -> None:
        try:
            process.stdin.write(line)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError as error:
            raise WorkerError("a process that sends has ended") from error

    @staticmethod
    def _hear(process: "subprocess.Popen[str]") -> str:
        line = process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise WorkerError(f"a process that sends has ended: exit status {process.wait()}")
        return line
