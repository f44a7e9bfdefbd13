"""Which addresses are accepted, and which of them are this very machine."""

import pytest

from adscore_client import Client
from adscore_client._address import parse_target


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "127.8.8.8",
        "localhost:50051",
        "[::1]:50051",
        "dns:///localhost:50051",
        "ipv4:127.0.0.1:1,127.0.0.1:2",
        "unix:/run/adscore.sock",
        ["127.0.0.1:1", "localhost:2"],
        ["[::1]:1"],
    ],
)
def test_address_of_this_machine_is_known(address):
    assert parse_target(address).is_local


@pytest.mark.parametrize(
    "address",
    [
        "scores.example.com:443",
        "127.0.0.1.example.com:50051",
        "localhost.example.com",
        "dns:///127.0.0.1.example.com",
        "dns://127.0.0.1/scores.example.com",
        "ipv4:127.0.0.1:1,10.0.0.7:1",
        "10.0.0.7:50051",
        ["127.0.0.1:1", "10.0.0.7:1"],
        "[::2]:50051",
        "[",
    ],
)
def test_address_of_another_machine_is_not_taken_for_this_one(address):
    assert not parse_target(address).is_local


def test_list_becomes_one_target():
    assert parse_target(["localhost:1", "10.0.0.7:2"]).uri == "ipv4:127.0.0.1:1,10.0.0.7:2"
    assert parse_target(["[::1]:1", "[fe80::7]:2"]).uri == "ipv6:[::1]:1,[fe80::7]:2"
    assert repr(Client(["127.0.0.1:1", "127.0.0.1:2"])) == "<Client of 127.0.0.1:1, 127.0.0.1:2>"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ([], ValueError),
        (["scores.example.com:1"], ValueError),
        (["10.0.0.7"], ValueError),
        (["10.0.0.7:port"], ValueError),
        (["10.0.0.7:99999"], ValueError),
        (["10.0.0.7:1", "[::1]:1"], ValueError),
        (["http://10.0.0.7:1"], ValueError),
        ([50051], TypeError),
        ({"10.0.0.7:1"}, TypeError),
        (b"10.0.0.7:1", TypeError),
    ],
)
def test_list_that_is_no_target_is_named(address, error):
    with pytest.raises(error, match=r"address: expected .* Received: "):
        Client(address)
