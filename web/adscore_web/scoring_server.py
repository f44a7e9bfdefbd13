"""Runs `adscore serve` as a child process that ends with the page."""

import contextlib
import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from adscore_web.config import PageError

_STOP_SECONDS = 15.0
_READY = "Ready on "
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextlib.contextmanager
def scoring_server(model: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """Serves a model on a free local port inside the block.

    Args:
        model: A root of models, a model or a version, as for `adscore serve`.
        options: Further options for `adscore serve`.

    Yields:
        Its address.

    Raises:
        PageError: It did not start; it has printed why.
    """
    command = [sys.executable, "-m", "adscore", "serve", str(model), "--address", "127.0.0.1:0"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--log-level", "warning", *options],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        line = process.stdout.readline().strip() if process.stdout else ""
        if not line.startswith(_READY):
            raise PageError(
                f"--model: expected a model that `adscore serve` can serve. Received: {model}. "
                'Without one: adscore demo --keep DIR makes a model. It needs "adscore[server]"'
            )
        yield line.removeprefix(_READY).split(": ")[0]
    finally:
        _stop(process)


def _end_with_parent() -> None:
    """Makes the kernel terminate the child even if the page is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
