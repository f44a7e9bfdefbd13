"""A live page, in front of a live scoring server, and requests to it as they go over the wire."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from adscore.scoring.scorer import Scorer
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server
from adscore_web.app import create_app
from adscore_web.config import PageConfig
from adscore_web.frames import CONTENT_TYPE
from adscore_web.running import listen


@dataclass(frozen=True)
class Answer:
    """What came back of a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]


class LivePage:
    """A page that is served."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self.host, self.port, self.prefix = host, port, prefix
        self.place = f"{host}:{port}"
        self.url = f"http://{self.place}{prefix}/"

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> Answer:
        """Makes a request as the page's own script does; a header given as None is left out."""
        names = {"host": self.place, **({"origin": f"http://{self.place}"} if body else {})}
        names |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, self.prefix + path, True, True)
            if body is not None and "content-length" not in names:
                names["content-length"] = str(len(body))
            for name, value in names.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            )

    def post(self, name: str, values: object, image: bytes = b"", **headers: str | None) -> Answer:
        headers = {"content_type": CONTENT_TYPE, **headers}
        return self.request("POST", f"/api/{name}", frame(values, image), **headers)


def frame(values: object, image: bytes = b"") -> bytes:
    text = json.dumps(values).encode()
    return len(text).to_bytes(4) + text + image


@contextlib.contextmanager
def served(config: PageConfig) -> Iterator[LivePage]:
    listening = listen(config)
    settings = uvicorn.Config(create_app(config), log_level="warning", access_log=False)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        host, port = listening.getsockname()[:2]
        yield LivePage(host, port, config.prefix)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def scoring_server(model_with_context: Path) -> Iterator[Server]:
    """A scoring server whose model reads the placement."""
    registry = ModelRegistry([LoadedModel(Scorer.open(model_with_context))])
    with Server(registry, ServerConfig(address="127.0.0.1:0")) as running:
        yield running


@pytest.fixture(scope="session")
def page(scoring_server: Server) -> Iterator[LivePage]:
    with served(PageConfig(scoring_server.address, "127.0.0.1:0")) as live:
        yield live


@pytest.fixture
def start_page(scoring_server: Server) -> Iterator[Callable[..., LivePage]]:
    """Serves a page with other settings for one test."""
    with contextlib.ExitStack() as stack:

        def start(server: str = scoring_server.address, **settings: Any) -> LivePage:
            config = PageConfig(server, "127.0.0.1:0", **settings)
            return stack.enter_context(served(config))

        yield start


@pytest.fixture(scope="session")
def banner(sample_dir: Path) -> bytes:
    """One whole banner."""
    return next(iter(sorted((sample_dir / "images").iterdir()))).read_bytes()
