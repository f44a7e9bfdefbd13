"""The calls of the page's script: each checks what it was sent, asks the server, and answers."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adscore_client import (
    AdscoreError,
    AsyncClient,
    Creative,
    InvalidCreativeError,
    ModelNotFoundError,
    Score,
)
from adscore_web.answers import EXPECTED, error_answer, model_fields, score_fields
from adscore_web.config import PageConfig
from adscore_web.frames import Capacity, RefusedError, declared_bytes, read_frame

_MAX_CONTEXT_NAMES = 100

_token: ContextVar[str] = ContextVar("token")  # of the request that is being answered

_logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


class Asked(NamedTuple):
    """What a call is about, beside its creatives.

    Attributes:
        name: Name of the model.
        version: Its version.
        context: Context of all creatives of the call.
    """

    name: str
    version: str
    context: Mapping[str, str]


class Api:
    """The calls, over one connection to the server.

    Nothing is kept between two requests: what a browser has is the browser's.
    """

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        self._capacity = Capacity(config.max_pending_bytes, config.read_seconds)
        # A caller beyond this machine is asked for a token of their own; on this machine the
        # environment's counts as theirs.
        self._without_token = self._connect(None if config.is_local else "")
        self._with_token = self._connect(_token.get)

    def _connect(self, token: Callable[[], str] | str | None) -> AsyncClient:
        return AsyncClient(
            self._config.server,
            token=token,
            timeout_seconds=self._config.timeout_seconds,
            tls=self._config.server_tls,
            allow_plaintext_token=self._config.insecure_network,
        )

    async def close(self) -> None:
        """Closes the connection to the server."""
        await self._without_token.close()
        await self._with_token.close()

    def routes(self) -> list[Route]:
        """The addresses of the calls, below the page's own."""
        calls = {"scores": self._scores}
        posts = [
            Route(f"/api/{name}", answered(self._posted(call)), methods=["POST"])
            for name, call in calls.items()
        ]
        return [Route("/api/models", answered(self._models)), *posts]

    def _client(self, request: Request) -> AsyncClient:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return self._without_token
        _token.set(token)
        return self._with_token

    def _posted(self, call: Callable[..., Awaitable[dict[str, Any]]]) -> Handler:
        async def handle(request: Request) -> Response:
            size = declared_bytes(request, self._config)
            async with self._capacity.held(size):
                values, image = await read_frame(request, self._config)
                return JSONResponse(await call(self._client(request), values, image))

        return handle

    # === Calls ===

    async def _models(self, request: Request) -> Response:
        client = self._client(request)
        models = model_fields(await client.models())
        default = {"name": "", "version": ""}
        with contextlib.suppress(ModelNotFoundError):  # several, and none is the default
            chosen = await client.model()
            default = {"name": chosen.name, "version": chosen.version}
        return JSONResponse({"models": models, "default": default})

    async def _scores(
        self, client: AsyncClient, values: Mapping[str, Any], image: bytes
    ) -> dict[str, Any]:
        """Scores headlines with one image, or without; a bad one costs the others nothing."""
        headlines = texts(values, "headlines", self._config.max_headlines)
        context = context_of(values)
        asked = Asked(text(values, "model"), text(values, "model_version"), context)
        results: list[Score | AdscoreError]
        if headlines and image:
            results = await _grid_column(client, headlines, image, asked)
        else:
            parts: list[str | None] = [*headlines] or [None]
            creatives = [Creative(one, image or None, "", context) for one in parts]
            stream = client.score_many(creatives, model=asked.name, model_version=asked.version)
            results = [result async for result in stream]
        return {"scores": [score_fields(result) for result in results]}


async def _grid_column(
    client: AsyncClient,
    headlines: Sequence[str],
    image: bytes,
    asked: Asked,
) -> list[Score | AdscoreError]:
    """Scores each headline with the image; one that is refused has its error in its place.

    Raises:
        AdscoreError: The image was refused, or the call failed.
    """
    results: list[Score | AdscoreError | None] = [None] * len(headlines)
    while left := [place for place, result in enumerate(results) if result is None]:
        sent = [headlines[place] for place in left]
        try:
            grid = await client.score_combinations(
                sent, [image], context=asked.context, model=asked.name, model_version=asked.version
            )
        except InvalidCreativeError as error:
            place = _headline_place(error.field, len(sent))
            if place is None:
                raise
            results[left[place]] = error
            continue
        for place, row in zip(left, grid.scores, strict=True):
            results[place] = row[0]
    return [result for result in results if result is not None]


def _headline_place(field: str, count: int) -> int | None:
    """The position in ``headlines[3]``; None of any other field."""
    digits = field.removeprefix("headlines[").removesuffix("]")
    if field != f"headlines[{digits}]" or not digits.isdecimal() or int(digits) >= count:
        return None
    return int(digits)


def answered(call: Handler) -> Handler:
    """Turns the exceptions of a call into answers; logs no text of theirs, which may quote."""

    async def handle(request: Request) -> Response:
        try:
            return await call(request)
        except Exception as error:
            if not isinstance(error, EXPECTED):
                _logger.error("%s failed: %s", request.url.path, type(error).__name__)
            return error_answer(error)

    return handle


# === What the page's script sends ===


def text(values: Mapping[str, Any], name: str) -> str:
    """One text; empty where it was not sent.

    Raises:
        RefusedError: It is something else.
    """
    value = values.get(name, "")
    if not isinstance(value, str):
        raise RefusedError(400, "request", f"{name}: expected a text.")
    return value


def texts(values: Mapping[str, Any], name: str, limit: int) -> list[str]:
    """A list of texts; empty where it was not sent.

    Raises:
        RefusedError: It is something else, or longer than the limit.
    """
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RefusedError(400, "request", f"{name}: expected a list of texts.")
    if len(value) > limit:
        raise RefusedError(
            413, "too_many", f"{name}: expected at most {limit}. Received: {len(value)}."
        )
    return value


def context_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The context of all creatives of a request.

    Raises:
        RefusedError: It is no object of texts, or a large one.
    """
    value = values.get("context", {})
    is_plain = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if not is_plain or len(value) > _MAX_CONTEXT_NAMES:
        raise RefusedError(400, "request", "context: expected an object of texts.")
    return dict(value)
