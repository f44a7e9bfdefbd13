"""Finding a server, losing it, and the life of a client."""

import asyncio
import http.server
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from adscore_client import (
    AdscoreError,
    AsyncClient,
    CallCancelledError,
    Client,
    ClientClosedError,
    DeadlineExceededError,
    ServerUnavailableError,
)
from adscore_client._address import parse_target
from adscore_client._channel import SCORING, ChannelSettings


@pytest.fixture
def unused_address():
    with socket.socket() as held:  # bound and not listening: connections are refused
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # a server may follow
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def unavailable(error):
    return isinstance(error, ServerUnavailableError)


def test_missing_server_is_reported_with_what_to_do(unused_address, patiently, failure_of):
    error = patiently(failure_of(unused_address), unavailable)
    assert unavailable(error)
    assert error.address == unused_address
    assert error.retryable
    assert f"adscore serve ROOT --address {unused_address}" in str(error)


def test_server_that_starts_late_is_found_by_the_same_client(
    unused_address, serve, score_recorder, patiently
):
    def attempt(seconds):
        with pytest.raises(AdscoreError) as caught:
            client.score("headline", timeout_seconds=seconds)
        return caught.value

    with Client(unused_address) as client:
        assert unavailable(patiently(attempt, unavailable))
        serve(address=unused_address, Score=score_recorder)
        client.score("headline", timeout_seconds=30)
    assert len(score_recorder.requests) == 1


def test_waiting_for_a_server_outlasts_a_proxy_that_has_none_yet():
    checks = []

    class Proxy(grpc.GenericRpcHandler):
        def service(self, handler_call_details):
            if not handler_call_details.method.endswith("/Check"):
                return None
            return grpc.unary_unary_rpc_method_handler(self.check)

        def check(self, request, context):
            checks.append(request)
            if len(checks) % 3:
                context.abort(grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
            return b"\x08\x01"

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Proxy()])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with Client(address) as client:
        client.wait_until_ready(30)

    async def wait() -> None:
        async with AsyncClient(address) as client:
            await client.wait_until_ready(30)

    asyncio.run(wait())
    server.stop(grace=None).wait()
    assert len(checks) == 6


def test_proxy_of_the_environment_is_not_asked_for_this_machine(
    connect, score_recorder, monkeypatch, unused_address
):
    monkeypatch.setenv("http_proxy", f"http://{unused_address}")
    monkeypatch.setenv("no_proxy", "")
    connect(Score=score_recorder).score("headline")
    remote = ChannelSettings(parse_target("scores.example.com:443"), 1024)
    assert ("grpc.enable_http_proxy", 0) not in remote.options(SCORING)


@pytest.fixture
def silent_proxy():
    """The address of a proxy that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_proxy_in_the_way_is_named_without_its_password(
    variable, silent_proxy, unused_address, monkeypatch, patiently, failure_of
):
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for proxy, error in (
        (silent_proxy, DeadlineExceededError),
        (unused_address, ServerUnavailableError),
    ):
        monkeypatch.setenv(variable, f"http://user:secret@{proxy}")
        received = patiently(
            failure_of("scores.example.com:50051"), lambda found, error=error: type(found) is error
        )
        assert type(received) is error
        assert re.search(rf"{variable}={proxy}.*no_proxy", str(received))
        assert "secret" not in str(received)


def test_web_server_is_told_from_an_adscore_server(patiently, failure_of):
    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            error = patiently(failure_of(f"127.0.0.1:{web.server_address[1]}"), unavailable)
        finally:
            web.shutdown()
            thread.join()
    assert unavailable(error)
    assert "It is a web server" in str(error)


def test_host_that_nobody_knows_is_told():
    client = Client("no-such-host.invalid:50051", timeout_seconds=0.5)
    with client, pytest.raises(AdscoreError, match=r"no-such-host\.invalid"):
        client.score("headline")


def test_closed_client_says_so(connect, score_recorder):
    client = connect(Score=score_recorder)
    with client:
        client.score("headline")
    client.close()
    calls = [
        lambda: client.score("headline"),
        lambda: client.score_many([]),
        lambda: client.match([], []),
        client.models,
        client.model,
        client.__enter__,
    ]
    for call in calls:
        with pytest.raises(ClientClosedError, match="after close"):
            call()
    assert repr(client).endswith(", closed>")


def test_closing_cancels_a_call_under_way(connect):
    started, release = threading.Event(), threading.Event()

    def wait(request, context):
        started.set()
        release.wait(60)

    client = connect(Score=wait, timeout_seconds=60)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.score, "headline")
        assert started.wait(30)
        client.close()
        with pytest.raises(CallCancelledError):
            call.result(30)
        release.set()


def test_one_client_serves_many_threads(connect, score_recorder):
    client = connect(Score=score_recorder)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client.score, ["headline"] * 64))
    assert len(score_recorder.requests) == 64


def test_client_does_nothing_before_its_first_call():
    client = Client("no-such-host.invalid:1")
    assert not client._connection._channels
    assert repr(client) == "<Client of no-such-host.invalid:1>"
    client.close()
