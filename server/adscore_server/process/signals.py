"""Delivers signals to stop as bytes on a socket, so that none is missed."""

import signal
import socket
from collections.abc import Callable
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)


def stop_signals(handle: Callable[[int, FrameType | None], object]) -> socket.socket:
    """Makes the interpreter write a byte for each signal, as long as the process lives.

    Python runs a handler between two instructions of the main thread. If a signal arrives just as
    that thread goes to sleep, for instance in `Event.wait`, the handler runs only after the sleep;
    and a handler that sets the event could deadlock on a lock that the interrupted code holds.
    The byte is written at once and wakes a wait on the socket.

    Args:
        handle: Called with the signal too, somewhat later; it must not block.

    Returns:
        The socket to wait on and read from.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in STOP:
        signal.signal(number, handle)
    return reader
