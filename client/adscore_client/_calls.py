"""How calls are sent and retried."""

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import grpc

from adscore_client import _runtime
from adscore_client._arguments import Deadline
from adscore_client._channel import ChannelSettings
from adscore_client._exceptions import ClientClosedError
from adscore_client._status import CallContext, error_from_call, no_answer
from adscore_protos.v1 import scoring_pb2

Result = TypeVar("Result")
Metadata = tuple[tuple[str, str], ...]

# Scoring changes nothing on the server, so any call may be repeated. CANCELLED comes from a server
# or a proxy; a cancellation by the caller does not arrive here as a gRPC error.
RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)

_MIN_WAIT_SECONDS = 0.01  # never retry in a tight loop, even if the server asks for no wait
_INITIAL_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 2.0
_JITTER = 0.2  # so that clients that failed together do not return together


class Stream(Protocol):
    """One open StreamScore call."""

    def send(self, request: scoring_pb2.StreamScoreRequest) -> None:
        """Sends a request."""

    def send_no_more(self) -> None:
        """Ends the requests."""

    async def receive(self, timeout_seconds: float) -> scoring_pb2.StreamScoreResponse | None:
        """Returns the next answer; None at the end of the stream.

        Raises:
            TimeoutError: No answer came in time.
            grpc.RpcError: The stream has failed.
        """

    def close(self) -> None:
        """Ends the call; does nothing if it has ended."""


class Connection(ABC):
    """Sends the calls of a client; the only part of it that waits.

    Attributes:
        is_closed: Whether ``close`` was called.
    """

    def __init__(self, settings: ChannelSettings) -> None:
        self.settings = settings
        self.is_closed = False

    def check_open(self) -> None:
        """Refuses calls after ``close``, and wherever gRPC would hang.

        Raises:
            ClientClosedError: It is closed.
            ClientUnusableError: gRPC cannot work here.
        """
        if self.is_closed:
            raise ClientClosedError.of(self.settings.target.name)
        _runtime.check_usable()

    @abstractmethod
    async def call(
        self, method: str, request: Any, timeout_seconds: float, metadata: Metadata
    ) -> Any:
        """Makes one attempt at a call.

        Raises:
            grpc.RpcError: It failed.
            ClientClosedError: The connection is closed.
        """

    @abstractmethod
    def stream(self, metadata: Metadata) -> Stream:
        """Opens a StreamScore call.

        Raises:
            ClientClosedError: The connection is closed.
        """

    @abstractmethod
    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Runs a function that may block."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Waits."""


async def retry(
    attempt: Callable[[], Awaitable[Result]],
    connection: Connection,
    deadline: Deadline,
    context: CallContext,
) -> Result:
    """Retries a call until it is answered or its time is up.

    Args:
        attempt: Makes one attempt.
        connection: The connection, which waits between attempts.
        deadline: The deadline of all attempts together.
        context: Details for error texts.

    Raises:
        AdscoreError: The failure is permanent, or too little time is left for another attempt.
    """
    failed = 0
    before = ""  # why the attempt before failed
    while True:
        try:
            return await attempt()
        except grpc.RpcError as exc:
            error = error_from_call(exc, context)
            if before and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise no_answer(context, f"the attempt before failed: {before}") from exc
            if connection.is_closed:
                error.retryable = False  # the caller caused it
            delay = _delay_seconds(failed, error.retry_after_seconds, deadline.left_seconds)
            if not error.retryable or error.code not in RETRIED or delay is None:
                raise error from exc
            before = str(error)
        failed += 1
        await connection.sleep(delay)
        if not deadline.left_seconds:  # a pause may overrun on a busy machine
            raise error


def _delay_seconds(failed: int, asked: float | None, left_seconds: float) -> float | None:
    """Returns how long to wait before the next attempt; None if there is no time for one.

    Args:
        failed: Failed attempts before the last one.
        asked: Delay that the server asks for, if any.
        left_seconds: Time left for all attempts.
    """
    if asked is not None:
        delay = max(asked, _MIN_WAIT_SECONDS)
        return delay if delay < left_seconds else None
    if left_seconds < _INITIAL_BACKOFF_SECONDS:
        return None
    backoff: float = min(_INITIAL_BACKOFF_SECONDS * 2 ** min(failed, 10), _MAX_BACKOFF_SECONDS)
    backoff *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
    return min(backoff, left_seconds / 2)  # so that the last attempts come close to the deadline
