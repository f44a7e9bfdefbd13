"""The caller's addresses -> the one target that gRPC connects to."""

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOCAL_SOCKETS = ("unix:", "unix-abstract:")
_UNCHECKED = ("xds:", "vsock:")  # gRPC targets without host and port
_ENDPOINT = re.compile(r"(\[[^\[\]]*\]|[^\s\[\]:/?#@]+):(\d+)", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MAX_PORT = 65_535
_DEFAULT_PORT = 50_051  # of adscore serve, for error texts

# The variables in which gRPC looks for a proxy, in order.
_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")


@dataclass(frozen=True, slots=True)
class Target:
    """The target to connect to.

    Attributes:
        uri: What gRPC connects to; may stand for several servers.
        name: The target in error texts.
        authority: Name of the servers for HTTP/2 and TLS; empty if gRPC takes it from the uri.
        is_local: Whether it is this machine, so that nothing crosses a network.
    """

    uri: str
    name: str
    authority: str
    is_local: bool

    @property
    def proxy(self) -> str:
        """The variable that sets a proxy, and the proxy; both empty without one.

        gRPC bypasses the proxy for the hosts that ``no_proxy`` names.
        """
        if self.is_local:
            return ""
        for variable in _PROXY_VARIABLES:
            if value := os.environ.get(variable):
                # Without the user and password that a proxy's URL may have.
                host = urlsplit(value).netloc.rpartition("@")[2]
                return host and f"{variable}={host}"
        return ""


def parse_target(address: str | Sequence[str]) -> Target:
    """Checks one address, or several that all serve the same models.

    Raises:
        TypeError: It is neither str nor a sequence of str.
        ValueError: It is neither HOST:PORT nor another gRPC target; in a list, it is not IP:PORT.
    """
    if isinstance(address, str):
        for endpoint in _endpoints(address):
            if fault := _fault(endpoint):
                raise _refused(address, endpoint, *fault)
        return Target(address, address, "", _is_local(address))
    if not isinstance(address, Sequence) or not all(isinstance(one, str) for one in address):
        raise TypeError(
            "address: expected str, e.g. '127.0.0.1:50051', or a list of them. "
            f"Received: {address!r}"
        )
    return _several(address)


def _endpoints(address: str) -> list[str]:
    """Returns every HOST:PORT of a target."""
    if address.startswith((*_LOCAL_SOCKETS, *_UNCHECKED)):
        return []
    if address.startswith("dns://"):
        return [address.removeprefix("dns://").partition("/")[2]]  # dns://RESOLVER/HOST:PORT
    for scheme in ("dns:", "ipv4:", "ipv6:"):
        if address.startswith(scheme):
            return address.removeprefix(scheme).removeprefix("/").split(",")
    return [address]


def _fault(endpoint: str) -> tuple[str, str] | None:
    """Returns what is wrong with HOST:PORT, and what was probably meant."""
    bare = endpoint.strip()
    scheme = _SCHEME.match(bare)
    host, colon, port = endpoint.rpartition(":")
    if not bare:
        return "no host", ""
    if scheme:
        fault = f"with {scheme[0]}, a scheme that gRPC does not know"
        return fault, bare.removeprefix(scheme[0]).rstrip("/")
    if re.search(r"\s", endpoint):
        return "with a blank", bare
    if "/" in endpoint:
        return "with a slash", endpoint.rstrip("/")
    if _is_ipv6(host) or _is_ipv6(endpoint):
        whole = f"[{endpoint}]:{_DEFAULT_PORT}"
        meant = f"[{host}]:{port}" if _is_ipv6(host) and len(port) > 4 else whole
        return "an IPv6 address without brackets", meant
    if endpoint.isdigit():
        return "a port without a host", f"127.0.0.1:{endpoint}"
    if not colon or endpoint.endswith("]"):
        return "without a port", f"{endpoint}:{_DEFAULT_PORT}"
    if not _is_port(port):
        return f"whose port is not a number from 1 to {_MAX_PORT}", ""
    return None if _is_endpoint(endpoint) else (f"whose host is {host!r}", "")


def _is_endpoint(text: str) -> bool:
    match = _ENDPOINT.fullmatch(text)
    if not match or not _is_port(match[2]):
        return False
    return not match[1].startswith("[") or _is_ipv6(match[1][1:-1])


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MAX_PORT


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _refused(address: str, endpoint: str, fault: str, meant: str) -> ValueError:
    hint = ""
    if _is_endpoint(meant):
        hint = f". Did you mean {address.replace(endpoint, meant)!r}?"
    return ValueError(
        "address: expected HOST:PORT, or a gRPC target such as 'dns:///HOST:PORT' or "
        f"'unix:PATH'. Received: {address!r:.200}, {fault}{hint}"
    )


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
    if fault := _fault(address):
        raise _refused(address, address, *fault)
    parts = urlsplit(f"//{address}")
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        return ipaddress.ip_address(host), parts.port or 0
    except ValueError:  # a host name
        raise ValueError(
            f"address: expected IP:PORT in a list of addresses. Received: {address!r}. A name "
            "that stands for several servers is given alone, as 'dns:///NAME:PORT'"
        ) from None


def _is_local(address: str) -> bool:
    if address.startswith(_LOCAL_SOCKETS):
        return True
    return all(map(_is_loopback, _endpoints(address) or [address]))


def _is_loopback(endpoint: str) -> bool:
    try:
        host = urlsplit(f"//{endpoint}").hostname
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
