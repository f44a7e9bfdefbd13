"""Addresses as the caller gives them -> the one target that gRPC connects to."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOCAL_SOCKETS = ("unix:", "unix-abstract:")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the servers are.

    Attributes:
        uri: What gRPC connects to; may stand for several servers.
        name: The same for the text of errors.
        authority: Name of the servers for HTTP/2 and TLS; empty where gRPC takes it from the uri.
        is_local: Whether it is this very machine, so that nothing goes over a network.
    """

    uri: str
    name: str
    authority: str
    is_local: bool


def parse_target(address: str | Sequence[str]) -> Target:
    """Checks one address, or several that all serve the same models.

    Raises:
        TypeError: It is neither str nor a sequence of str.
        ValueError: It is empty, that of a web page or, in a list, no IP:PORT.
    """
    if isinstance(address, str):
        _check(address)
        return Target(address, address, "", _is_local(address))
    if not isinstance(address, Sequence) or not all(isinstance(one, str) for one in address):
        raise TypeError(
            "address: expected str, e.g. '127.0.0.1:50051', or a list of them. "
            f"Received: {address!r}"
        )
    return _several([_check(one) for one in address])


def _check(address: str) -> str:
    if not address.strip() or address.startswith(("http://", "https://")):
        raise ValueError(
            "address: expected HOST:PORT, or a gRPC target such as 'dns:///HOST:PORT' or "
            f"'unix:PATH'. Received: {address!r}"
        )
    return address


def _several(addresses: Sequence[str]) -> Target:
    if not addresses:
        raise ValueError("address: expected at least one address. Received: an empty list")
    endpoints = [_ip_and_port(one) for one in addresses]
    versions = {ip.version for ip, _ in endpoints}
    if len(versions) > 1:
        raise ValueError(
            "address: expected a list of IPv4 addresses or one of IPv6 addresses. "
            f"Received: both, {list(addresses)!r}"
        )
    (version,) = versions
    hosts = [f"[{ip}]:{port}" if version == 6 else f"{ip}:{port}" for ip, port in endpoints]
    return Target(
        uri=f"ipv{version}:{','.join(hosts)}",
        name=", ".join(addresses),
        authority=hosts[0],
        is_local=all(ip.is_loopback for ip, _ in endpoints),
    )


def _ip_and_port(address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    try:
        parts = urlsplit(f"//{address}")
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
        if host and parts.port is not None:
            return ipaddress.ip_address(host), parts.port
    except ValueError:  # of a name, or of a port that is none
        pass
    raise ValueError(
        f"address: expected IP:PORT in a list of addresses. Received: {address!r}. A name that "
        "stands for several servers is given alone, as 'dns:///NAME:PORT'"
    )


def _is_local(address: str) -> bool:
    if address.startswith(_LOCAL_SOCKETS):
        return True
    for scheme in ("dns:///", "ipv4:", "ipv6:"):
        address = address.removeprefix(scheme)
    return all(map(_is_loopback, address.split(",")))


def _is_loopback(endpoint: str) -> bool:
    try:
        host = urlsplit(f"//{endpoint}").hostname
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
