"""What the page is told when it starts."""

import ipaddress
import re
from dataclasses import dataclass

from adscore_client import Tls

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class PageError(Exception):
    """The page cannot start; the text says what was expected and what to do."""


@dataclass(frozen=True, slots=True)
class PageConfig:
    """How the page serves, and which server it asks.

    Attributes:
        server: Address of the scoring server, as `adscore_client.Client` takes it.
        address: HOST:PORT to listen on; port 0 means any free one.
        prefix: Path that a proxy puts before every address of the page, e.g. ``/adscore``.
        allowed_hosts: Further host names that browsers may ask for: those of a proxy. Any other
            Host is refused, so that no foreign name can be pointed at this machine.
        server_tls: How the connection to the server is encrypted; False for plain text.
        insecure_network: Whether to listen beyond this machine without TLS or tokens, and to send
            tokens to the server in plain text: something else protects the network.
        max_headlines: Most headlines of one request, and of a browser's list.
        max_images: Most banners of a browser's list; each comes in a request of its own.
        max_request_bytes: Largest request. The default fits the server's largest image, 10 MiB.
        max_pending_bytes: Most bytes of all requests that are held at once.
        read_seconds: How long a request may take to arrive.
        timeout_seconds: How long the server may take to answer; people then read that it does not.
        slow_timeout_seconds: The same for an explanation or a check, which reads text on banners.
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
        """Host and port to listen on; an IPv6 address without its brackets.

        Raises:
            PageError: The address is no HOST:PORT.
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
        """Host names that browsers may ask for, in lower case, without ports.

        Those of this machine are always among them: no foreign name is theirs.
        """
        host, _ = self.place()
        own = f"[{host}]" if ":" in host else host
        return frozenset({own.lower(), *_LOOPBACK_NAMES, *map(str.lower, self.allowed_hosts)})
