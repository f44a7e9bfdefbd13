"""The client for asyncio."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Self, Unpack

from adscore_client._arguments import CallOptions
from adscore_client._async_connection import AsyncConnection
from adscore_client._channel import ChannelSettings
from adscore_client._checks import CheckReport, Placement
from adscore_client._core import BaseClient
from adscore_client._creative import Creative, CreativeInput, ImageInput
from adscore_client._decisions import Arm, DecideOptions, Decision, split_options
from adscore_client._exceptions import AdscoreError
from adscore_client._explanation import NOTHING, Explanation, WhatIf
from adscore_client._results import Grid, Match, Model, Score
from adscore_client._score_stream import ScoreStream


class AsyncClient(BaseClient[AsyncConnection]):
    """Scores creatives on adscore servers, from a program that runs on asyncio.

    It has the methods of ``Client``, with the same arguments, results and exceptions; they are
    awaited, and ``score_many`` is iterated with ``async for``:

        async with AsyncClient("127.0.0.1:50051") as client:
            score = await client.score("Save 20 % on running shoes", "banners/shoes.png")
            async for result in client.score_many(creatives):
                print(result)

    Files are read on other threads, so the event loop is not blocked. A client belongs to the
    event loop of its first call until that loop is closed.
    """

    def _connect(self, settings: ChannelSettings) -> AsyncConnection:
        return AsyncConnection(settings)

    async def score(
        self,
        headline: str | None = None,
        image: ImageInput | None = None,
        *,
        id: str = "",  # noqa: A002 - the contract's name
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Score:
        """Scores one creative; see ``Client.score``."""
        creative = Creative(headline, image, id, {} if context is None else context)
        return await self._score(creative, self._options(**options))

    def score_many(
        self,
        creatives: Iterable[CreativeInput] | AsyncIterable[CreativeInput],
        *,
        batch_size: int = 32,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[Score | AdscoreError]:
        """Scores any number of creatives, lazily and in their order; see ``Client.score_many``.

        Args:
            creatives: As in ``Client.score_many``, or an async iterable of the same. An iterable
                that blocks also blocks the event loop.
            batch_size: As in ``Client.score_many``.
            options: As in ``Client.score_many``.

        Leaving the loop early ends the call once the iterator is closed: at once inside
        ``contextlib.aclosing(client.score_many(...))``, else when asyncio collects it.
        """
        items: AsyncIterator[object]
        if isinstance(creatives, AsyncIterable):
            items = aiter(creatives)
        else:
            items = _as_async(iter(creatives))
        return _results(self._score_many(items, batch_size, self._options(**options)))

    async def score_combinations(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        *,
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Grid:
        """Scores every combination; see ``Client.score_combinations``."""
        return await self._score_combinations(headlines, images, context, self._options(**options))

    async def match(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        **options: Unpack[CallOptions],
    ) -> Match:
        """Says how well each headline fits each image; see ``Client.match``."""
        return await self._match(headlines, images, self._options(**options))

    async def decide(self, arms: Iterable[Arm], **options: Unpack[DecideOptions]) -> Decision:
        """Decides between the creatives of one group; see ``Client.decide``."""
        call, settings = split_options(options)
        return await self._decide(arms, self._options(**call), settings)

    async def check(
        self,
        placement: str,
        creatives: Iterable[CreativeInput],
        *,
        timeout_seconds: float | None = None,
    ) -> CheckReport:
        """Checks creatives against the rules of a placement; see ``Client.check``."""
        return await self._check(placement, creatives, self._options(timeout_seconds))

    async def list_placements(self, *, timeout_seconds: float | None = None) -> list[Placement]:
        """Lists the placements and their rules; see ``Client.list_placements``."""
        return await self._list_placements(self._options(timeout_seconds))

    async def explain(
        self,
        headline: str | None = None,
        image: ImageInput | None = None,
        *,
        context: Mapping[str, str] | None = None,
        target: str | None = None,
        what_if: WhatIf = NOTHING,
        **options: Unpack[CallOptions],
    ) -> Explanation:
        """Explains a score; see ``Client.explain``."""
        creative = Creative(headline, image, context={} if context is None else context)
        return await self._explain(creative, target, what_if, self._options(**options))

    async def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists every version of every model; see ``Client.models``."""
        return await self._models(self._options(timeout_seconds))

    async def model(
        self,
        name: str | None = None,
        version: str | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Model:
        """Describes one version of one model; see ``Client.model``."""
        return await self._model(self._options(timeout_seconds, name, version))

    async def wait_until_ready(self, timeout_seconds: float | None = None) -> None:
        """Waits until a server serves; see ``Client.wait_until_ready``."""
        await self._wait_until_ready(self._options(timeout_seconds))

    async def close(self) -> None:
        """Closes the connection and cancels calls in flight. May be called again."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        self._connection.check_open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _as_async(items: Iterable[object]) -> AsyncIterator[object]:
    for item in items:
        yield item


async def _results(stream: ScoreStream) -> AsyncIterator[Score | AdscoreError]:
    try:
        while results := await stream.next():
            for result in results:
                yield result
    finally:
        stream.close()
