"""TLS: certificates that may be renewed while the server runs, and clients that show their own."""

import logging
import ssl
import threading
from pathlib import Path

import grpc

from adscore_server.access.watched_files import WatchedFiles
from adscore_server.config import TlsFiles
from adscore_server.errors import StartError

_logger = logging.getLogger(__name__)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Makes credentials that read the files again, once they change, at the next handshake.

    Files that are no good then leave the certificates as they were, with an error in the log, and
    are read again at each handshake until they are good.

    Raises:
        StartError: The files are no good now.
    """
    certificates = _Certificates(files)
    return grpc.dynamic_ssl_server_credentials(
        certificates.first,
        certificates.renewed,  # type: ignore[arg-type]  # None means unchanged; stubs lack that
        require_client_authentication=files.client_ca is not None,
    )


class _Certificates:
    """The certificates of a server; gRPC asks for them from several threads."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._watched = WatchedFiles([path for path in _paths(files) if path])
        self._lock = threading.Lock()
        self._told = ""
        try:
            self.first = self._read()
        except (OSError, ValueError) as error:
            raise StartError(_unusable(error)) from error

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The files' contents, where they have changed and are good."""
        with self._lock:
            if self._watched.change() is None:
                return None
            try:
                renewed = self._read()
            except (OSError, ValueError) as error:
                problem = _unusable(error)
                if problem != self._told:
                    _logger.error("%s. The certificates stay as they were", problem)
                self._told = problem
                return None
            self._told = ""
        _logger.info("Read the certificates again: %s", self._files.certificate)
        return renewed

    def _read(self) -> grpc.ServerCertificateConfiguration:
        # Looked at before the files are read: what changes meanwhile is then seen as a change.
        change = self._watched.change()
        certificates = _read(self._files)
        if change is not None:
            self._watched.was_read(change)
        return certificates


def _paths(files: TlsFiles) -> tuple[Path, Path, Path | None]:
    return files.certificate, files.key, files.client_ca


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    # gRPC takes whatever it is given and then fails every handshake.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without a passphrase to give, an encrypted key would be asked for at the terminal.
    context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    if files.client_ca:
        context.load_verify_locations(files.client_ca)
    return grpc.ssl_server_certificate_configuration(
        [(files.key.read_bytes(), files.certificate.read_bytes())],
        root_certificates=files.client_ca.read_bytes() if files.client_ca else None,
    )


def _unusable(error: Exception) -> str:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    name = getattr(error, "filename", None)
    return (
        "--tls-cert, --tls-key, --tls-client-ca: expected PEM files, with a key that fits the "
        f"certificate and has no passphrase. Received: {f'{name}: ' if name else ''}{cause}"
    )
