"""The settings of a server."""

import ipaddress
import math
from dataclasses import dataclass, field, fields
from pathlib import Path

from adscore.cores import usable_cores


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of the certificates, all in PEM form.

    Attributes:
        certificate: The server's certificate, followed by its intermediate ones.
        key: The key of the server's certificate, without a passphrase.
        client_ca: Authorities that sign client certificates; None accepts clients without one.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def __str__(self) -> str:
        """The names of the files."""
        return ",".join(str(path) for path in (self.certificate, self.key, self.client_ca) if path)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """How the server detects a client that vanished without closing its connection.

    Otherwise its streams would hold their places for hours. Connections without calls are not
    probed.

    Attributes:
        silence_seconds: Silence after which a client with a call in flight is pinged.
        answer_seconds: How long the client may take to answer before its connection is closed. The
            answer queues behind what the client is sending, which takes time on a slow link.
    """

    silence_seconds: float = 60.0
    answer_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server listens and how much work it accepts at once.

    Attributes:
        address: HOST:PORT to listen on, port 0 meaning any free one; or unix:PATH.
        max_message_bytes: Largest request accepted, in bytes.
        max_batch_creatives: Largest number of creatives in one BatchScore.
        threads: Calls held at once, plus `max_waiting_calls`; they queue until a core is free.
            Streams, explanations and checks have their own limits.
        max_waiting_calls: Further calls held; calls beyond both are refused at once.
        max_batch_bytes: Bytes of decoded images that are scored before another is decoded.
        max_streams: Maximum number of open streams.
        max_headline_characters: Longest headline accepted, where the model's own limit is not
            lower; None leaves it at that.
        max_image_bytes: Largest encoded image accepted, likewise.
        max_image_pixels: Maximum number of pixels of an image, likewise.
        decode_threads: Threads that decode and score, for calls with many creatives.
        cache_bytes: Memory, in bytes, to cache what each model computed of headlines and images; 0
            turns the cache off.
        drain_seconds: How long calls in flight may take to finish when the server stops.
        reflection: Whether the server describes its services to tools such as grpcurl.
        tls: Certificates for encrypted connections; None means plain text.
        tokens: File of the tokens that callers must send; None requires none.
        creatives_per_second: Maximum creatives a second for each token, or for all callers together
            without tokens; None means no limit.
        health_address: HOST:PORT that answers only health checks, in plain text; empty means that
            `address` alone does.
        metrics_address: HOST:PORT of the metrics page, over plain HTTP; empty means none.
        otel: Whether to trace calls with OpenTelemetry, configured by its own variables.
        reuse_port: Whether other processes may also listen at the address, each with a share of
            the connections; see `workers`.
        insecure_network: Whether to allow an address beyond this machine without encryption, or
            without tokens or client certificates.

    Raises:
        ValueError: A setting is outside its range.
    """

    # Loopback: opening the server to a network must be a deliberate choice.
    address: str = "127.0.0.1:50051"
    # Fits a full-size image of 10 MiB, or about a hundred banners in a batch.
    max_message_bytes: int = 16 * 1024 * 1024
    # As the contract says; typical banners reach the message limit first.
    max_batch_creatives: int = 1_000
    # Calls wait for a core rather than share it; this many make full batches on two cores.
    threads: int = 32
    # With `threads`, enough for 64 callers that send one call after another; a longer queue only
    # adds latency. Under pressure the limit drops, see `calls.admission.PressureLimit`.
    max_waiting_calls: int = 32
    # About a hundred images at the largest encoders' size; `threads` is usually reached first.
    max_batch_bytes: int = 64 * 1024 * 1024
    # An open stream holds a thread and a few requests, busy or not.
    max_streams: int = 32
    # The model sets its own limits; low memory may need lower ones, at up to 20 bytes a pixel.
    max_headline_characters: int | None = None
    max_image_bytes: int | None = None
    max_image_pixels: int | None = None
    # Pillow releases the GIL, so every core can decode.
    decode_threads: int = field(default_factory=usable_cores)
    # 60,000 images and headlines of the default preset; entries hold neither pixels nor image text.
    cache_bytes: int = 64 * 1024 * 1024
    # Below the 30 seconds that Kubernetes waits before SIGKILL.
    drain_seconds: float = 20.0
    # The contract is public; an operator can still switch it off.
    reflection: bool = True
    # On one machine, people start with plain text and no tokens; see `insecure_network`.
    tls: TlsFiles | None = None
    tokens: Path | None = None
    # The bounded queue already sheds what the server cannot handle.
    creatives_per_second: float | None = None
    # Kubernetes cannot probe over TLS.
    health_address: str = ""
    # No open port unless someone scrapes it.
    metrics_address: str = ""
    # Needs an extra and a span collector.
    otel: bool = False
    # Two servers started on one port by mistake would share its calls unnoticed.
    reuse_port: bool = False
    # A service that anyone can call or eavesdrop on must be a deliberate choice.
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
        """Raises ValueError if strangers could call the server or read its traffic."""
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
    """Whether an address names a Unix socket, in the form that clients use too."""
    return address.startswith("unix:") and len(address) > len("unix:")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class ModelRootOptions:
    """Which models are served.

    Attributes:
        default_model: Name of the model for calls that do not name one; empty means the only
            model.
        keep_versions: How many versions of each model are served, newest first.
        poll_seconds: Seconds between scans of the folder; 0 scans once.
        wait_for_model: Whether a server starts without a model and waits for the first one.
        required_key: File of the public key that must have signed each version; None accepts
            unsigned ones.

    Raises:
        ValueError: A setting is outside its range.
    """

    default_model: str = ""
    # Callers compare scores of one version; a second version doubles the memory.
    keep_versions: int = 1
    # A scan costs a millisecond, and a delay of a few seconds for a new model is harmless.
    poll_seconds: float = 5.0
    # Off, so that a wrong path fails at once; waiting suits volumes filled while the server runs.
    wait_for_model: bool = False
    # Without a key, anyone who can write to the folder decides what is served.
    required_key: Path | None = None

    def __post_init__(self) -> None:
        if self.keep_versions < 1:
            raise ValueError(f"keep_versions: expected at least 1. Received: {self.keep_versions}")
        if self.poll_seconds < 0:
            raise ValueError(f"poll_seconds: expected 0 or more. Received: {self.poll_seconds}")
        if self.wait_for_model and not self.poll_seconds:
            raise ValueError("wait_for_model: expected poll_seconds above 0. Received: 0")


def describe(*settings: ServerConfig | ModelRootOptions) -> str:
    """The settings in one line; contains file names but no secrets."""
    return " ".join(
        f"{setting.name}={getattr(group, setting.name)}"
        for group in settings
        for setting in fields(group)
    )
