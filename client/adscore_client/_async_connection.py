"""The connection of the client for asyncio: one channel, opened by the first call."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self, TypeVar

import grpc
import grpc.aio

from adscore_client._bulk import Bulk
from adscore_client._core import Call, Core, Metadata
from adscore_client._deadline import Deadline
from adscore_client._exceptions import ClientClosedError
from adscore_client._methods import bind_methods
from adscore_client._retry import Attempts
from adscore_client._status import (
    StreamEndedError,
    call_cancelled,
    error_from_call,
    had_begun,
    no_answer,
)

Result = TypeVar("Result")

# What grpc.aio says, instead of the server's status, where the stream ended while it sent a
# request. The next attempt sends all at once, and gets the status if there is one.
_LOST_STATUS = "Internal error from Core"


class AsyncConnection:
    """Sends calls over one channel, which belongs to the event loop of the first call."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def check_open(self) -> None:
        """Raises ClientClosedError after ``close``."""
        if self._closed:
            raise ClientClosedError.of(self._core.address)

    async def send(self, call: Call[Result], *, wait_for_ready: bool = False) -> Result:
        """Sends a call and returns its result.

        Args:
            call: What to send.
            wait_for_ready: Whether to wait for a server rather than to fail without one.

        Raises:
            AdscoreError: The call failed; the subclass says why.
        """
        attempts = Attempts()
        while True:
            remaining = call.deadline.remaining_seconds(call.context.creative_id)
            try:
                response = await self.method(call.method)(
                    call.request,
                    timeout=remaining,
                    metadata=call.metadata,
                    wait_for_ready=wait_for_ready or None,
                )
            except grpc.RpcError as exc:
                error = error_from_call(exc, call.context)
                if not had_begun(exc):
                    raise error from exc
                await asyncio.sleep(attempts.next_delay_seconds(error, call.deadline.left_seconds))
            except asyncio.CancelledError as exc:
                if self.was_closed_under_way():
                    raise call_cancelled(call.context) from exc
                raise
            else:
                return call.convert(response)

    def was_closed_under_way(self) -> bool:
        """Whether it is the client that was closed, and not this task that was cancelled."""
        task = asyncio.current_task()
        return self._closed and not (task and task.cancelling())

    def method(self, name: str) -> Any:
        """Returns what calls a method.

        Raises:
            ClientClosedError: The connection is closed.
        """
        self.check_open()
        if self._channel is None:
            self._channel = self._core.channel.open_async()
            self._methods = bind_methods(self._channel)
        return self._methods[name]

    async def close(self) -> None:
        """Cancels calls that are under way; may be called more than once."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()


class AsyncBulkStream:
    """The StreamScore call of one score_many, opened again where it breaks.

    Args:
        connection: Opens it.
        core: Gives the metadata of each attempt.
        bulk: Knows what has no answer yet.
    """

    def __init__(self, connection: AsyncConnection, core: Core, bulk: Bulk) -> None:
        self._connection = connection
        self._core = core
        self._bulk = bulk
        self._attempts = Attempts()
        self._stream: _Stream | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._stream is not None:
            self._stream.close(cancel=not self._bulk.is_done)

    async def send(self, request: Any) -> None:
        """Sends a request; the first opens the stream."""
        (await self._opened()).requests.put_nowait(request)

    async def receive(self) -> Any:
        """Waits for the next answer.

        Raises:
            AdscoreError: There is none within the timeout, or the stream broke for good.
        """
        context = self._bulk.context
        deadline = Deadline(context.timeout_seconds)
        while True:
            stream = await self._opened()
            try:
                answer = await stream.next_answer(deadline.left_seconds)
            except TimeoutError as exc:
                raise no_answer(context) from exc
            except asyncio.CancelledError as exc:
                if self._connection.was_closed_under_way():
                    raise call_cancelled(context) from exc
                raise
            except grpc.RpcError as exc:
                error = error_from_call(exc, context)
            else:
                self._attempts.answered()
                return answer
            self._stream = None
            await asyncio.sleep(self._attempts.next_delay_seconds(error, deadline.left_seconds))
            for request in self._bulk.unanswered:
                await self.send(request)

    async def _opened(self) -> "_Stream":
        if self._stream is None:
            # A token may come from a file or another service.
            metadata = await asyncio.to_thread(self._core.metadata, self._bulk.context)
            self._stream = _Stream(self._connection.method("StreamScore"), metadata)
        return self._stream


class _Stream:
    """One open stream."""

    def __init__(self, method: Any, metadata: Metadata) -> None:
        self.requests: asyncio.Queue[Any] = asyncio.Queue()
        self._call = method(self._iterate(), metadata=metadata)

    async def next_answer(self, timeout_seconds: float) -> Any:
        """Returns the next answer.

        Raises:
            TimeoutError: There is none in time.
            grpc.RpcError: The stream has ended.
        """
        try:
            answer = await asyncio.wait_for(self._call.read(), timeout_seconds)
            if answer is not grpc.aio.EOF:
                return answer
        except grpc.aio.AioRpcError as exc:
            self.close(cancel=False)  # gRPC's own task takes requests, and ends by this
            if exc.details() == _LOST_STATUS:
                raise StreamEndedError from exc
            raise
        self.close(cancel=False)
        raise StreamEndedError

    def close(self, *, cancel: bool) -> None:
        """Says that nothing follows; ``cancel`` where answers are no longer wanted."""
        self.requests.put_nowait(None)
        if cancel:
            self._call.cancel()

    async def _iterate(self) -> AsyncIterator[Any]:
        while (request := await self.requests.get()) is not None and not self._call.done():
            yield request
