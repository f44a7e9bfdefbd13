"""The web app: the page, its static files, its endpoints, and a health endpoint."""

import contextlib
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from adscore_web.api import Api
from adscore_web.config import PageConfig
from adscore_web.guard import Guard

_FOREVER = "public, max-age=31536000, immutable"  # the address changes with the contents
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file.

    Attributes:
        media_type: Media type.
        body: Content.
        packed: Content, compressed by gzip.
    """

    media_type: str
    body: bytes
    packed: bytes


def read_assets() -> dict[str, Asset]:
    """Reads the files in ``static``, by name; requests never open files."""
    found = {}
    for file in sorted((files("adscore_web") / "static").iterdir(), key=lambda one: one.name):
        suffix = "." + file.name.rpartition(".")[2]
        if file.is_file() and suffix in _TYPES:
            body = file.read_bytes()
            found[file.name] = Asset(_TYPES[suffix], body, gzip.compress(body, mtime=0))
    return found


def create_app(config: PageConfig) -> Guard:
    """Builds the app; connects to nothing before the first call.

    Raises:
        ValueError: The connection settings do not fit the server's address.
    """
    api, assets = Api(config), read_assets()
    contents = b"".join(asset.body for asset in assets.values())
    version = hashlib.sha256(contents).hexdigest()[:8]
    page = _render(config, version, list(assets))

    async def index(_: Request) -> Response:
        return HTMLResponse(page)

    async def static(request: Request) -> Response:
        asset = assets.get(request.path_params["name"])
        if asset is None or request.path_params["version"] != version:
            return PlainTextResponse("Not found.", 404)
        headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            packed = {**headers, "content-encoding": "gzip"}
            return Response(asset.packed, media_type=asset.media_type, headers=packed)
        return Response(asset.body, media_type=asset.media_type, headers=headers)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await api.close()

    inner: list[BaseRoute] = [
        Route("/", index),
        Route("/healthz", health),
        Route("/static/{version}/{name}", static),
        *api.routes(),
    ]
    routes = inner
    if config.prefix:
        routes = [Route(config.prefix, index), Mount(config.prefix, routes=inner)]
    # Wrap everything, so that Starlette's own error responses are guarded too.
    return Guard(Starlette(routes=routes, lifespan=lifespan), config.hosts)


def _render(config: PageConfig, version: str, assets: Sequence[str]) -> str:
    loader = PackageLoader("adscore_web")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    texts = json.loads((files("adscore_web") / "texts.json").read_text(encoding="utf-8"))
    settings = {
        "base": f"{config.prefix}/",
        "max_headlines": config.max_headlines,
        "max_images": config.max_images,
    }
    template = environment.get_template("index.html.jinja")
    return template.render(
        static=f"{config.prefix}/static/{version}",
        modules=[name for name in assets if name.endswith(".js")],
        texts=texts,
        settings=settings,
    )
