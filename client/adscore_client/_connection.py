"""The connection of the client that blocks: one channel, opened by the first call."""

import queue
import threading
import time
from typing import Any, Self, TypeVar

import grpc

from adscore_client._bulk import Bulk
from adscore_client._core import Call, Core, Metadata
from adscore_client._deadline import Deadline
from adscore_client._exceptions import ClientClosedError
from adscore_client._methods import bind_methods
from adscore_client._retry import Attempts
from adscore_client._status import StreamEndedError, error_from_call, had_begun, no_answer

Result = TypeVar("Result")


class Connection:
    """Sends calls over one channel; safe to use from several threads.

    The channel is made by the first call and not before: a process may fork once it has its
    client, and gRPC must not have been started by then.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
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

    def send(self, call: Call[Result], *, wait_for_ready: bool = False) -> Result:
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
                response = self.method(call.method)(
                    call.request,
                    timeout=remaining,
                    metadata=call.metadata,
                    wait_for_ready=wait_for_ready or None,
                )
            except grpc.RpcError as exc:
                error = error_from_call(exc, call.context)
                if not had_begun(exc):
                    raise error from exc
                time.sleep(attempts.next_delay_seconds(error, call.deadline.left_seconds))
            except ValueError as exc:
                # gRPC's answer to a call on a channel that another thread has just closed.
                raise ClientClosedError.of(self._core.address) from exc
            else:
                return call.convert(response)

    def method(self, name: str) -> Any:
        """Returns what calls a method.

        Raises:
            ClientClosedError: The connection is closed.
        """
        with self._lock:
            self.check_open()
            if self._channel is None:
                self._channel = self._core.channel.open()
                self._methods = bind_methods(self._channel)
            return self._methods[name]

    def close(self) -> None:
        """Cancels calls that are under way; may be called more than once."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                self._channel.close()


class BulkStream:
    """The StreamScore call of one score_many, opened again where it breaks.

    Args:
        connection: Opens it.
        core: Gives the metadata of each attempt.
        bulk: Knows what has no answer yet.
    """

    def __init__(self, connection: Connection, core: Core, bulk: Bulk) -> None:
        self._connection = connection
        self._core = core
        self._bulk = bulk
        self._attempts = Attempts()
        self._stream: _Stream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stream is not None:
            self._stream.close(cancel=not self._bulk.is_done)

    def send(self, request: Any) -> None:
        """Sends a request; the first opens the stream."""
        self._opened().requests.put(request)

    def receive(self) -> Any:
        """Waits for the next answer.

        Raises:
            AdscoreError: There is none within the timeout, or the stream broke for good.
        """
        context = self._bulk.context
        deadline = Deadline(context.timeout_seconds)
        while True:
            outcome = self._opened().next_outcome(deadline.left_seconds)
            if outcome is None:
                raise no_answer(context)
            if not isinstance(outcome, grpc.RpcError):
                self._attempts.answered()
                return outcome
            self._stream = None
            error = error_from_call(outcome, context)
            time.sleep(self._attempts.next_delay_seconds(error, deadline.left_seconds))
            for request in self._bulk.unanswered:
                self.send(request)

    def _opened(self) -> "_Stream":
        if self._stream is None:
            metadata = self._core.metadata(self._bulk.context)
            try:
                self._stream = _Stream(self._connection.method("StreamScore"), metadata)
            except ValueError as exc:  # as in Connection.send
                raise ClientClosedError.of(self._core.address) from exc
        return self._stream


class _Stream:
    """One open stream.

    A thread of its own takes the answers from gRPC, which knows no way to wait for the next
    one for a while only.
    """

    def __init__(self, method: Any, metadata: Metadata) -> None:
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call = method(iter(self.requests.get, None), metadata=metadata)
        threading.Thread(target=self._read, name="adscore-answers", daemon=True).start()

    def next_outcome(self, timeout_seconds: float) -> Any:
        """Returns an answer, or the exception that ended the stream; None where time is up."""
        try:
            return self._outcomes.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def close(self, *, cancel: bool) -> None:
        """Says that nothing follows; ``cancel`` where answers are no longer wanted."""
        self.requests.put(None)
        if cancel:
            self._call.cancel()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._outcomes.put(answer)
            self._outcomes.put(StreamEndedError())
        except grpc.RpcError as exc:
            self._outcomes.put(exc)
        self.requests.put(None)  # gRPC's own thread takes them, and ends by this
