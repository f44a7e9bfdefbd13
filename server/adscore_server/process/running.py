"""Runs a server as a process: signals, and one line when it is ready."""

import contextlib
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from adscore.bundle import BundleCheck
from adscore.errors import SigningError
from adscore_server.config import ModelRootOptions, ServerConfig, describe
from adscore_server.errors import StartError
from adscore_server.models.opener import ModelOpener
from adscore_server.models.poller import ModelPoller
from adscore_server.models.registry import ModelRegistry
from adscore_server.models.root import ModelRoot
from adscore_server.process.signals import stop_signals

# Counts of objects allocated and not yet freed. A call makes about a hundred, which are freed
# without the collector when it ends; with Python's default of 700 it would scan them on each call.
_GC_THRESHOLDS = (50_000, 20, 20)
_M_MMAP_THRESHOLD = -3  # from malloc.h
# Above the size of typical images and their batches, whose memory is soon reused.
_LARGE_BYTES = 4 * 1024 * 1024

_logger = logging.getLogger(__name__)


def run_server(
    root: Path, options: ModelRootOptions, config: ServerConfig, announce: Callable[[str], None]
) -> None:
    """Serves the models under a root until SIGTERM or SIGINT, then drains.

    It listens once its models are ready, so that a caller who connects gets a score. Only with
    `wait_for_model` does it listen before.

    Must run in the main thread, which receives the signals.

    Args:
        root: As in `ModelRoot`.
        options: Which of its models are served.
        config: How to listen and how much work to accept.
        announce: Called with one line when calls are answered.

    Raises:
        StartError: No model can be served, the signature key is invalid, or the address cannot be
            listened on.
        ModuleNotFoundError: Signatures are required and the extra `sign` is not installed.
    """
    # gRPC's core writes to stderr, for instance about a port in use, and says less than the
    # errors that are raised. It reads this variable at import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from adscore_server.monitoring.observers import monitoring
    from adscore_server.server import Server

    stopping = _told_by_signals()
    _settle_process()
    opener = ModelOpener(root, config, _check(options))
    models = ModelRoot(root, options, opener)
    registry = _first_models(models, options)
    with monitoring(config) as monitors:
        server = Server(registry, config, monitors.observers, budget=opener.budget)
        monitors.watch(server.statistics)
        server.start()
        _logger.info("Settings: %s", describe(options, config))
        announce(_ready_line(server.address, registry))
        with ModelPoller(models, server.serve_models, options.poll_seconds) as poller:
            stopping.recv(1)
            poller.stop_looking()  # leave the cores to the calls in flight
            _logger.info("Stopping: calls in flight have %g s to finish", config.drain_seconds)
            drained = server.stop()
    if not drained:
        _logger.warning("Some calls were cut off after %g s", config.drain_seconds)
    if poller.is_stuck:
        _logger.warning("The model that is being opened is not waited for any longer")
    if not drained or poller.is_stuck:
        # These threads cannot be stopped, and a normal exit would wait for them.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _check(options: ModelRootOptions) -> BundleCheck | None:
    if options.required_key is None:
        return None
    from adscore.bundle.signing import SignatureCheck  # needs the extra `sign`

    try:
        return SignatureCheck(options.required_key)
    except SigningError as error:
        raise StartError(str(error)) from error


def _first_models(models: ModelRoot, options: ModelRootOptions) -> ModelRegistry:
    try:
        return models.open()
    except StartError as error:
        if not options.wait_for_model:
            raise
        _logger.info("Waiting for a model: %s", error)
        return ModelRegistry()


def _told_by_signals() -> socket.socket:
    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once

    told = stop_signals(handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see `workers._held_back`
    return told


def _ready_line(address: str, models: ModelRegistry) -> str:
    names = ", ".join(
        f"{model.name} version {model.version} (loaded in {model.load_seconds:.2f} s)"
        for model in models.loaded
    )
    if not names:
        return f"Listening on {address}: no model yet"
    return f"Ready on {address}: {names}"


def _settle_process() -> None:
    """Tunes the process; call it after the imports and before models are opened.

    Objects that exist now stay for good, so the garbage collector need never scan them again.
    """
    # Workers tokenise headlines on all cores already; the tokenizer's own threads would only
    # compete with them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _give_large_blocks_back()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _give_large_blocks_back() -> None:
    """Makes glibc return large blocks at once; by default it adapts and keeps them.

    Otherwise 16 MB requests and images would leave a server several times as large.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
