"""The settings of a channel: encryption, tokens, and gRPC's own options."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, TypeAlias

import grpc
import grpc.aio

from adscore_client._address import Target
from adscore_protos.v1 import (
    check_pb2,
    check_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)

TOKEN_VARIABLE = "ADSCORE_TOKEN"  # noqa: S105 - the name of a variable

Token: TypeAlias = str | Callable[[], str]

_TOKEN = re.compile(r"[!-~]+")  # the characters of a header, without white space

SCORING = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name
MODELS = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

_CHECKS = frozenset(check_pb2.DESCRIPTOR.services_by_name["CheckService"].methods_by_name)

# Health.Check has one field each way, too little to justify a dependency: a request without a
# service asks for the whole server, and the first field of the answer is its status.
_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


@dataclass(frozen=True, slots=True)
class Tls:
    """How the connection is encrypted. All files are PEM.

        Client("scores.example.com:443", tls=True)                  # a public certificate
        Client("10.0.0.7:50051", tls=Tls(ca_file="ca.pem", server_name="scores"))

    Attributes:
        ca_file: CA certificates to trust; None for the public ones.
        certificate_file: This client's own certificate, for a server that asks for one (mTLS).
        key_file: The private key of ``certificate_file``.
        server_name: Name in the server's certificate; None if it is the name in the address.
    """

    ca_file: str | PathLike[str] | None = None
    certificate_file: str | PathLike[str] | None = None
    key_file: str | PathLike[str] | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Certificates:
    """The contents of the files of a ``Tls``, under gRPC's names."""

    root_certificates: bytes | None
    private_key: bytes | None
    certificate_chain: bytes | None


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """All that is needed to open a channel, without any gRPC object.

    A process may fork after it creates its client, so gRPC must not have started by then.

    Attributes:
        target: Where the servers are.
        max_message_bytes: Limit of an answer. Requests are measured before they are sent.
        certificates: Certificates for encryption; None for plain text.
        server_name: Name in the server's certificate; empty if it is the target's.
    """

    target: Target
    max_message_bytes: int
    certificates: Certificates | None = None
    server_name: str = ""

    def open(self, service: str) -> grpc.Channel:
        """Opens a channel for calls that block, to servers on which a service serves."""
        options = self.options(service)
        if self.certificates is None:
            return grpc.insecure_channel(self.target.uri, options=options)
        credentials = grpc.ssl_channel_credentials(**asdict(self.certificates))
        return grpc.secure_channel(self.target.uri, credentials, options=options)

    def open_async(self, service: str) -> grpc.aio.Channel:
        """Opens a channel for calls in the running event loop."""
        options = self.options(service)
        if self.certificates is None:
            return grpc.aio.insecure_channel(self.target.uri, options=options)
        credentials = grpc.ssl_channel_credentials(**asdict(self.certificates))
        return grpc.aio.secure_channel(self.target.uri, credentials, options=options)

    def options(self, service: str) -> list[tuple[str, Any]]:
        """Returns the settings as gRPC names them."""
        # Calls go round-robin to the servers on which the service is serving.
        service_config = {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": service},
        }
        options: list[tuple[str, Any]] = [
            ("grpc.service_config", json.dumps(service_config)),
            # _calls.py retries calls itself, since gRPC gives up after five attempts.
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            # By default gRPC backs off from a lost server up to 2 minutes, and calls fail at once
            # meanwhile; a server that restarts should be found within seconds.
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # Otherwise all channels of a process to one address share this backoff, so that a new
            # client fails because an old one did.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.target.is_local:
            # Otherwise gRPC would connect to this machine through the environment's proxy.
            options.append(("grpc.enable_http_proxy", 0))
        if self.server_name:
            options.append(("grpc.ssl_target_name_override", self.server_name))
        elif self.target.authority:
            options.append(("grpc.default_authority", self.target.authority))
        return options


def service_to_watch(method: str) -> str:
    """Returns the service that must be serving on a server to receive calls of a method.

    For checks this is ModelService: it needs no model either, and unlike CheckService it exists on
    servers of every version. One that cannot check says so.
    """
    return MODELS if method in _CHECKS else SCORING


def bind_methods(channel: Any) -> dict[str, Any]:
    """Returns the callable for each method, by the method's name.

    Args:
        channel: A channel of ``grpc`` or ``grpc.aio``.
    """
    return {
        **vars(scoring_pb2_grpc.ScoringServiceStub(channel)),
        **vars(model_pb2_grpc.ModelServiceStub(channel)),
        **vars(check_pb2_grpc.CheckServiceStub(channel)),
        "HealthCheck": channel.unary_unary(_HEALTH_CHECK),
    }


def is_serving(health: bytes) -> bool:
    """Says whether an answer of Health.Check means that calls are served."""
    return health == _SERVING


# === Access ===


def check_tls(tls: Tls | bool, target: Target) -> Tls | None:
    """Returns the settings of encryption; None for plain text.

    Raises:
        TypeError: It is neither Tls nor bool.
        ValueError: Only one of certificate and key is given, or a name is missing.
    """
    if not isinstance(tls, Tls | bool):
        raise TypeError(f"tls: expected Tls, True or False. Received: {tls!r:.80}")
    if tls is False:
        return None
    checked = Tls() if tls is True else tls
    if (checked.certificate_file is None) != (checked.key_file is None):
        raise ValueError("tls: expected certificate_file and key_file. Received: one of the two")
    if target.authority and not checked.server_name:
        raise ValueError(
            "tls: expected Tls(server_name=...) beside a list of addresses, the name that the "
            f"certificates are for. Received: {checked!r}"
        )
    return checked


def read_certificates(tls: Tls) -> Certificates:
    """Reads the files.

    Raises:
        ValueError: One cannot be read.
    """
    return Certificates(
        root_certificates=_read(tls.ca_file, "ca_file"),
        private_key=_read(tls.key_file, "key_file"),
        certificate_chain=_read(tls.certificate_file, "certificate_file"),
    )


def _read(path: str | PathLike[str] | None, name: str) -> bytes | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the path may be any os.PathLike
            return file.read()
    except OSError as exc:
        raise ValueError(
            f"tls: expected a readable PEM file as {name}. Received: {os.fspath(path)!r}: "
            f"{exc.strerror}"
        ) from exc


def token_source(
    token: Token | None, target: Target, *, is_encrypted: bool, allow_plaintext: bool
) -> Callable[[], str] | None:
    """Returns a function that gives the token of each call; None without a token.

    Args:
        token: The caller's argument; None means the environment's token, ``""`` none.
        target: Where it would be sent.
        is_encrypted: Whether the connection is encrypted.
        allow_plaintext: Whether the caller allows the token on any connection.

    Raises:
        TypeError: It is neither str nor callable.
        ValueError: It has characters that a header cannot carry, or would cross the network in
            plain text.
    """
    if token is None:
        token = os.environ.get(TOKEN_VARIABLE, "")
    if not isinstance(token, str) and not callable(token):
        raise TypeError(
            f"token: expected str or a callable that returns one. Received: {type(token).__name__}"
        )
    if token == "":
        return None
    if not (is_encrypted or target.is_local or allow_plaintext):
        raise ValueError(
            f"token: expected an encrypted connection to {target.name}, so that nobody reads the "
            "token on its way. Received: tls=False. Pass tls=True, or allow_plaintext_token=True "
            "where something else encrypts"
        )
    if isinstance(token, str):
        checked = _check_token(token)
        return lambda: checked
    return lambda: _check_token(token())


def _check_token(token: object) -> str:
    """Returns the token; errors never quote it."""
    if not isinstance(token, str):
        raise TypeError(f"token: expected str. Received: {type(token).__name__}")
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            "token: expected printable ASCII characters without white space. Received: "
            f"{len(token)} characters, some of them others"
        )
    return token
