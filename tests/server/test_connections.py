"""Ending the connections of a port from beneath: whose end, and whose stay."""

import socket
from collections.abc import Iterator

import pytest

from adscore_server.connections import end_connections, peer_of, stop_listening


@pytest.fixture(params=["127.0.0.1", "::"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """Takes connections from 127.0.0.1, as a server for IPv4 or for IPv6 as well."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        with socket.create_server(
            (request.param, 0), family=family, dualstack_ipv6=family == socket.AF_INET6
        ) as listening:
            yield listening
    except (OSError, ValueError):
        pytest.skip("this machine has no IPv6")


def _connected(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=30)
    return client, listener.accept()[0]


def test_all_but_the_kept_connections_end_after_what_was_written(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    kept, kept_server = _connected(listener)
    other, other_server = _connected(listener)
    with kept, kept_server, other, other_server:
        other_server.sendall(b"last word")
        kept_peer = peer_of(f"ipv4:127.0.0.1:{kept.getsockname()[1]}")
        assert end_connections(port, keep={kept_peer}) == {other.getsockname()}
        assert other.recv(100) == b"last word"
        assert other.recv(100) == b""
        kept_server.sendall(b"still here")
        assert kept.recv(100) == b"still here"


def test_nobody_connects_to_a_port_that_is_listened_on_no_more(listener: socket.socket) -> None:
    client, server = _connected(listener)
    with client, server:
        stop_listening(listener.getsockname()[1])
        with pytest.raises(ConnectionError):
            _connected(listener)
        server.sendall(b"still here")
        assert client.recv(100) == b"still here"


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("ipv4:10.0.0.7:50051", ("10.0.0.7", 50051)),
        ("ipv6:%5B::1%5D:50051", ("::1", 50051)),
        ("ipv6:[fe80::1%25eth0]:50051", ("fe80::1", 50051)),
        ("ipv6:%5B::ffff:10.0.0.7%5D:50051", ("10.0.0.7", 50051)),
        ("unknown", ("unknown", 0)),
    ],
)
def test_names_that_grpc_gives_to_peers_are_read(name: str, peer: tuple[str, int]) -> None:
    assert peer_of(name) == peer
