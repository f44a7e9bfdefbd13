"""The connection to a server: one channel, opened by the first call."""

import threading
from typing import Any

import grpc

from adscore_client._exceptions import ClientClosedError
from adscore_protos.v1 import model_pb2_grpc, scoring_pb2_grpc

_LOOPBACK = ("127.", "localhost", "[::1]", "ipv4:127.", "ipv6:[::1]", "unix:")


def channel_options(address: str, max_message_bytes: int) -> list[tuple[str, Any]]:
    """Returns the settings of a channel, as gRPC names them.

    Args:
        address: Address of the server.
        max_message_bytes: Limit of an answer. Requests are measured before they are sent.
    """
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # By default a lost server is looked for ever more rarely, up to every 2 minutes, and
        # calls fail at once meanwhile; one that restarts should be found within seconds.
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Else all channels of a process to one address share that waiting time, so that a
        # new client fails because an old one did.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if address.startswith(_LOOPBACK):
        # gRPC would ask the proxy of the environment for this very machine.
        options.append(("grpc.enable_http_proxy", 0))
    return options


class Connection:
    """The stubs of both services over one channel; safe to use from several threads.

    The channel is made by the first call and not before: a process may fork once it has its
    client, and gRPC must not have been started by then.
    """

    def __init__(self, address: str, max_message_bytes: int) -> None:
        self._address = address
        self._options = channel_options(address, max_message_bytes)
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def check_open(self) -> None:
        """Raises ClientClosedError after ``close``."""
        if self._closed:
            raise ClientClosedError(
                f"Expected an open client of {self._address}. Received: a call after close(). "
                "Make a new Client, or move the call into its `with` block"
            )

    def scoring(self) -> Any:
        """Returns the stub of ScoringService.

        Raises:
            ClientClosedError: The connection is closed.
        """
        return scoring_pb2_grpc.ScoringServiceStub(self._open())

    def models(self) -> Any:
        """Returns the stub of ModelService.

        Raises:
            ClientClosedError: The connection is closed.
        """
        return model_pb2_grpc.ModelServiceStub(self._open())

    def close(self) -> None:
        """Cancels calls that are under way; may be called more than once."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                self._channel.close()

    def _open(self) -> grpc.Channel:
        with self._lock:
            self.check_open()
            if self._channel is None:
                self._channel = grpc.insecure_channel(self._address, options=self._options)
            return self._channel
