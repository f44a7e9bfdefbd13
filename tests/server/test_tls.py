"""TLS and certificates of clients, on live servers with certificates made for the test."""

import dataclasses
import datetime
import errno
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from adscore_protos.v1 import model_pb2, model_pb2_grpc
from adscore_server.access import tls
from adscore_server.access.tls import Certificates as ServerCertificates
from adscore_server.access.tls import earliest_expiry
from adscore_server.config import ServerConfig, TlsFiles
from adscore_server.errors import StartError
from adscore_server.monitoring.metrics import ServerCollector


class Certificates:
    """A server's certificate files, and the authority that vouches for them."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.files = TlsFiles(folder / "server.pem", folder / "server.key")
        self.client_ca = folder / "clients.pem"
        self.renew()

    def renew(self) -> None:
        """Writes a certificate of the authority of the day, as a renewal would."""
        made = self.authority.issue_cert("localhost", "127.0.0.1")
        made.private_key_pem.write_to_path(self.files.key)
        self.files.certificate.write_bytes(b"".join(p.bytes() for p in made.cert_chain_pems))

    @property
    def roots(self) -> bytes:
        return self.authority.cert_pem.bytes()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def _serve(start_server: Any, scorer: Any, files: TlsFiles) -> str:
    return start_server(scorer, config=ServerConfig(address="127.0.0.1:0", tls=files)).address


def _call(address: str, credentials: grpc.ChannelCredentials) -> Any:
    # A pool of its own: connections of other channels to this address would be used again.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(address, credentials, options=options) as channel:
        stub = model_pb2_grpc.ModelServiceStub(channel)
        return stub.ListModels(model_pb2.ListModelsRequest(), timeout=20)


def _refused(address: str, credentials: grpc.ChannelCredentials) -> bool:
    with pytest.raises(grpc.RpcError) as caught:
        _call(address, credentials)
    error: Any = caught.value
    return error.code() is grpc.StatusCode.UNAVAILABLE


def test_client_that_trusts_the_authority_is_answered(
    start_server: Any, scorer: Any, certificates: Certificates
) -> None:
    address = _serve(start_server, scorer, certificates.files)
    assert _call(address, grpc.ssl_channel_credentials(certificates.roots)).models


def test_client_of_plain_text_or_of_another_authority_is_not(
    start_server: Any, connect: Any, scorer: Any, certificates: Certificates
) -> None:
    address = _serve(start_server, scorer, certificates.files)
    assert _refused(address, grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes()))
    with pytest.raises(grpc.RpcError):
        connect(address).models.ListModels(model_pb2.ListModelsRequest(), timeout=5)


def test_client_needs_a_certificate_where_an_authority_is_named(
    start_server: Any, scorer: Any, certificates: Certificates
) -> None:
    clients, strangers = trustme.CA(), trustme.CA()
    clients.cert_pem.write_to_path(certificates.client_ca)
    files = TlsFiles(certificates.files.certificate, certificates.files.key, certificates.client_ca)
    address = _serve(start_server, scorer, files)
    known, stranger = (ca.issue_cert("client") for ca in (clients, strangers))

    def credentials(one: trustme.LeafCert) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            certificates.roots, one.private_key_pem.bytes(), one.cert_chain_pems[0].bytes()
        )

    assert _call(address, credentials(known)).models
    assert _refused(address, credentials(stranger))
    assert _refused(address, grpc.ssl_channel_credentials(certificates.roots))


def test_renewed_certificate_is_used_without_a_restart(
    start_server: Any, scorer: Any, certificates: Certificates
) -> None:
    address = _serve(start_server, scorer, certificates.files)
    old_roots = certificates.roots
    certificates.authority = trustme.CA()
    certificates.renew()
    assert _call(address, grpc.ssl_channel_credentials(certificates.roots)).models
    assert _refused(address, grpc.ssl_channel_credentials(old_roots))


def test_broken_renewal_leaves_the_certificate_as_it_was(
    start_server: Any, scorer: Any, certificates: Certificates
) -> None:
    address = _serve(start_server, scorer, certificates.files)
    other = trustme.CA().issue_cert("localhost")
    other.private_key_pem.write_to_path(certificates.files.key)  # fits no certificate there
    assert _call(address, grpc.ssl_channel_credentials(certificates.roots)).models


def test_renewal_that_could_not_be_read_at_first_is_tried_at_the_next_handshake(
    start_server: Any, scorer: Any, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = _serve(start_server, scorer, certificates.files)
    old_roots = certificates.roots
    certificates.authority = trustme.CA()
    certificates.renew()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(ssl.SSLContext, "load_cert_chain", fail)
        assert _call(address, grpc.ssl_channel_credentials(old_roots)).models
    assert _call(address, grpc.ssl_channel_credentials(certificates.roots)).models
    assert _refused(address, grpc.ssl_channel_credentials(old_roots))


class Clock:
    """A clock that a test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def _remove(path: Path) -> None:
    path.unlink()


def _turn_to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [_remove, _turn_to_pipe])
def test_no_client_is_let_in_once_the_authorities_could_not_be_read_for_a_minute(
    certificates: Certificates, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    pem = certificates.authority.cert_pem
    pem.write_to_path(certificates.client_ca)
    files = dataclasses.replace(certificates.files, client_ca=certificates.client_ca)
    clock = Clock()
    used = ServerCertificates(files, clock)
    authorities = lambda: used._used.client_ca  # noqa: E731
    assert authorities() == pem.bytes()
    spoil(certificates.client_ca)
    for seconds in (0, 59):
        clock.seconds = seconds
        assert used._renewed() is None
    assert "Clients are let in as before for 60 s at most" in caplog.text
    clock.seconds = 61
    assert used._renewed() is not None
    assert authorities() not in (None, pem.bytes())
    assert "No client is let in" in caplog.text
    assert used._renewed() is None
    certificates.client_ca.unlink(missing_ok=True)
    pem.write_to_path(certificates.client_ca)
    assert used._renewed() is not None
    assert authorities() == pem.bytes()


def test_authority_that_was_removed_counts_no_more_though_the_certificate_cannot_be_read(
    certificates: Certificates,
) -> None:
    first, second = trustme.CA().cert_pem.bytes(), trustme.CA().cert_pem.bytes()
    certificates.client_ca.write_bytes(first + second)
    files = dataclasses.replace(certificates.files, client_ca=certificates.client_ca)
    used = ServerCertificates(files)
    certificates.files.certificate.unlink()
    certificates.client_ca.write_bytes(second)
    assert used._renewed() is not None
    assert used._used.client_ca == second


def test_client_is_refused_where_no_authority_counts(
    start_server: Any, scorer: Any, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_GRACE_SECONDS", 0.0)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(certificates.client_ca)
    files = dataclasses.replace(certificates.files, client_ca=certificates.client_ca)
    address = _serve(start_server, scorer, files)
    client = authority.issue_cert("client")
    credentials = grpc.ssl_channel_credentials(
        certificates.roots, client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    )
    assert _call(address, credentials).models
    certificates.client_ca.unlink()
    assert _refused(address, credentials)
    authority.cert_pem.write_to_path(certificates.client_ca)
    assert _call(address, credentials).models


def test_expired_certificate_is_told_in_log_and_metrics(
    start_server: Any, scorer: Any, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = certificates.authority.issue_cert("localhost", not_after=yesterday)
    made.private_key_pem.write_to_path(certificates.files.key)
    certificates.files.certificate.write_bytes(made.cert_chain_pems[0].bytes())
    config = ServerConfig(address="127.0.0.1:0", tls=certificates.files)
    server = start_server(scorer, config=config)
    assert f"one that expired on {yesterday:%Y-%m-%d}" in caplog.text
    [metric] = [
        one
        for one in ServerCollector(server.statistics).collect()
        if one.name == "adscore_tls_expiry_timestamp_seconds"
    ]
    [sample] = metric.samples
    assert sample.labels == {"file": "certificate"}
    assert abs(sample.value - yesterday.timestamp()) < 1


@pytest.mark.parametrize("year", [2027, 2049, 2050, 3000])
def test_expiry_is_read_from_the_bytes_of_a_certificate(year: int) -> None:
    date = datetime.datetime(year, 2, 28, 23, 59, 58, tzinfo=datetime.UTC)
    pem = trustme.CA().issue_cert("x", not_after=date).cert_chain_pems[0].bytes()
    later = trustme.CA().issue_cert("x", not_after=date.replace(year=year + 1)).cert_chain_pems[0]
    assert earliest_expiry(b"text\n" + later.bytes() + pem) == date.timestamp()
    assert earliest_expiry(pem + tls._NOBODY) == 946_684_800


@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_have_no_expiry(der: bytes) -> None:
    assert isinstance(earliest_expiry(ssl.DER_cert_to_PEM_cert(der).encode()), float | int | None)


def test_server_does_not_start_with_bad_files(certificates: Certificates) -> None:
    files = certificates.files
    with pytest.raises(StartError, match="No such file"):
        ServerCertificates(TlsFiles(files.certificate.with_name("absent"), files.key))
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(files.key)
    with pytest.raises(StartError, match="expected PEM files, with a key that fits"):
        ServerCertificates(files)


def test_key_with_a_passphrase_is_refused_and_not_asked_for(certificates: Certificates) -> None:
    key = serialization.load_pem_private_key(certificates.files.key.read_bytes(), None)
    certificates.files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    with pytest.raises(StartError, match="has no passphrase"):
        ServerCertificates(certificates.files)
