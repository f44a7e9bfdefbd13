"""TLS, certificates of clients and tokens, against live servers."""

import asyncio

import grpc
import pytest
import trustme

from adscore_client import AsyncClient, Client, ServerUnavailableError, Tls
from adscore_client.testing import FakeServer

REMOTE = "scores.example.com:443"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """PEM files: of the authority, and of a client that it knows."""
    folder = tmp_path_factory.mktemp("tls")
    client = authority.issue_cert("client@example.com")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    return folder


@pytest.fixture
def serve_encrypted(serve, authority, score_recorder):
    """Starts an encrypted server whose certificate is for scores.test; returns its address."""

    def start(*, client_ca: bool = False) -> str:
        certificate = authority.issue_cert("scores.test")
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        credentials = grpc.ssl_server_credentials(
            [(certificate.private_key_pem.bytes(), chain)],
            root_certificates=authority.cert_pem.bytes() if client_ca else None,
            require_client_auth=client_ca,
        )
        return serve(credentials=credentials, Score=score_recorder)

    return start


def test_call_is_encrypted_for_a_server_of_a_known_authority(
    serve_encrypted, files, score_recorder
):
    address = serve_encrypted()
    tls = Tls(ca_file=files / "ca.pem", server_name="scores.test")
    with Client(address, tls=tls) as client:
        client.score("headline")
    with Client([address], tls=tls) as client:
        client.score("headline")

    async def score() -> None:
        async with AsyncClient(address, tls=tls) as client:
            await client.score("headline")

    asyncio.run(score())
    assert len(score_recorder.requests) == 3


def unavailable(error):
    return isinstance(error, ServerUnavailableError)


@pytest.mark.parametrize(
    ("tls", "what_to_do"),
    [
        (False, "pass tls=True"),
        (True, r"pass Tls(ca_file=...)"),
        ({"server_name": "scores.test"}, r"pass Tls(ca_file=...)"),
        ({"ca_file": "ca.pem"}, r"pass Tls(server_name=...)"),
    ],
)
def test_server_that_is_not_who_it_should_be_gets_nothing(
    tls, what_to_do, serve_encrypted, files, score_recorder, patiently, failure_of
):
    if isinstance(tls, dict):
        paths = {"ca_file": files / tls["ca_file"]} if "ca_file" in tls else {}
        tls = Tls(**{**tls, **paths})
    attempt = failure_of(serve_encrypted(), tls=tls)
    # Wrong settings are told at once, and others at the deadline.
    error = attempt(60) if tls else patiently(attempt, unavailable)
    assert unavailable(error)
    assert what_to_do in str(error)
    assert ("with TLS" if tls else "without TLS") in str(error)
    assert error.retryable == (not tls)
    assert score_recorder.requests == []


def test_server_without_tls_is_told_at_once(serve, score_recorder):
    client = Client(serve(Score=score_recorder), tls=True, timeout_seconds=60)
    for call in (lambda: client.score("headline"), client.wait_until_ready):
        with pytest.raises(ServerUnavailableError, match="does not use TLS: pass tls=False"):
            call()
    client.close()


def test_client_shows_its_certificate_where_it_is_asked_for(
    serve_encrypted, files, score_recorder, patiently, failure_of
):
    address = serve_encrypted(client_ca=True)
    known = {"ca_file": files / "ca.pem", "server_name": "scores.test"}
    own = {"certificate_file": files / "client.pem", "key_file": files / "client.key"}
    error = patiently(failure_of(address, tls=Tls(**known)), unavailable)
    assert unavailable(error)
    assert "certificate_file=" in str(error)
    with Client(address, tls=Tls(**known, **own)) as client:
        client.score("headline")
    assert len(score_recorder.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"tls": "ca.pem"}, TypeError),
        ({"tls": Tls(certificate_file="client.pem")}, ValueError),
        ({"tls": Tls(key_file="client.key")}, ValueError),
        ({"tls": Tls(ca_file="no-such-file.pem")}, ValueError),
        ({"tls": True, "address": ["10.0.0.7:1"]}, ValueError),
        ({"token": 7}, TypeError),
        ({"token": "two words"}, ValueError),
        ({"token": "line\n"}, ValueError),
    ],
)
def test_wrong_access_is_named(arguments, error):
    (name, *_) = arguments
    with pytest.raises(error, match=rf"{name}: expected .* Received: "):
        Client(**arguments)


def authorizations(server: FakeServer) -> list[str | None]:
    return [call.metadata.get("authorization") for call in server.calls]


def test_token_is_sent_with_every_call():
    with FakeServer() as server, Client(server.address, token="secret") as client:
        client.score("headline")
        client.models()
        list(client.score_many([("headline", None)]))
    assert authorizations(server) == ["Bearer secret"] * 3


def test_token_comes_from_the_environment_unless_another_is_given(monkeypatch):
    monkeypatch.setenv("ADSCORE_TOKEN", "of-the-environment")
    with FakeServer() as server:
        for arguments in ({}, {"token": "own"}, {"token": ""}):
            with Client(server.address, **arguments) as client:
                client.score("headline")
    assert authorizations(server) == ["Bearer of-the-environment", "Bearer own", None]


def test_callable_gives_the_token_of_each_call():
    tokens = iter(["first", "second", "third"])

    async def score(address: str) -> None:
        async with AsyncClient(address, token=lambda: next(tokens)) as client:
            await client.score("headline")

    with FakeServer() as server, Client(server.address, token=lambda: next(tokens)) as client:
        client.score("headline")
        list(client.score_many([("headline", None)]))
        asyncio.run(score(server.address))
    assert authorizations(server) == ["Bearer first", "Bearer second", "Bearer third"]


@pytest.mark.parametrize("token", ["secret", lambda: "secret"])
def test_token_is_not_sent_in_plain_text_to_another_machine(token, monkeypatch):
    with pytest.raises(ValueError, match="tls=True, or allow_plaintext_token=True") as caught:
        Client(REMOTE, token=token)
    assert "secret" not in str(caught.value)
    Client(REMOTE, token=token, tls=True)
    Client(REMOTE, token=token, allow_plaintext_token=True)
    Client(REMOTE, token="")
    monkeypatch.setenv("ADSCORE_TOKEN", "secret")
    with pytest.raises(ValueError, match="plaintext"):
        Client(REMOTE)


def test_token_is_never_shown():
    client = Client(token="hidden-token")
    assert "hidden-token" not in repr(client)
    with pytest.raises(ValueError, match="13 characters") as caught:
        Client(token="hidden\ttoken\n")
    assert "hidden" not in str(caught.value)
