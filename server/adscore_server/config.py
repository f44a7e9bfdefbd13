"""The settings of a server."""

import ipaddress
import math
from dataclasses import dataclass, field, fields
from pathlib import Path

from adscore.cores import usable_cores


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificates lie, all in PEM form.

    Attributes:
        certificate: The server's certificate, those that vouch for it after it.
        key: The key of the server's certificate, without a passphrase.
        client_ca: Authorities that vouch for clients; None lets clients without a certificate in.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def __str__(self) -> str:
        """The names of the files."""
        return ",".join(str(path) for path in (self.certificate, self.key, self.client_ca) if path)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """How a client is noticed that has gone without a word.

    Otherwise its streams would hold their places for hours. A connection without a call is left
    alone.

    Attributes:
        silence_seconds: After so long without a byte of a client that has a call, it is asked.
        answer_seconds: How long it may take to answer, before its connection is cut off. The answer
            waits behind what the client is sending, so it must have time for that on a slow link.
    """

    silence_seconds: float = 60.0
    answer_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server listens and how much it takes on at once.

    Attributes:
        address: HOST:PORT to listen on, port 0 meaning any free one; or unix:PATH.
        max_message_bytes: Largest request accepted, in bytes.
        max_batch_creatives: Largest number of creatives in one BatchScore.
        threads: Calls that are held at once, `max_waiting_calls` added to them; those that find no
            core wait their turn. Streams, explanations and checks have places of their own.
        max_waiting_calls: Further calls that are held; what comes beyond both is refused at once.
        max_batch_bytes: Bytes of decoded images that are scored before another is decoded.
        max_streams: Most streams that are open at once.
        max_headline_characters: Longest headline accepted, where the model's own limit is not
            lower; None leaves it at that.
        max_image_bytes: Largest encoded image accepted, likewise.
        max_image_pixels: Most pixels of an image, likewise.
        decode_threads: Threads that decode and score, for calls that bring many creatives.
        cache_bytes: Memory for what each model said of headlines and images, in bytes, so that
            those that come again are not worked on again; 0 keeps nothing.
        drain_seconds: How long calls in flight may take to finish when the server stops.
        reflection: Whether the server describes its services to tools such as grpcurl.
        tls: Certificates for encrypted connections; None means plain text.
        tokens: File of the tokens that callers must bring; None means that none is asked for.
        creatives_per_second: Most creatives a second from each token, or from all callers together
            where there are no tokens; None means any number.
        health_address: HOST:PORT of health alone, in plain text; empty means none but at `address`.
        metrics_address: HOST:PORT of the page of metrics, over plain HTTP; empty means none.
        otel: Whether calls are traced with OpenTelemetry, which reads its own variables.
        reuse_port: Whether other processes may listen at the address too, each with a share of
            the connections; see `workers`.
        insecure_network: Whether an address beyond this machine may be listened on without
            encryption, or without tokens or certificates of clients.

    Raises:
        ValueError: A setting is outside its range.
    """

    # Loopback: whoever opens the server to a network decides to do so.
    address: str = "127.0.0.1:50051"
    # A full-size image of 10 MiB, or some hundred banners in a batch.
    max_message_bytes: int = 16 * 1024 * 1024
    # As the contract says; with usual banners the message limit is met first.
    max_batch_creatives: int = 1_000
    # They wait for a core rather than share it; as many as make full batches on two cores.
    threads: int = 32
    # With `threads`, room for 64 callers that send one call after another; a longer queue only adds
    # waiting. Under pressure there is less room, see `calls.pressure`.
    max_waiting_calls: int = 32
    # Some hundred images as the largest encoders read them; `threads` is met first as a rule.
    max_batch_bytes: int = 64 * 1024 * 1024
    # Each holds a thread and a few requests while it is open, busy or not.
    max_streams: int = 32
    # A model says what it accepts; memory may ask for less: an image takes up to 20 bytes a pixel.
    max_headline_characters: int | None = None
    max_image_bytes: int | None = None
    max_image_pixels: int | None = None
    # Pillow releases the GIL, so every core can decode.
    decode_threads: int = field(default_factory=usable_cores)
    # 60,000 images and headlines of the default preset; they hold no pixels and no text of images.
    cache_bytes: int = 64 * 1024 * 1024
    # Below the 30 seconds that Kubernetes waits before it kills.
    drain_seconds: float = 20.0
    # The contract is public; an operator can still switch it off.
    reflection: bool = True
    # On one machine plain text and no tokens are how people begin; see `insecure_network`.
    tls: TlsFiles | None = None
    tokens: Path | None = None
    # The bounded queue already refuses what is too much for the server.
    creatives_per_second: float | None = None
    # Kubernetes cannot ask over TLS.
    health_address: str = ""
    # What is not looked at need not be open.
    metrics_address: str = ""
    # Needs an extra, and somebody who collects the spans.
    otel: bool = False
    # Two servers on one port by mistake would share its calls unnoticed.
    reuse_port: bool = False
    # A service that anyone may call, or listen in on, must be somebody's decision.
    insecure_network: bool = False

    def __post_init__(self) -> None:
        host = "localhost" if is_unix(self.address) else _host("address", self.address)
        if self.reuse_port and is_unix(self.address):
            raise ValueError(
                f"address: expected HOST:PORT where workers share it. Received: {self.address}"
            )
        for name in ("health_address", "metrics_address"):
            if getattr(self, name):
                _host(name, getattr(self, name))
        for name in (
            "max_message_bytes",
            "max_batch_creatives",
            "threads",
            "max_streams",
            "decode_threads",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1. Received: {getattr(self, name)}")
        for name in ("max_headline_characters", "max_image_bytes", "max_image_pixels"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name}: expected at least 1. Received: {limit}")
        for name in ("max_waiting_calls", "max_batch_bytes", "cache_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more. Received: {getattr(self, name)}")
        rate = self.creatives_per_second
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise ValueError(
                "creatives_per_second: expected a number above 0. "
                f"Received: {self.creatives_per_second}"
            )
        self._require_protection(host)
        if not (self.drain_seconds >= 0 and math.isfinite(self.drain_seconds)):
            raise ValueError(
                f"drain_seconds: expected a number, 0 or more. Received: {self.drain_seconds}"
            )

    def _require_protection(self, host: str) -> None:
        """Raises ValueError where strangers could call, or read what is sent."""
        known_callers = self.tokens or (self.tls and self.tls.client_ca)
        if self.insecure_network or is_loopback(host) or (self.tls and known_callers):
            return
        missing = [] if self.tls else ["encryption (--tls-cert and --tls-key)"]
        if not known_callers:
            missing.append("callers that are known (--tokens or --tls-client-ca)")
        raise ValueError(
            f"address: beyond this machine, expected {' and '.join(missing)}. Received: "
            f"{self.address} without. Where the network itself is safe, for instance behind a "
            "proxy that does both, say --insecure-network"
        )


def _host(setting: str, address: str) -> str:
    host, separator, port = address.rpartition(":")
    if not (host and separator and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(
            f"{setting}: expected HOST:PORT, e.g. 127.0.0.1:50051. Received: {address!r}"
        )
    return host


def is_unix(address: str) -> bool:
    """Whether an address is the path of a Unix socket, as clients write it too."""
    return address.startswith("unix:") and len(address) > len("unix:")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class ModelRootOptions:
    """Which models are served.

    Attributes:
        default_model: Name of the model that calls without a name mean; empty means the
            only one there is.
        keep_versions: How many versions of each model are served, the newest first.
        poll_seconds: Seconds between scans of the folder; 0 scans once.
        wait_for_model: Whether a server starts without a model, and waits for the first one.
        required_key: File of the public key whose signature each version must carry; None means
            that none is asked for.

    Raises:
        ValueError: A setting is outside its range.
    """

    default_model: str = ""
    # Callers compare scores of one version; a second one costs its memory again.
    keep_versions: int = 1
    # A scan costs a millisecond; a model that is there a few seconds later disturbs nobody.
    poll_seconds: float = 5.0
    # A wrong path is told at once; waiting is for volumes that are filled beside the server.
    wait_for_model: bool = False
    # Whoever can write to the folder decides what is served, unless somebody else must vouch.
    required_key: Path | None = None

    def __post_init__(self) -> None:
        if self.keep_versions < 1:
            raise ValueError(f"keep_versions: expected at least 1. Received: {self.keep_versions}")
        if self.poll_seconds < 0:
            raise ValueError(f"poll_seconds: expected 0 or more. Received: {self.poll_seconds}")
        if self.wait_for_model and not self.poll_seconds:
            raise ValueError("wait_for_model: expected poll_seconds above 0. Received: 0")


def describe(*settings: ServerConfig | ModelRootOptions) -> str:
    """Settings in one line; they name files and hold no secret."""
    return " ".join(
        f"{setting.name}={getattr(group, setting.name)}"
        for group in settings
        for setting in fields(group)
    )
