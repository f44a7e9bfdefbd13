"""TLS: certificates that may be renewed while the server runs, and client certificates."""

import logging
import re
import ssl
import threading
import time
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc

from adscore_server.access.watched_files import WatchedFiles, read_file
from adscore_server.config import TlsFiles
from adscore_server.errors import StartError

# Longer than a renewal or a shortage of open files lasts, and short enough for a removed authority
# to be still trusted.
_GRACE_SECONDS = 60.0
_MAX_BYTES = 4 * 1024 * 1024  # all authorities of a system are 0.3 MB

# Signs for no one: its key was thrown away, and it expired in 2000. gRPC accepts no empty list of
# authorities, and keeps the last list if given none.
_NOBODY = b"""-----BEGIN CERTIFICATE-----
MIIBJzCBzaADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBm5vYm9keTAe
Fw05OTAxMDEwMDAwMDBaFw0wMDAxMDEwMDAwMDBaMBExDzANBgNVBAMMBm5vYm9k
eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLtGVC6ZL68n/nZW88USHetpvfwZ
D4CCCb4+jTN+KYctxH75Hm6zthQ3uXUXxUGsHAjRF5N8a+Il+ogJNOnEvgCjFjAU
MBIGA1UdEwEB/wQIMAYBAf8CAQAwCgYIKoZIzj0EAwIDSQAwRgIhAKhESqs+ppr/
Yzddlk0MZ9Btrmudt2HNJJJQ2Zf+ryTYAiEA//tfoqzzMrVNLzGTXPUlZiVUVUbn
5AE1OlHvg7NCk2Y=
-----END CERTIFICATE-----
"""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17  # ASN.1 tags

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Contents:
    """The contents of the files that are in use.

    Attributes:
        key: PEM.
        certificate: PEM.
        client_ca: PEM; None where clients need no certificate.
    """

    key: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    client_ca: bytes | None = field(default=None, repr=False)

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(self.key, self.certificate)], root_certificates=self.client_ca
        )


class Certificates:
    """The certificates of a server; gRPC requests them from several threads.

    When the files change, they are reloaded at the next handshake, and at each further one until
    that works. Until then the log has the error, and the server keeps its own certificate. It keeps
    the client authorities for a minute, then accepts no client: one of them may have been removed.

    Args:
        files: The files.
        clock: Monotonic seconds.

    Raises:
        StartError: The files are invalid now.
    """

    def __init__(self, files: TlsFiles, clock: Callable[[], float] = time.monotonic) -> None:
        self._files, self._clock = files, clock
        paths = (files.certificate, files.key, files.client_ca)
        self._watched = WatchedFiles([path for path in paths if path])
        self._lock = threading.Lock()
        self._told = ""
        self._failing_since: float | None = None
        self._lacks_authorities = False
        change = self._watched.change()
        try:
            self._read = self._used = _Contents(*_read_pair(files), _read_authorities(files))
        except (OSError, ValueError) as error:
            raise StartError(_unusable(error)) from error
        if change is not None:
            self._watched.was_read(change)
        self._warn_of_expired()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow changes of the files at the next handshake."""
        return grpc.dynamic_ssl_server_credentials(
            self._used.configuration(),
            self._renewed,  # type: ignore[arg-type]  # None means unchanged; stubs lack that
            require_client_authentication=self._files.client_ca is not None,
        )

    @property
    def expiries(self) -> Mapping[str, float]:
        """When the first of the certificates in each file expires, in seconds since 1970.

        Keys are `certificate` and `client_ca`; a file whose dates cannot be read is left out.
        """
        found = {
            "certificate": earliest_expiry(self._read.certificate),
            "client_ca": earliest_expiry(self._read.client_ca or b""),
        }
        return {name: seconds for name, seconds in found.items() if seconds is not None}

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration if the files have changed, else None."""
        with self._lock:
            change = self._watched.change()
            if change is None and self._failing_since is None:
                return None
            problem = self._read_again()
            if problem:
                now_used = self._fallen_back(problem)
            else:
                self._failing_since, self._told = None, ""
                if change is not None:
                    self._watched.was_read(change)
                now_used = self._read
            if now_used == self._used:
                return None
            self._used = now_used
        if not problem:
            _logger.info("Read the certificates again: %s", self._files.certificate)
            self._warn_of_expired()
        return now_used.configuration()

    def _read_again(self) -> str:
        """Reads what can be read and returns what is wrong; empty if nothing is."""
        problem, key, certificate = "", self._read.key, self._read.certificate
        client_ca, self._lacks_authorities = self._read.client_ca, False
        try:
            key, certificate = _read_pair(self._files)
        except (OSError, ValueError) as error:
            problem = f"{_unusable(error)}. The server's certificate stays as it was"
        try:
            client_ca = _read_authorities(self._files)
        except (OSError, ValueError) as error:
            self._lacks_authorities = True
            problem = _unusable(error)
        self._read = _Contents(key, certificate, client_ca)
        return problem

    def _fallen_back(self, problem: str) -> _Contents:
        now, contents = self._clock(), self._read
        if self._failing_since is None:
            self._failing_since = now
        if self._lacks_authorities:
            if now - self._failing_since < _GRACE_SECONDS:
                problem += f". Clients are let in as before for {_GRACE_SECONDS:g} s at most"
            else:
                problem += ". No client is let in: an authority may have been removed"
                contents = _Contents(contents.key, contents.certificate, _NOBODY)
        if problem != self._told:
            _logger.error("%s", problem)
        self._told = problem
        return contents

    def _warn_of_expired(self) -> None:
        names = {"certificate": self._files.certificate, "client_ca": self._files.client_ca}
        for name, seconds in self.expiries.items():
            if seconds < time.time():
                day = time.strftime("%Y-%m-%d", time.gmtime(seconds))
                _logger.warning(
                    "%s: expected certificates that are valid. Received: one that expired on %s. "
                    "Clients that check it cannot connect; renew it, the server reads it again",
                    names[name],
                    day,
                )


def _read_pair(files: TlsFiles) -> tuple[bytes, bytes]:
    """Reads key and certificate.

    Raises:
        OSError: A file cannot be read.
        ValueError: They do not belong together (`ssl.SSLError` is an OSError).
    """
    key, certificate = (read_file(path, _MAX_BYTES) for path in (files.key, files.certificate))
    # gRPC accepts anything and then fails every handshake, so OpenSSL checks the pair first.
    # Without the password argument, it would prompt for an encrypted key's passphrase.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        files.certificate, files.key, password=lambda: ""
    )
    return key, certificate


def _read_authorities(files: TlsFiles) -> bytes | None:
    if files.client_ca is None:
        return None
    pem = read_file(files.client_ca, _MAX_BYTES)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(files.client_ca)
    return pem


def _unusable(error: Exception) -> str:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    name = getattr(error, "filename", None)
    return (
        "--tls-cert, --tls-key, --tls-client-ca: expected PEM files, with a key that fits the "
        f"certificate and has no passphrase. Received: {f'{name}: ' if name else ''}{cause}"
    )


# === Expiry of certificates: Python's ssl cannot read it from a file ===


def earliest_expiry(pem: bytes) -> float | None:
    """When the first of some certificates expires; None if no date can be read.

    Args:
        pem: Certificates in PEM form, perhaps among other text.

    Returns:
        Seconds since 1970.
    """
    expiries = []
    for found in _PEM.findall(pem.decode("ascii", "replace")):
        try:
            expiries.append(_expiry(ssl.PEM_cert_to_DER_cert(found)))
        except (ValueError, IndexError):
            continue
    return min(expiries, default=None)


def _expiry(der: bytes) -> float:
    """`notAfter` of a certificate (RFC 5280, 4.1): the second date of its validity."""
    _, body, _ = _element(der, 0)  # Certificate
    _, start, _ = _element(der, body)  # TBSCertificate
    kind, _, end = _element(der, start)
    fields = 4 if kind == _VERSION else 3  # (version,) serialNumber, signature, issuer
    for _ in range(fields - 1):
        _, _, end = _element(der, end)
    _, not_before, _ = _element(der, end)
    _, _, not_after = _element(der, not_before)
    kind, start, end = _element(der, not_after)
    text = der[start:end].decode("ascii")
    if kind == _UTC_TIME:  # two digits of the year, from 1950 on
        text = ("20" if text < "50" else "19") + text
    return timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag of an element, and where its contents start and end."""
    kind, size, start = der[at], der[at + 1], at + 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[at + 2 : start], "big")
    return kind, start, start + size
