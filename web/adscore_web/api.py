"""The endpoints of the page's script: each validates the request, calls the server and responds."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adscore_client import (
    AdscoreError,
    Arm,
    AsyncClient,
    Creative,
    Explanation,
    InvalidCreativeError,
    ModelNotFoundError,
    ModelUnsupportedError,
    Score,
    WhatIf,
)
from adscore_web.answers import EXPECTED, error_answer, model_fields, score_fields
from adscore_web.config import PageConfig
from adscore_web.frames import Capacity, declared_bytes, read_frame
from adscore_web.values import Asked, arms_of, asked_of, boxes_of, number, text, texts

_token: ContextVar[str] = ContextVar("token")  # token of the current request

_logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The endpoints, over one connection to the server.

    Stateless between requests: everything a user has is kept in the browser.
    """

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        self._capacity = Capacity(config.max_pending_bytes, config.read_seconds)
        # Callers from other machines must send their own token; on this machine the token in the
        # environment is used.
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
        """The routes of the endpoints, below the page's prefix."""
        calls = {
            "scores": self._scores,
            "explain": self._explain,
            "check": self._check,
            "predict": self._predict,
            "decide": self._decide,
        }
        posts = [
            Route(f"/api/{name}", answered(self._posted(call)), methods=["POST"])
            for name, call in calls.items()
        ]
        return [
            Route("/api/models", answered(self._models)),
            Route("/api/placements", answered(self._placements)),
            *posts,
        ]

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

    # === Endpoints ===

    async def _models(self, request: Request) -> Response:
        client = self._client(request)
        models = model_fields(await client.models())
        default = {"name": "", "version": ""}
        if models:
            with contextlib.suppress(ModelNotFoundError):  # several, and no default
                chosen = await client.model()
                default = {"name": chosen.name, "version": chosen.version}
        return JSONResponse({"models": models, "default": default})

    async def _placements(self, request: Request) -> Response:
        placements = await self._client(request).list_placements()
        return JSONResponse({"placements": [one.to_dict() for one in placements]})

    async def _scores(
        self, client: AsyncClient, values: Mapping[str, Any], image: bytes
    ) -> dict[str, Any]:
        """Scores headlines with or without one image; an invalid one does not affect the others."""
        headlines = texts(values, "headlines", self._config.max_headlines)
        asked = asked_of(values)
        results: list[Score | AdscoreError]
        if headlines and image:
            results = await _grid_column(client, headlines, image, asked)
        else:
            parts: list[str | None] = [*headlines] or [None]
            creatives = [Creative(one, image or None, "", asked.context) for one in parts]
            stream = client.score_many(creatives, model=asked.name, model_version=asked.version)
            results = [result async for result in stream]
        return {"scores": [score_fields(result) for result in results]}

    async def _explain(
        self, client: AsyncClient, values: Mapping[str, Any], image: bytes
    ) -> dict[str, Any]:
        """Explains a score; without text detection if the server cannot find text."""
        asked = asked_of(values)
        what_if = WhatIf(
            boxes=boxes_of(values),
            find_text=bool(image) and values.get("find_text") is True,
            headlines=texts(values, "headlines", self._config.max_headlines),
        )

        async def explain(what_if: WhatIf) -> Explanation:
            return await client.explain(
                text(values, "headline") or None,
                image or None,
                context=asked.context,
                target=text(values, "target") or None,
                what_if=what_if,
                model=asked.name,
                model_version=asked.version,
                timeout_seconds=self._config.slow_timeout_seconds,
            )

        try:
            explanation = await explain(what_if)
        except ModelUnsupportedError:
            if not what_if.find_text:
                raise
            what_if = replace(what_if, find_text=False)
            explanation = await explain(what_if)
        return {**explanation.to_dict(), "found_text": what_if.find_text}

    async def _check(
        self, client: AsyncClient, values: Mapping[str, Any], image: bytes
    ) -> dict[str, Any]:
        """Checks one creative against the rules of a placement."""
        creative = Creative(text(values, "headline") or None, image or None)
        report = await client.check(
            text(values, "placement"),
            [creative],
            timeout_seconds=self._config.slow_timeout_seconds,
        )
        found = report.to_dict()
        return {"findings": found["creatives"][0]["findings"], "not_checked": found["not_checked"]}

    async def _predict(
        self, client: AsyncClient, values: Mapping[str, Any], image: bytes
    ) -> dict[str, Any]:
        """The prediction for one creative before any counts, from which a decision starts."""
        asked = asked_of(values)
        creative = Creative(text(values, "headline") or None, image or None, "", asked.context)
        decision = await client.decide(
            [Arm("arm", creative)], model=asked.name, model_version=asked.version
        )
        return {
            "prediction": decision.arms[0].prediction.to_dict(),
            "warnings": [str(one) for one in decision.warnings],
        }

    async def _decide(
        self, client: AsyncClient, values: Mapping[str, Any], _: bytes
    ) -> dict[str, Any]:
        """Decides between creatives with known predictions and counts."""
        asked = asked_of(values)
        decision = await client.decide(
            arms_of(values),
            aim="learn" if values.get("aim") == "learn" else "earn",
            horizon=number(values, "horizon"),
            model=asked.name,
            model_version=asked.version,
        )
        return decision.to_dict()


async def _grid_column(
    client: AsyncClient,
    headlines: Sequence[str],
    image: bytes,
    asked: Asked,
) -> list[Score | AdscoreError]:
    """Scores each headline with the image; a refused headline gives its error in its place.

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
    """The index in ``headlines[3]``; None for any other field."""
    digits = field.removeprefix("headlines[").removesuffix("]")
    if field != f"headlines[{digits}]" or not digits.isdecimal() or int(digits) >= count:
        return None
    return int(digits)


def answered(call: Handler) -> Handler:
    """Converts exceptions to responses; does not log their texts, which may quote creatives."""

    async def handle(request: Request) -> Response:
        try:
            return await call(request)
        except Exception as error:
            if not isinstance(error, EXPECTED):
                _logger.error("%s failed: %s", request.url.path, type(error).__name__)
            return error_answer(error)

    return handle
