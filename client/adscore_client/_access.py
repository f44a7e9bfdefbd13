"""Who calls, and over what: TLS and tokens."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias

from adscore_client._address import Target

TOKEN_VARIABLE = "ADSCORE_TOKEN"  # noqa: S105 - the name of a variable

Token: TypeAlias = str | Callable[[], str]

_TOKEN = re.compile(r"[!-~]+")  # what a header carries, without white space


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
