"""Signals that ask a process to end, as bytes in a socket: none is missed, whatever goes on."""

import signal
import socket
from collections.abc import Callable
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)


def stop_signals(handle: Callable[[int, FrameType | None], object]) -> socket.socket:
    """Has the interpreter write a byte for each signal, for as long as the process lives.

    Python runs a handler between two instructions of the main thread. A signal that comes as this
    thread goes to sleep, in `Event.wait` for instance, would be noticed at the next one only; and
    a handler that set the event could wait for a lock that the code below it holds. The byte is
    written at once, and ends a wait for the socket.

    Args:
        handle: Is called with the signal too, a while later; it must not wait for anything.

    Returns:
        The socket to wait for and to read from.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in STOP:
        signal.signal(number, handle)
    return reader
