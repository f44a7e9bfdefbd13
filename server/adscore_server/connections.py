"""Closes the connections of a port without gRPC, whose own shutdown misleads callers.

gRPC answers calls that reach a server during its shutdown with CANCELLED, as if the caller had
given up, so no client retries them. The same happens to calls that cross its GOAWAY. A broken
connection is UNAVAILABLE to every client, and the client reconnects where it can. The sockets are
those of this process, found by port: two servers in one process that share a port end together. On
a system that does not list open sockets, none is found, and gRPC's own shutdown is left.
"""

import contextlib
import ipaddress
import os
import socket
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote

Peer = tuple[str, int]

# The open file descriptors of this process, on Linux and macOS.
_DESCRIPTORS = Path("/dev/fd")
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def stop_listening(port: int) -> None:
    """Stops accepting connections on the port."""
    for one in _sockets(port):
        with contextlib.suppress(OSError):
            if _listens(one):
                one.shutdown(socket.SHUT_RDWR)


def end_connections(port: int, keep: Collection[Peer] = ()) -> set[Peer]:
    """Closes the connections to the port; data already written still arrives.

    Args:
        port: The port that the server listens on.
        keep: Peers whose connections stay open; see `peer_of`.

    Returns:
        The peers whose connections were closed.
    """
    ended: set[Peer] = set()
    for one in _sockets(port):
        with contextlib.suppress(OSError):  # it has just closed by itself
            if not _listens(one) and (peer := _plain(*one.getpeername()[:2])) not in keep:
                one.shutdown(socket.SHUT_RDWR)
                ended.add(peer)
    return ended


def peer_of(name: str) -> Peer:
    """Parses address and port from gRPC's peer name, such as ``"ipv6:%5B::1%5D:50051"``.

    A name without them gives a peer that matches no socket.
    """
    host, _, port = unquote(name).partition(":")[2].rpartition(":")
    try:
        return _plain(host.strip("[]"), int(port))
    except ValueError:
        return name, 0


def _plain(host: str, port: int) -> Peer:
    """Normalises an IPv4 address, which a dual-stack socket shows as an IPv6 one."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), port


def _sockets(port: int) -> Iterator[socket.socket]:
    """Yields a duplicate of each socket bound to the port, and closes it before the next."""
    descriptors = list(_DESCRIPTORS.iterdir()) if _DESCRIPTORS.is_dir() else []
    for number in (int(descriptor.name) for descriptor in descriptors):
        with contextlib.suppress(OSError):  # closed meanwhile
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as one:
                if one.family in _INTERNET and one.getsockname()[1] == port:
                    yield one


def _listens(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
