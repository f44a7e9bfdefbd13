"""Configuration of the page."""

import ipaddress
import re
from dataclasses import dataclass

from adscore_client import Tls

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class PageError(Exception):
    """The page cannot start; the message says what was expected and what to do."""


@dataclass(frozen=True, slots=True)
class PageConfig:
    """Configuration of the page and its connection to the server.

    Attributes:
        server: Address of the scoring server, as `adscore_client.Client` takes it.
        address: HOST:PORT to listen on; port 0 means any free one.
        prefix: Path prefix that a proxy adds to every address of the page, e.g. ``/adscore``.
        allowed_hosts: Further host names that browsers may use, such as those of a proxy. Requests
            with any other Host header are refused, which prevents DNS rebinding.
        server_tls: TLS settings of the connection to the server; False for plain text.
        insecure_network: Whether to listen beyond this machine without TLS or tokens, and to send
            tokens to the server in plain text: something else protects the network.
        max_headlines: Maximum number of headlines in a request, and in a browser's list.
        max_images: Maximum number of banners in a browser's list; each is sent in its own request.
        max_request_bytes: Maximum size of a request. The default fits the server's limit of 10 MiB
            per image.
        max_pending_bytes: Maximum size of all requests in memory together.
        read_seconds: Timeout for reading a request.
        timeout_seconds: Timeout for the server's answer; the page then shows an error.
        slow_timeout_seconds: Timeout for an explanation or a check, which read text on banners.
    """

    server: str
    address: str = "127.0.0.1:8501"
    prefix: str = ""
    allowed_hosts: tuple[str, ...] = ()
    server_tls: Tls | bool = False
    insecure_network: bool = False
    max_headlines: int = 100
    max_images: int = 200
    max_request_bytes: int = 12 * 1024 * 1024
    max_pending_bytes: int = 96 * 1024 * 1024
    read_seconds: float = 60.0
    timeout_seconds: float = 10.0
    slow_timeout_seconds: float = 45.0

    def __post_init__(self) -> None:
        self.place()
        if not _PREFIX.fullmatch(self.prefix):
            raise PageError(f"--prefix: expected a path such as /adscore. Received: {self.prefix}")

    def place(self) -> tuple[str, int]:
        """Host and port to listen on; IPv6 addresses without brackets.

        Raises:
            PageError: The address is not HOST:PORT.
        """
        host, _, port = self.address.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port) < 65536):
            raise PageError(
                f"--address: expected HOST:PORT, e.g. 127.0.0.1:8501. Received: {self.address}"
            )
        return host.strip("[]"), int(port)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        host, _ = self.place()
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def hosts(self) -> frozenset[str]:
        """Host names that browsers may use, in lower case, without ports.

        Includes the names of this machine, which no foreign site can own.
        """
        host, _ = self.place()
        own = f"[{host}]" if ":" in host else host
        return frozenset({own.lower(), *_LOOPBACK_NAMES, *map(str.lower, self.allowed_hosts)})
