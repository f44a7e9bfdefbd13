"""What a channel is opened with: encryption, tokens, and gRPC's own settings."""

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

_TOKEN = re.compile(r"[!-~]+")  # what a header carries, without white space

SCORING = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name
MODELS = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

_CHECKS = frozenset(check_pb2.DESCRIPTOR.services_by_name["CheckService"].methods_by_name)

# Health.Check is one field each way, too little for a dependency of its own: a request
# without a service asks for the whole server, and the answer's first field is its status.
_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


@dataclass(frozen=True, slots=True)
class Tls:
    """How the connection is encrypted. All files are PEM.

        Client("scores.example.com:443", tls=True)                  # a public certificate
        Client("10.0.0.7:50051", tls=Tls(ca_file="ca.pem", server_name="scores"))

    Attributes:
        ca_file: Certificates that the server's must come from; None for the public ones.
        certificate_file: This client's own certificate, for a server that asks for one (mTLS).
        key_file: The private key of ``certificate_file``.
        server_name: Name that the server's certificate is for; None where it is the address's.
    """

    ca_file: str | PathLike[str] | None = None
    certificate_file: str | PathLike[str] | None = None
    key_file: str | PathLike[str] | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the files of a ``Tls`` hold, with the names that gRPC has for them."""

    root_certificates: bytes | None
    private_key: bytes | None
    certificate_chain: bytes | None


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """All that is needed to open a channel, and nothing of gRPC's own yet.

    A process may fork once it has its client: gRPC must not have been started by then.

    Attributes:
        target: Where the servers are.
        max_message_bytes: Limit of an answer. Requests are measured before they are sent.
        certificates: What to encrypt with; None for no encryption.
        server_name: Name that the server's certificate is for; empty where it is the target's.
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
        """Opens one for calls of the running event loop."""
        options = self.options(service)
        if self.certificates is None:
            return grpc.aio.insecure_channel(self.target.uri, options=options)
        credentials = grpc.ssl_channel_credentials(**asdict(self.certificates))
        return grpc.aio.secure_channel(self.target.uri, credentials, options=options)

    def options(self, service: str) -> list[tuple[str, Any]]:
        """Returns the settings as gRPC names them."""
        # Calls go to all servers in turn, and to none on which the service is not serving.
        service_config = {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": service},
        }
        options: list[tuple[str, Any]] = [
            ("grpc.service_config", json.dumps(service_config)),
            # Calls are made again by _calls.py: gRPC gives up after five attempts.
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            # By default a lost server is looked for ever more rarely, up to every 2 minutes, and
            # calls fail at once meanwhile; one that restarts should be found within seconds.
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # Else all channels of a process to one address share that waiting time, so that a
            # new client fails because an old one did.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.target.is_local:
            # gRPC would ask the proxy of the environment for this very machine.
            options.append(("grpc.enable_http_proxy", 0))
        if self.server_name:
            options.append(("grpc.ssl_target_name_override", self.server_name))
        elif self.target.authority:
            options.append(("grpc.default_authority", self.target.authority))
        return options


def service_to_watch(method: str) -> str:
    """Returns the service that must serve on a server for a call of a method to go there.

    Checks need no model, and neither does ModelService, which unlike CheckService is on servers of
    every version: one that cannot check says so.
    """
    return MODELS if method in _CHECKS else SCORING


def bind_methods(channel: Any) -> dict[str, Any]:
    """Returns what calls each method, by the method's name.

    Args:
        channel: Of ``grpc`` or of ``grpc.aio``.
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
    """Returns what to encrypt with; None for no encryption.

    Raises:
        TypeError: It is neither Tls nor bool.
        ValueError: Certificate and key do not come together, or a name is missing.
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
    """Returns what gives the token of each call; None where there is none.

    Args:
        token: What the caller passed; None means the environment's, ``""`` none.
        target: Where it would be sent.
        is_encrypted: Whether the connection is.
        allow_plaintext: Whether the caller wants the token sent over any connection.

    Raises:
        TypeError: It is neither str nor callable.
        ValueError: It holds what a header cannot, or would be read by others on its way.
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
    """Returns the token; one that is refused is never quoted."""
    if not isinstance(token, str):
        raise TypeError(f"token: expected str. Received: {type(token).__name__}")
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            "token: expected printable ASCII characters without white space. Received: "
            f"{len(token)} characters, some of them others"
        )
    return token
