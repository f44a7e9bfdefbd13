"""The connection of the blocking client: its channels, each opened by its first call."""

import queue
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import grpc

from adscore_client import _runtime
from adscore_client._calls import Connection, Metadata
from adscore_client._channel import ChannelSettings, bind_methods, service_to_watch
from adscore_client._exceptions import ClientClosedError

Result = TypeVar("Result")


def run(call: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine that awaits only a blocking connection, and so never suspends."""
    try:
        call.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise RuntimeError("expected a coroutine that never suspends. Received: one that did")


class BlockingConnection(Connection):
    """Sends calls over one channel per watched service; thread-safe.

    A channel is opened by its first call and not before: a process may fork after it creates its
    client, so gRPC must not have started by then.
    """

    def __init__(self, settings: ChannelSettings) -> None:
        super().__init__(settings)
        self._lock = threading.Lock()
        self._channels: list[grpc.Channel] = []
        self._methods: dict[str, dict[str, Any]] = {}  # by service

    async def call(
        self, method: str, request: Any, timeout_seconds: float, metadata: Metadata
    ) -> Any:
        """Makes one attempt at a call."""
        send = self._method(method)
        _runtime.CALLS_UNDER_WAY.add(under_way := object())
        try:
            return send(request, timeout=timeout_seconds, metadata=metadata)
        except ValueError as exc:
            # gRPC raises this if another thread has just closed the channel.
            raise ClientClosedError.of(self.settings.target.name) from exc
        finally:
            _runtime.CALLS_UNDER_WAY.discard(under_way)

    def stream(self, metadata: Metadata) -> "BlockingStream":
        """Opens a StreamScore call."""
        _runtime.check_stream_threads()
        try:
            return BlockingStream(self._method("StreamScore"), metadata)
        except ValueError as exc:  # as above
            raise ClientClosedError.of(self.settings.target.name) from exc

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Runs a function."""
        return function(*arguments)

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    def close(self) -> None:
        """Cancels calls in flight; may be called more than once."""
        if _runtime.is_unusable():
            self.is_closed = True  # the channel is the parent process's; closing it would hang
            return
        with self._lock:
            self.is_closed = True
            for channel in self._channels:
                channel.close()

    def _method(self, name: str) -> Any:
        self.check_open()
        service = service_to_watch(name)
        if service not in self._methods:
            with self._lock:
                self.check_open()
                if service not in self._methods:
                    self._open(service)
        return self._methods[service][name]

    def _open(self, service: str) -> None:
        _runtime.prepare_threads()
        channel = self.settings.open(service)
        self._channels.append(channel)
        self._methods[service] = bind_methods(channel)


class BlockingStream:
    """One open stream.

    A thread takes the answers from gRPC, which has no way to wait for the next one with a
    timeout.
    """

    def __init__(self, method: Any, metadata: Metadata) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
        _runtime.CALLS_UNDER_WAY.add(self)
        try:
            self._call = method(iter(self._requests.get, None), metadata=metadata)
        except BaseException:
            _runtime.CALLS_UNDER_WAY.discard(self)
            raise
        threading.Thread(target=self._read, name="adscore-answers", daemon=True).start()

    def send(self, request: Any) -> None:
        """Sends a request."""
        self._requests.put(request)

    def send_no_more(self) -> None:
        """Ends the requests."""
        self._requests.put(None)

    async def receive(self, timeout_seconds: float) -> Any:
        """Returns the next answer; None at the end of the stream."""
        try:
            outcome = self._outcomes.get(timeout=timeout_seconds)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(outcome, grpc.RpcError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Ends the call."""
        self._requests.put(None)
        self._call.cancel()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._outcomes.put(answer)
            self._outcomes.put(None)
        except grpc.RpcError as exc:
            self._outcomes.put(exc)
        finally:
            _runtime.CALLS_UNDER_WAY.discard(self)
            self._requests.put(None)  # ends gRPC's own thread that sends them
