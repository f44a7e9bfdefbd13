"""Ends the connections of a port without gRPC, whose own end of a server misleads callers.

gRPC answers calls that reach a server while it shuts down with CANCELLED, as if the caller had
given up, and nobody tries them again. So does what crosses its GOAWAY. A connection that breaks is
UNAVAILABLE to every client, which connects anew where it can. The sockets are those of this
process, found by their port: two servers of one process that share a port end together. On a system
that does not list them, nothing is found, and gRPC's own end is left.
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

# What this process has open, on Linux and macOS.
_DESCRIPTORS = Path("/dev/fd")
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def stop_listening(port: int) -> None:
    """Lets nobody connect to the port any more."""
    for one in _sockets(port):
        with contextlib.suppress(OSError):
            if _listens(one):
                one.shutdown(socket.SHUT_RDWR)


def end_connections(port: int, keep: Collection[Peer] = ()) -> set[Peer]:
    """Ends the connections that were made to the port.

    What was written to them still arrives, and nothing after that.

    Args:
        port: As the server listens on it.
        keep: Peers whose connections stay; see `peer_of`.

    Returns:
        The peers at their other ends.
    """
    ended: set[Peer] = set()
    for one in _sockets(port):
        with contextlib.suppress(OSError):  # it has just ended by itself
            if not _listens(one) and (peer := _plain(*one.getpeername()[:2])) not in keep:
                one.shutdown(socket.SHUT_RDWR)
                ended.add(peer)
    return ended


def peer_of(name: str) -> Peer:
    """Address and port in gRPC's name of a peer, like ``"ipv6:%5B::1%5D:50051"``.

    A name without them becomes a peer that no socket has.
    """
    host, _, port = unquote(name).partition(":")[2].rpartition(":")
    try:
        return _plain(host.strip("[]"), int(port))
    except ValueError:
        return name, 0


def _plain(host: str, port: int) -> Peer:
    """An IPv4 address is written in two ways where the server listens for IPv6 as well."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), port


def _sockets(port: int) -> Iterator[socket.socket]:
    """Copies of the sockets bound to the port, each closed when the next is asked for."""
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
