"""The exceptions of the client.

    AdscoreError
    ├── InvalidRequestError         the server refused what was asked
    │   └── InvalidCreativeError    ... because of the creative: headline, image, id or context
    ├── ModelNotFoundError          the server has no such model or version
    ├── MessageTooLargeError        request or answer above a message limit
    ├── AccessError
    │   ├── AuthenticationError     the server does not know who calls
    │   └── PermissionDeniedError   it knows, and does not allow this call
    ├── ServerUnavailableError      no server answers, or it is starting or stopping
    ├── OverloadedError             the server has too much work
    ├── DeadlineExceededError       no answer within the timeout
    ├── CallCancelledError          the call was cancelled in flight
    ├── UnsupportedError            the server does not offer this call
    │   └── ModelUnsupportedError   ... with this model, which was not trained for it
    ├── ServerError                 the server failed, or broke the contract
    ├── ClientClosedError           the client was used after close()
    └── ClientUnusableError         gRPC cannot work where the client was used

The methods of the client raise nothing else on purpose, but for ``TypeError`` and
``ValueError`` where an argument is of the wrong type or outside its range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypedDict, Unpack

import grpc


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that was refused.

    Attributes:
        field: Path of the field, e.g. ``"image"`` or ``"model_version"``.
        description: What was expected and what was received.
    """

    field: str
    description: str


class ErrorFields(TypedDict, total=False):
    """Fields that every exception of the client accepts beside its text."""

    code: grpc.StatusCode | None
    reason: str
    retryable: bool
    retry_after_seconds: float | None
    creative_id: str
    request_id: str


class AdscoreError(Exception):
    """Base class of every exception of the client.

    Attributes:
        code: Status of the call, or of one creative in it; None if the error was found before
            anything was sent.
        reason: Stable name of the cause, e.g. ``"IMAGE_UNREADABLE"``; empty where the
            server gave none.
        retryable: Whether the same call may succeed later, unchanged.
        retry_after_seconds: How long the server asks to wait before that; None if it does not
            say.
        creative_id: Id of the creative that has no score; empty if it has no id or the whole
            call failed.
        request_id: Id of the call in the server's log; empty if nothing was sent.
    """

    def __init__(self, message: str, **fields: Unpack[ErrorFields]) -> None:
        # The text alone goes to args, so that exceptions can be pickled and copied.
        super().__init__(message)
        self.code = fields.pop("code", None)
        self.reason = fields.pop("reason", "")
        self.retryable = fields.pop("retryable", False)
        self.retry_after_seconds = fields.pop("retry_after_seconds", None)
        self.creative_id = fields.pop("creative_id", "")
        self.request_id = fields.pop("request_id", "")
        if fields:
            raise TypeError(
                f"{type(self).__name__}: expected fields among "
                f"{', '.join(ErrorFields.__annotations__)}. Received: {', '.join(fields)}"
            )


class InvalidRequestError(AdscoreError):
    """The server refused the request, and would refuse it again.

    Attributes:
        field: Path of the first refused field, e.g. ``"model_version"``; empty if no field is
            to blame.
        violations: Every refused field, as far as known.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        violations: Sequence[FieldViolation] = (),
        **fields: Unpack[ErrorFields],
    ) -> None:
        super().__init__(message, **fields)
        self.field = field
        self.violations = tuple(violations)


class InvalidCreativeError(InvalidRequestError):
    """The creative cannot be scored: it was refused by the server, or could not be read.

    ``field`` is ``"headline"``, ``"image"``, ``"id"``, ``"context"``, ``"context[NAME]"`` or
    empty; from ``match`` it is ``"headlines[2]"`` or ``"images[5]"``, counted from 0. Where the
    image came from a file, the text names it.

    The client itself gives these reasons, with ``code`` None: ``IMAGE_FILE_UNREADABLE``,
    ``IMAGE_EMPTY``, ``IMAGE_UNREADABLE`` (a Pillow image that cannot be saved),
    ``HEADLINE_NOT_TEXT``, ``TEXT_NOT_UNICODE`` (an id or context), ``CREATIVE_TOO_LARGE``
    and, from ``score_many`` alone, ``WRONG_TYPE``.
    """


class ModelNotFoundError(AdscoreError):
    """The server has no such model, or no such version of it."""


class MessageTooLargeError(AdscoreError):
    """A request above the server's message limit, or an answer above the client's.

    ``code`` is None where the client itself refused the headlines and images of a ``match`` or
    a grid, before anything was sent.
    """


class AccessError(AdscoreError):
    """The server does not let this caller make this call."""


class AuthenticationError(AccessError):
    """The server cannot identify the caller: credentials are missing, wrong or expired."""


class PermissionDeniedError(AccessError):
    """The server knows the caller and does not allow this call."""


class ServerUnavailableError(AdscoreError):
    """No server answers at the address, or the one there is starting or stopping.

    Attributes:
        address: The address that was tried.
    """

    def __init__(self, message: str, *, address: str = "", **fields: Unpack[ErrorFields]) -> None:
        super().__init__(message, **fields)
        self.address = address


class OverloadedError(AdscoreError):
    """The server has too much work; ``retry_after_seconds`` says how long to wait."""


class DeadlineExceededError(AdscoreError):
    """No answer within the timeout of the call.

    Attributes:
        timeout_seconds: The timeout of the call.
    """

    def __init__(
        self, message: str, *, timeout_seconds: float = 0.0, **fields: Unpack[ErrorFields]
    ) -> None:
        super().__init__(message, **fields)
        self.timeout_seconds = timeout_seconds


class CallCancelledError(AdscoreError):
    """The call was cancelled in flight: by ``close()``, or by a server until its deadline."""


class UnsupportedError(AdscoreError):
    """The server does not offer this call: it is older, or not an adscore server."""


class ModelUnsupportedError(UnsupportedError):
    """The model was not trained for this call; another model of the server may be."""


class ServerError(AdscoreError):
    """The server failed, or its answer breaks the contract."""


class ClientClosedError(AdscoreError):
    """The client was used after ``close()`` or after its ``with`` block."""

    @classmethod
    def of(cls, address: str) -> Self:
        """Returns the exception of a client of this address."""
        return cls(
            f"Expected an open client of {address}. Received: a call after close(). "
            "Make a new Client, or move the call into its `with` block"
        )


class ClientUnusableError(AdscoreError):
    """gRPC cannot work where the client was used, and would hang; nothing was sent.

    This happens in a process forked while calls were in flight; in an event loop while the loop of
    the client's first call still runs; and with threads replaced by eventlet or gevent, where gRPC
    does not support them.
    """


class WrongTypeError(TypeError):
    """A part of a creative of the wrong type; callers know it as a TypeError.

    Attributes:
        field: The part, e.g. ``"headline"``.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
