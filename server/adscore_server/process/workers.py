"""Several server processes behind one port: started, watched, restarted and drained together.

The kernel hands each new connection to one of the processes (SO_REUSEPORT). A process that dies
loses only its own calls and is restarted; one that dies soon after its start is restarted after
ever longer delays. If the supervisor itself is killed, the workers drain and exit.

The supervisor imports neither gRPC nor ONNX Runtime, so it stays small and has no threads.
"""

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path

from adscore_server.addresses import bound_socket
from adscore_server.config import ModelRootOptions, ServerConfig
from adscore_server.errors import StartError
from adscore_server.monitoring.log_format import configure_logging
from adscore_server.process.signals import stop_signals

FIRST_RESTART_SECONDS = 0.5
LONGEST_RESTART_SECONDS = 30.0
# A worker that has lived this long started successfully.
SETTLED_SECONDS = 60.0
LAST_PORT = 65535
# Time after the drain for a worker to write its last bytes and exit.
EXIT_SECONDS = 10.0

_logger = logging.getLogger(__name__)
_processes = multiprocessing.get_context("spawn")  # gRPC does not survive a fork


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """The arguments of a worker; sent to its process.

    Attributes:
        root: As in `run_server`.
        options: As in `run_server`.
        config: As in `run_server`.
        log_level: As in `configure_logging`.
        log_format: As in `configure_logging`.
    """

    root: Path
    options: ModelRootOptions
    config: ServerConfig
    log_level: str
    log_format: str


def run_workers(count: int, job: WorkerJob, announce: Callable[[str], None]) -> None:
    """Serves with several processes until SIGTERM or SIGINT, then drains them.

    Must run in the main thread, which receives the signals.

    Args:
        count: How many processes, at least 1.
        job: The arguments of each worker.
        announce: Called with one line when all of them answer calls.

    Raises:
        StartError: A worker could not start, the address cannot be listened on, or there are too
            few ports above the metrics port.
        ValueError: The address is one that processes cannot share.
    """
    shared = replace(job.config, reuse_port=True)
    _require_metrics_ports(count, job.config.metrics_address)
    with _reserved(job.config.address) as address:
        signals = stop_signals(lambda *_: None)
        signals.setblocking(False)
        config = replace(shared, address=address)
        supervisor = Supervisor(count, replace(job, config=config), signals)
        try:
            line = supervisor.start()
            if line is not None:
                announce(f"{line}, {count} workers")
                supervisor.watch()
        finally:
            supervisor.stop()


class Supervisor:
    """Keeps a number of workers running.

    Args:
        count: How many.
        job: The arguments of each worker.
        signals: Socket that receives a byte for each signal to stop.
    """

    def __init__(self, count: int, job: WorkerJob, signals: socket.socket) -> None:
        self._job = job
        self._signals = signals
        self._count = count
        self._workers: list[Worker] = []

    def start(self) -> str | None:
        """Starts all workers and waits until they answer calls.

        Returns:
            The line that the first one announced; None if a signal to stop arrived first.

        Raises:
            StartError: One of them ended.
        """
        for number in range(self._count):
            self._workers.append(Worker(number, _job_of(number, self._job)))
        lines = []
        for worker in self._workers:
            told = multiprocessing.connection.wait([worker.news, self._signals])
            if self._signals in told:
                return None
            lines.append(worker.ready_line())
        return lines[0]

    def watch(self) -> None:
        """Restarts workers that end, until a signal to stop arrives."""
        while True:
            sentinels = [one.process.sentinel for one in self._workers if one.restart_at is None]
            pauses = [one.restart_at for one in self._workers if one.restart_at is not None]
            pause = max(0.0, min(pauses) - time.monotonic()) if pauses else None
            if self._signals in multiprocessing.connection.wait([*sentinels, self._signals], pause):
                return
            for worker in self._workers:
                worker.look_after()

    def stop(self) -> None:
        """Drains all workers; kills them at a second signal or when they take too long."""
        with contextlib.suppress(BlockingIOError):
            self._signals.recv(1)
        running = [worker.process for worker in self._workers if worker.process.is_alive()]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._job.config.drain_seconds + EXIT_SECONDS
        while any(process.is_alive() for process in running):
            alive = [process.sentinel for process in running if process.is_alive()]
            pause = max(0.0, deadline - time.monotonic())
            told = multiprocessing.connection.wait([*alive, self._signals], pause)
            if not told or self._signals in told:
                _logger.warning("%d workers are killed before they have drained", len(alive))
                for process in running:
                    process.kill()
                break
        for process in running:
            process.join()


class Worker:
    """A serving process and its successors after restarts.

    Args:
        number: Its index, from 0.
        job: Its arguments.

    Attributes:
        process: The latest process.
        news: Pipe on which the process reports that it is ready, or why it failed.
        restart_at: Monotonic time of the next start; None while it runs.
    """

    def __init__(self, number: int, job: WorkerJob) -> None:
        self._number = number
        self._job = job
        self._early_ends = 0
        self._start()

    def _start(self) -> None:
        self.restart_at: float | None = None
        self.news, theirs = _processes.Pipe(duplex=False)
        with theirs:
            self.process = _processes.Process(target=_work, args=(self._job, theirs))
            # The first worker's start would launch the tracker, and unblock SIGINT afterwards.
            resource_tracker.ensure_running()
            with _held_back(signal.SIGINT):
                self.process.start()
        self._started_at = time.monotonic()

    def ready_line(self) -> str:
        """What the process announced, once it has.

        Raises:
            StartError: The process ended first.
        """
        try:
            told = self.news.recv()
        except EOFError:
            self.process.join()
            raise StartError(
                "expected each worker to start. "
                f"Received: worker {self._number} ended with exit code {self.process.exitcode}"
            ) from None
        if isinstance(told, StartError):
            raise told
        return str(told)

    def look_after(self) -> None:
        """Restarts the process if it has ended and its delay is over."""
        now = time.monotonic()
        if self.restart_at is not None:
            if now >= self.restart_at:
                self.news.close()
                self._start()
        elif not self.process.is_alive():
            lived = now - self._started_at
            self._early_ends = 0 if lived >= SETTLED_SECONDS else self._early_ends + 1
            pause = min(
                FIRST_RESTART_SECONDS * 2 ** max(self._early_ends - 1, 0), LONGEST_RESTART_SECONDS
            )
            self.restart_at = now + pause
            _logger.error(
                "Worker %d ended with exit code %s after %.0f s; another starts in %.1f s",
                self._number,
                self.process.exitcode,
                lived,
                pause,
            )


def _require_metrics_ports(count: int, address: str) -> None:
    port = int(address.rpartition(":")[2] or 0)
    if port and port + count - 1 > LAST_PORT:
        raise StartError(
            f"--metrics-address: expected a port of at most {LAST_PORT - count + 1} for {count} "
            f"workers, each of which takes the next one. Received: {port}"
        )


def _job_of(number: int, job: WorkerJob) -> WorkerJob:
    """The job with its own metrics port: worker 0 at the given port, worker 1 at the next."""
    host, _, port = job.config.metrics_address.rpartition(":")
    if not host or port == "0":
        return job
    config = replace(job.config, metrics_address=f"{host}:{int(port) + number}")
    return replace(job, config=config)


def _work(job: WorkerJob, supervisor: Connection) -> None:
    """The main function of a worker's process."""
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    try:
        from adscore_server.process.running import run_server  # imports gRPC and ONNX Runtime

        configure_logging(job.log_level, job.log_format)
        run_server(job.root, job.options, job.config, supervisor.send)
    except StartError as error:
        _logger.error("A worker cannot start: %s", error)
        supervisor.send(StartError(str(error)))
        raise SystemExit(1) from None


def _end_with_the_supervisor() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _held_back(number: int) -> Iterator[None]:
    """Holds a signal back, in processes that are started meanwhile until they handle it.

    Ctrl-C in a terminal reaches all processes; one that still imports would print a trace. It is
    not ignored: this process, and those, get it afterwards.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


@contextlib.contextmanager
def _reserved(address: str) -> Iterator[str]:
    """Holds an address without listening, so that the workers share it and no other takes it.

    Yields:
        The address, with a real port in place of 0.

    Raises:
        StartError: The address is taken, or does not belong to this machine.
    """
    host = address.rpartition(":")[0]
    with bound_socket(address) as alone:  # alone first, to notice another server
        port = alone.getsockname()[1]
    with bound_socket(f"{host}:{port}", shared=True):
        yield f"{host}:{port}"
