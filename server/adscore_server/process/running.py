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

# Of objects that are made and not yet freed. A call makes some hundred that are freed when it ends,
# without the collector; with Python's own 700 it would look through all that call after call.
_GC_THRESHOLDS = (50_000, 20, 20)
_M_MMAP_THRESHOLD = -3  # of malloc.h
# Larger than what usual images and their batches take, which is used again sooner than given back.
_LARGE_BYTES = 4 * 1024 * 1024

_logger = logging.getLogger(__name__)


def run_server(
    root: Path, options: ModelRootOptions, config: ServerConfig, announce: Callable[[str], None]
) -> None:
    """Serves the models under a root until SIGTERM or SIGINT, then drains.

    It listens once its models are ready, so that a caller who gets through gets a score; only
    where it waits for a first model does it listen before.

    Must run in the main thread, which is the one that gets signals.

    Args:
        root: As of `ModelRoot`.
        options: Which of its models are served.
        config: How to listen and how much to take on.
        announce: Told one line when calls are answered.

    Raises:
        StartError: No model can be served, the key of its signatures is no good, or the address
            cannot be listened on.
        ModuleNotFoundError: Signatures are required and the extra `sign` is not installed.
    """
    # gRPC's core writes lines of its own to stderr, about a port in use for instance, which
    # say less than the errors raised for them. It reads this when it is imported.
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
            poller.stop_looking()  # cores are for the calls in flight now
            _logger.info("Stopping: calls in flight have %g s to finish", config.drain_seconds)
            drained = server.stop()
    if not drained:
        _logger.warning("Some calls were cut off after %g s", config.drain_seconds)
    if poller.is_stuck:
        _logger.warning("The model that is being opened is not waited for any longer")
    if not drained or poller.is_stuck:
        # Their threads cannot be stopped, and a normal exit would wait for them.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _check(options: ModelRootOptions) -> BundleCheck | None:
    if options.required_key is None:
        return None
    from adscore.bundle.signing import SignatureCheck  # of an extra of its own

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
    """To be called once what a server needs is imported, before models are opened.

    What is there now stays for good, so the garbage collector need never look at it again.
    """
    # Headlines are tokenised where calls are worked on, which is on all cores already; threads of
    # the tokenizer's own would only take turns with theirs.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _give_large_blocks_back()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _give_large_blocks_back() -> None:
    """Has the allocator give back at once what is large, where it can; glibc learns to keep it.

    Requests of 16 MB, and images, would otherwise leave a server several times as large.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
