"""Which addresses count as free before gRPC listens on them."""

import socket

import pytest

from adscore_server.addresses import bound_socket
from adscore_server.errors import StartError


@pytest.mark.parametrize("shared", [False, True])
def test_address_is_free_right_after_a_server_closed_its_connections(shared: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as caller:
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first waits a minute in TIME_WAIT
            assert caller.recv(1) == b""
    with bound_socket(f"127.0.0.1:{address[1]}", shared=shared) as bound:
        assert bound.getsockname() == address


def test_address_that_is_listened_on_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(StartError, match="Address already in use"):
            bound_socket(address)
