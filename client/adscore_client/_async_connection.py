"""The connection of the client for asyncio: its channels, each opened by its first call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio

from adscore_client import _runtime
from adscore_client._calls import Connection, Metadata
from adscore_client._channel import ChannelSettings, bind_methods, service_to_watch
from adscore_client._exceptions import ClientUnusableError
from adscore_client._status import LocalError, stream_ended

Result = TypeVar("Result")

# grpc.aio reports this instead of the server's status when the stream ends while it sends a
# request. The next attempt sends everything at once, and gets the status if there is one.
_LOST_STATUS = "Internal error from Core"


class AsyncConnection(Connection):
    """Sends calls over one channel per watched service, in the event loop of the first call.

    Once that loop is closed, the next loop gets new channels.
    """

    def __init__(self, settings: ChannelSettings) -> None:
        super().__init__(settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channels: list[grpc.aio.Channel] = []
        self._methods: dict[str, dict[str, Any]] = {}  # by service

    async def call(
        self, method: str, request: Any, timeout_seconds: float, metadata: Metadata
    ) -> Any:
        """Makes one attempt at a call."""
        send = self._method(method)
        try:
            return await send(request, timeout=timeout_seconds, metadata=metadata)
        except asyncio.CancelledError as exc:
            self.raise_cancelled(exc)

    def stream(self, metadata: Metadata) -> "AsyncStream":
        """Opens a StreamScore call."""
        return AsyncStream(self, self._method("StreamScore"), metadata)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Runs a function on another thread, to keep the event loop free."""
        return await asyncio.to_thread(function, *arguments)

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Cancels calls in flight; may be called more than once."""
        self.is_closed = True
        if self._loop is asyncio.get_running_loop():
            for channel in self._channels:
                await channel.close()

    def raise_cancelled(self, exc: asyncio.CancelledError) -> NoReturn:
        """Raises the cause of a cancellation: the client was closed, or this task was cancelled."""
        task = asyncio.current_task()
        if self.is_closed and not (task and task.cancelling()):
            raise LocalError(grpc.StatusCode.CANCELLED, "the client was closed") from exc
        raise exc

    def _method(self, name: str) -> Any:
        self.check_open()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        service = service_to_watch(name)
        if service not in self._methods:
            channel = self.settings.open_async(service)
            self._channels.append(channel)
            self._methods[service] = bind_methods(channel)
        return self._methods[service][name]

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        _runtime.check_loop_threads()
        if self._loop is not None and not self._loop.is_closed():
            raise ClientUnusableError(
                "Expected an AsyncClient in the event loop of its first call, while that is not "
                "closed. Received: a call in another loop. Make one AsyncClient for each loop"
            )
        _runtime.LOOPS.add(loop)
        self._loop, self._channels, self._methods = loop, [], {}


class AsyncStream:
    """One open stream."""

    def __init__(self, connection: AsyncConnection, method: Any, metadata: Metadata) -> None:
        self._connection = connection
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._call = method(self._iterate(), metadata=metadata)

    def send(self, request: Any) -> None:
        """Sends a request."""
        self._requests.put_nowait(request)

    def send_no_more(self) -> None:
        """Ends the requests."""
        self._requests.put_nowait(None)

    async def receive(self, timeout_seconds: float) -> Any:
        """Returns the next answer; None at the end of the stream."""
        try:
            answer = await asyncio.wait_for(self._call.read(), timeout_seconds)
        except asyncio.CancelledError as exc:
            self._connection.raise_cancelled(exc)
        except grpc.aio.AioRpcError as exc:
            self.send_no_more()  # ends gRPC's own task that sends requests
            if exc.details() == _LOST_STATUS:
                raise stream_ended() from exc
            raise
        if answer is not grpc.aio.EOF:
            return answer
        self.send_no_more()
        return None

    def close(self) -> None:
        """Ends the call."""
        self.send_no_more()
        self._call.cancel()

    async def _iterate(self) -> AsyncIterator[Any]:
        while (request := await self._requests.get()) is not None and not self._call.done():
            yield request
