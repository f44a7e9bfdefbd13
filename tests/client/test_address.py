"""Which addresses are accepted, which of them are this very machine, and what is said of others."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore_client import Client
from adscore_client._address import parse_target


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "127.8.8.8:1",
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
        "localhost.example.com:1",
        "dns:///127.0.0.1.example.com:1",
        "dns://127.0.0.1/scores.example.com:1",
        "xds:///scores",
        "ipv4:127.0.0.1:1,10.0.0.7:1",
        "10.0.0.7:50051",
        ["127.0.0.1:1", "10.0.0.7:1"],
        "[::2]:50051",
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


@pytest.mark.parametrize(
    ("address", "fault", "meant"),
    [
        ("localhost", "without a port", "localhost:50051"),
        ("[::1]", "without a port", "[::1]:50051"),
        ("dns:///scores", "without a port", "dns:///scores:50051"),
        ("50051", "a port without a host", "127.0.0.1:50051"),
        ("grpc://localhost:1", "with grpc://", "localhost:1"),
        ("https://localhost:1/", "with https://", "localhost:1"),
        ("localhost:1/", "with a slash", "localhost:1"),
        (" localhost:1\n", "with a blank", "localhost:1"),
        ("::1:50051", "without brackets", "[::1]:50051"),
        ("fe80::1", "without brackets", "[fe80::1]:50051"),
        ("localhost:99999", "not a number from 1 to 65535", ""),
        ("localhost:0", "not a number from 1 to 65535", ""),
        ("localhost:", "not a number from 1 to 65535", ""),
        ("localhost:\uff11", "not a number from 1 to 65535", ""),
        ("my host:1", "with a blank", ""),
        ("user@localhost:1", "whose host is 'user@localhost'", ""),
        ("[zz]:1", "whose host is '[zz]'", ""),
        ("[", "without a port", ""),
        (":50051", "whose host is ''", ""),
        ("ipv4:10.0.0.7:1,10.0.0.8", "without a port", "ipv4:10.0.0.7:1,10.0.0.8:50051"),
    ],
)
def test_mistaken_address_is_told_with_what_was_meant(address, fault, meant):
    with pytest.raises(ValueError, match="address: expected HOST:PORT") as caught:
        Client(address)
    said = str(caught.value)
    assert fault in said.partition("Received: ")[2]
    assert said.endswith(f"Did you mean {meant!r}?") if meant else "Did you mean" not in said


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert parse_target(text).uri == text
