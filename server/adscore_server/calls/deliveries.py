"""The calls that have a thread, or whose answer is on its way: whose they are."""

import threading

import grpc

from adscore_server.connections import Peer, peer_of


class Deliveries:
    """Knows calls from their first line of work until gRPC has written their last byte."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: dict[grpc.ServicerContext, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, context: grpc.ServicerContext) -> None:
        """Takes a call, which is known until gRPC is done with it."""
        with self._changed:
            self._open[context] = context.peer()
        if not context.add_callback(lambda: self._remove(context)):
            self._remove(context)

    def peers(self) -> set[Peer]:
        """Who is served now."""
        with self._changed:
            names = set(self._open.values())
        return {peer_of(name) for name in names}

    def wait_for_all(self, timeout_seconds: float) -> bool:
        """Waits until everything is delivered; says whether it was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_seconds)

    def _remove(self, context: grpc.ServicerContext) -> None:
        with self._changed:
            self._open.pop(context, None)
            self._changed.notify_all()
