"""Clients that go without a word, as when their machine or network fails."""

import queue
import selectors
import socket
import threading
import time
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


class Proxy:
    """Passes the bytes of one connection on, until it goes dumb without closing it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.is_dumb = threading.Event()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
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
                        key.data.sendall(key.fileobj.recv(65536))  # type: ignore[union-attr]
            self._ends.wait(LIMIT_SECONDS)


@pytest.fixture
def quick_to_ask(scorer: Scorer) -> Iterator[Server]:
    """A server that asks after half a second of silence."""
    models = ModelRegistry([LoadedModel(scorer)])
    keepalive = Keepalive(silence_seconds=0.5, answer_seconds=0.5)
    with Server(models, ServerConfig("127.0.0.1:0"), keepalive=keepalive) as server:
        yield server


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
    quick_to_ask: Server, connect: Callable[[str], Any], creatives: list[Creative]
) -> None:
    with Proxy(quick_to_ask.address) as proxy:
        requests, answers = _open_stream(connect(proxy.address), creatives[0])
        assert quick_to_ask.statistics().calls["stream"] == 1
        proxy.is_dumb.set()
        end = time.monotonic() + LIMIT_SECONDS
        while quick_to_ask.statistics().calls["stream"]:
            assert time.monotonic() < end
            time.sleep(0.02)
        requests.put(None)
        answers.cancel()


def test_stream_of_a_client_that_is_silent_but_there_stays(
    quick_to_ask: Server, connect: Callable[[str], Any], creatives: list[Creative]
) -> None:
    requests, answers = _open_stream(connect(quick_to_ask.address), creatives[0])
    time.sleep(2)  # it is asked, and answers
    assert quick_to_ask.statistics().calls["stream"] == 1
    requests.put(None)
    assert list(answers) == []
