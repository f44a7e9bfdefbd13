"""Tries an address before gRPC does, whose own error gives no reason."""

import socket
from typing import Any

from adscore_server.errors import StartError


def bound_socket(address: str, *, shared: bool = False) -> socket.socket:
    """Binds a socket without listening; a name with several addresses is bound to the first.

    Args:
        address: HOST:PORT.
        shared: Whether other sockets may share the port (SO_REUSEPORT).

    Raises:
        StartError: The address is taken, or does not belong to this machine.
    """
    try:
        family, kind, protocol, place = _place(address)
        bound = socket.socket(family, kind, protocol)
        # As gRPC does: connections in TIME_WAIT must not block the address.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            bound.bind(place)
        except OSError:
            bound.close()
            raise
        return bound
    except OSError as error:
        raise address_error(address, error.strerror or str(error)) from error


def address_error(address: str, cause: str) -> StartError:
    """Builds the error for an address that cannot be listened on."""
    return StartError(
        f"expected a free address of this machine to listen on. Received: {address}: {cause}. "
        "Choose another with --address; port 0 means any free one"
    )


def _place(address: str) -> tuple[int, int, int, Any]:
    host, _, port = address.rpartition(":")
    family, kind, protocol, _, place = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM
    )[0]
    return family, kind, protocol, place
