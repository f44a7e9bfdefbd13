"""A live page, in front of a live scoring server, and requests to it as they go over the wire."""

import contextlib
import http.client
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adscore.scoring.scorer import Scorer
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server
from adscore_web.app import create_app
from adscore_web.config import PageConfig
from adscore_web.frames import CONTENT_TYPE
from adscore_web.running import listen, web_server


@dataclass(frozen=True)
class Answer:
    """What came back of a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]


# `adscore page` where adscore is not installed, and its entry points are missing.
COMMAND = "import typer; from adscore_web.commands import page; typer.run(page)"


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


def page_config(server: str, address: str = "127.0.0.1:0", **settings: Any) -> PageConfig:
    """A page that waits for the server as long as a busy machine may take."""
    return PageConfig(server, address, **{"timeout_seconds": 60.0, **settings})


@contextlib.contextmanager
def served(config: PageConfig) -> Iterator[LivePage]:
    listening = listen(config)
    server = web_server(create_app(config))
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
    with served(page_config(scoring_server.address)) as live:
        yield live


@pytest.fixture
def start_page(scoring_server: Server) -> Iterator[Callable[..., LivePage]]:
    """Serves a page with other settings for one test."""
    with contextlib.ExitStack() as stack:

        def start(server: str = scoring_server.address, **settings: Any) -> LivePage:
            return stack.enter_context(served(page_config(server, **settings)))

        yield start


@pytest.fixture
def page_program(scoring_server: Server) -> Iterator[tuple[Callable[[], LivePage], Any]]:
    """Starts and stops a page at one place."""
    place: list[str] = ["127.0.0.1:0"]
    running = contextlib.ExitStack()

    def start() -> LivePage:
        live = running.enter_context(served(page_config(scoring_server.address, place[0])))
        place[0] = live.place
        return live

    with running:
        yield start, running.close


@pytest.fixture(scope="session")
def banner(sample_dir: Path) -> bytes:
    """One whole banner."""
    return next(iter(sorted((sample_dir / "images").iterdir()))).read_bytes()


# === In a browser ===

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


class Visitor:
    """Somebody who looks at the page: its console, its requests, its accessibility."""

    def __init__(self, context: Any, url: str) -> None:
        self.context, self.url = context, url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        context.on("page", self._watch)

    def _watch(self, page: Any) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("filechooser", lambda _: None)  # from the start, or the first one is missed

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self) -> Any:
        page = self.context.new_page()
        page.goto(self.url)
        page.locator("#model").wait_for()
        return page

    def foreign_requests(self) -> list[str]:
        own = self.url.split("/")[2]
        # What a page or a file holds itself goes to no host.
        urls = [url for url in self.requests if not url.startswith(("data:", "blob:", "file:"))]
        return [url for url in urls if url.split("/")[2] != own]


@pytest.fixture(scope="module")  # its event loop must not outlive what else runs in this thread
def browser() -> Iterator[Any]:
    """Debian's chromium, or the program that ADSCORE_CHROMIUM names, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make setup")
    names = os.environ.get("ADSCORE_CHROMIUM") or "chromium chromium-headless-shell"
    program = next(filter(None, map(shutil.which, names.split())), None)
    if program is None:
        pytest.skip(f"needs one of {names}: make test-page installs it")
    with sync_api.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any, page: LivePage) -> Iterator[Callable[..., Visitor]]:
    """Lets somebody look at a page; nothing may complain, or go to another host."""
    visitors: list[Visitor] = []

    def start(live: LivePage = page, width: int = 1280, **options: Any) -> Visitor:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, **options)
        context.set_default_timeout(60_000)
        visitors.append(Visitor(context, live.url))
        return visitors[-1]

    yield start
    for visitor in visitors:
        visitor.context.close()
    assert [visitor.foreign_requests() for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture(scope="session")
def banners(sample_dir: Path) -> list[Path]:
    """Whole banners."""
    return sorted((sample_dir / "images").iterdir())[:8]


@pytest.fixture(scope="session")
def findings() -> Callable[[Any], list[str]]:
    """What axe-core finds serious or critical on a page, as it is in light and in dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core")

    def look(page: Any) -> list[str]:
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            violations = axe.Axe().run(page).response["violations"]
            found += [
                f"{scheme}: {one['id']}: {node['html'][:200]}"
                for one in violations
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
        return found

    return look
