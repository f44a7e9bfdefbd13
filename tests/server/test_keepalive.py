"""Clients that go without a word, as when their machine or network fails."""

import queue
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.config import Keepalive, ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

LIMIT_SECONDS = 30.0
# The head of an HTTP/2 frame: its length in three bytes, its kind, its flags.
PING, PING_ANSWER = b"\0\0\x08\x06\0", b"\0\0\x08\x06\x01"


class Proxy:
    """Passes the bytes of one connection on, until it goes dumb without closing it.

    It counts the pings that the server sends and those that the client answers.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.is_dumb = threading.Event()
        self.pings_sent = self.pings_answered = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.is_dumb.set()
        self._ends.set()
        self._thread.join(LIMIT_SECONDS)
        self._listening.close()

    def _run(self) -> None:
        client, _ = self._listening.accept()
        with client, socket.create_connection(self._server) as server:
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ, server)
                selector.register(server, selectors.EVENT_READ, client)
                while not self.is_dumb.is_set():
                    for key, _ in selector.select(0.01):
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        self.pings_sent += key.data is client and PING in data
                        self.pings_answered += key.data is server and PING_ANSWER in data
                        key.data.sendall(data)
            self._ends.wait(LIMIT_SECONDS)


@pytest.fixture
def serve_asking(scorer: Scorer) -> Iterator[Callable[[float], Server]]:
    """Starts a server that asks after half a second of silence, and waits so long for an answer."""
    started: list[Server] = []

    def start(answer_seconds: float) -> Server:
        models = ModelRegistry([LoadedModel(scorer)])
        keepalive = Keepalive(silence_seconds=0.5, answer_seconds=answer_seconds)
        started.append(Server(models, ServerConfig("127.0.0.1:0"), keepalive=keepalive))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


def _open_stream(stubs: Any, creative: Creative) -> "tuple[queue.Queue[Any], Any]":
    """A stream that was answered once and stays open until None is put into its requests."""
    wire = scoring_pb2.Creative(headline=creative.headline, image=creative.image)
    requests: queue.Queue[Any] = queue.Queue()
    requests.put(scoring_pb2.StreamScoreRequest(creatives=[wire]))
    # Without a deadline, which would end it at the server too.
    answers = stubs.scoring.StreamScore(iter(requests.get, None))
    assert next(answers).results[0].HasField("score")
    return requests, answers


def test_stream_of_a_client_that_has_silently_gone_gives_its_place_back(
    serve_asking: Callable[[float], Server],
    connect: Callable[[str], Any],
    wait_until: Any,
    creatives: list[Creative],
) -> None:
    server = serve_asking(3)  # a busy client is there too
    with Proxy(server.address) as proxy:
        requests, answers = _open_stream(connect(proxy.address), creatives[0])
        assert server.statistics().calls["stream"] == 1
        proxy.is_dumb.set()
        wait_until(lambda: not server.statistics().calls["stream"])
        requests.put(None)
        answers.cancel()


def test_stream_of_a_client_that_is_silent_but_there_stays(
    serve_asking: Callable[[float], Server],
    connect: Callable[[str], Any],
    wait_until: Any,
    creatives: list[Creative],
) -> None:
    server = serve_asking(LIMIT_SECONDS)
    with Proxy(server.address) as proxy:
        requests, answers = _open_stream(connect(proxy.address), creatives[0])
        sent, answered = proxy.pings_sent, proxy.pings_answered
        wait_until(lambda: proxy.pings_sent >= sent + 3 and proxy.pings_answered >= answered + 3)
        assert server.statistics().calls["stream"] == 1
        requests.put(None)
        assert list(answers) == []
