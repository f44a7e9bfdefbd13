"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from adscore_client._async_connection import AsyncBulkStream, AsyncConnection
from adscore_client._base import BaseClient
from adscore_client._bulk import Bulk
from adscore_client._core import READINESS_POLL_SECONDS, Call, CallOptions
from adscore_client._creative import Creative, CreativeInput
from adscore_client._exceptions import AdscoreError, ServerUnavailableError
from adscore_client._grid import Grid
from adscore_client._images import ImageInput
from adscore_client._results import InputLimits, Match, Model, Score
from adscore_client._status import no_answer

Result = TypeVar("Result")


class AsyncClient(BaseClient[AsyncConnection]):
    """Scores creatives on adscore servers, from a program that runs on asyncio.

    It has the methods of ``Client``, with the same arguments, results and exceptions; they are
    awaited, and ``score_many`` is iterated with ``async for``:

        async with AsyncClient("127.0.0.1:50051") as client:
            score = await client.score("Save 20 % on running shoes", "banners/shoes.png")
            async for result in client.score_many(creatives):
                print(result)

    Files are read on other threads, so that the event loop goes on. A client belongs to the
    event loop of its first call.
    """

    def _connect(self) -> AsyncConnection:
        return AsyncConnection(self._core)

    async def score(
        self,
        headline: str | None = None,
        image: ImageInput | None = None,
        *,
        id: str = "",  # noqa: A002 - the contract's name
        context: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Score:
        """Scores one creative; see ``Client.score``."""
        options = self._core.options(timeout_seconds, model, model_version)
        self._connection.check_open()
        creative = Creative(headline, image, id, {} if context is None else context)
        return await self._prepare_and_send(
            self._core.score, creative, options, await self._shrink_for(options)
        )

    def score_many(
        self,
        creatives: Iterable[CreativeInput] | AsyncIterable[CreativeInput],
        *,
        batch_size: int = 32,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> AsyncIterator[Score | AdscoreError]:
        """Scores any number of creatives, lazily and in their order; see ``Client.score_many``.

        Args:
            creatives: As there, or an async iterable of the same. An iterable that blocks
                stops the event loop while it does.
            batch_size: As there.
            timeout_seconds: As there.
            model: As there.
            model_version: As there.

        Leaving the loop early ends the call once the iterator is closed: at once inside
        ``contextlib.aclosing(client.score_many(...))``, else when asyncio collects it.
        """
        options = self._core.options(timeout_seconds, model, model_version)
        bulk = self._core.bulk(options, batch_size)
        self._connection.check_open()
        if isinstance(creatives, AsyncIterable):
            return self._score_lazily(aiter(creatives), bulk, options)
        return self._score_lazily(_as_async(iter(creatives)), bulk, options)

    async def score_combinations(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        *,
        context: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Grid:
        """Scores every combination; see ``Client.score_combinations``."""
        options = self._core.options(timeout_seconds, model, model_version)
        self._connection.check_open()
        shrink_for = await self._shrink_for(options)
        return await self._prepare_and_send(
            self._core.combinations, headlines, images, context, options, shrink_for
        )

    async def match(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        *,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Match:
        """Says how well each headline fits each image; see ``Client.match``."""
        options = self._core.options(timeout_seconds, model, model_version)
        self._connection.check_open()
        shrink_for = await self._shrink_for(options)
        return await self._prepare_and_send(
            self._core.match, headlines, images, options, shrink_for
        )

    async def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists every version of every model; see ``Client.models``."""
        options = self._core.options(timeout_seconds)
        return await self._prepare_and_send(self._core.models, options)

    async def model(
        self,
        name: str | None = None,
        version: str | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Model:
        """Describes one version of one model; see ``Client.model``."""
        options = self._core.options(timeout_seconds, name, version)
        return await self._prepare_and_send(self._core.model, options)

    async def wait_until_ready(self, timeout_seconds: float | None = None) -> None:
        """Waits until a server is there and serves; see ``Client.wait_until_ready``."""
        options = self._core.options(timeout_seconds)
        call = await asyncio.to_thread(self._core.readiness, options)  # it asks for the token
        while not await self._serves(call):
            if options.deadline.left_seconds <= READINESS_POLL_SECONDS:
                raise no_answer(call.context)
            await asyncio.sleep(READINESS_POLL_SECONDS)

    async def close(self) -> None:
        """Closes the connection; calls under way are cancelled. May be called again."""
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

    def __repr__(self) -> str:
        return self._describe(self._connection.is_closed)

    async def _prepare_and_send(
        self, prepare: Callable[..., Call[Result]], *arguments: Any
    ) -> Result:
        # Preparing reads images, and the token from wherever the caller has it.
        return await self._connection.send(await asyncio.to_thread(prepare, *arguments))

    async def _serves(self, readiness: Call[bool]) -> bool:
        try:
            return await self._connection.send(readiness, wait_for_ready=True)
        except ServerUnavailableError:  # as in Client
            return False

    async def _shrink_for(self, options: CallOptions) -> InputLimits | None:
        if not self._core.shrink_images:
            return None
        limits = self._core.known_limits(options.choice)
        if limits is None:
            limits = (await self._prepare_and_send(self._core.model, options)).limits
            self._core.learn_limits(options.choice, limits)
        return limits

    async def _score_lazily(
        self, items: AsyncIterator[object], bulk: Bulk, options: CallOptions
    ) -> AsyncIterator[Score | AdscoreError]:
        bulk.shrink_images_for(await self._shrink_for(options.renewed()))
        async with AsyncBulkStream(self._connection, self._core, bulk) as stream:
            while not bulk.is_done:
                while bulk.wants_items:
                    for request in await _read_on(items, bulk):
                        await stream.send(request)
                results = bulk.take_results()
                for result in results:
                    yield result
                if not (results or bulk.is_done):
                    bulk.answer(await stream.receive())
        bulk.raise_failure()


async def _as_async(items: Iterator[CreativeInput]) -> AsyncIterator[CreativeInput]:
    for item in items:
        yield item


async def _read_on(items: AsyncIterator[object], bulk: Bulk) -> list[Any]:
    """Does what ``Bulk.read_on`` does, reading images on another thread."""
    try:
        item = await anext(items)
        if bulk.has_to_read(item):
            return await asyncio.to_thread(bulk.add, item)
        return bulk.add(item)
    except StopAsyncIteration:
        return bulk.end()
    except Exception as exc:  # the caller's own, to be raised in its place
        return bulk.end(exc)
