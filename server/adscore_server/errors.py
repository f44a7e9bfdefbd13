"""The errors of the server beside those of the scoring core.

    AdscoreError
    ├── CallAbandonedError            a call whose caller has gone
    ├── InvalidRequestError           a call that is wrong as a whole, with the field at fault
    ├── ModelNotFoundError            a call for a model or version that is not served
    ├── ModelWithoutAgreementError    a call for what the model was not trained for
    ├── OverloadedError               a call for which there is no room
    ├── RateLimitedError              a call beyond what its caller may send
    ├── RequestTimeoutError           a call whose request did not come
    ├── ServerStartingError           a call that came before any model was ready
    ├── ServerStoppingError           a call that came after the server began to stop
    ├── UnauthenticatedError          a call without a token that the server knows
    └── StartError                    what keeps the server from starting, told to its operator

`adscore_server.calls.status` says which gRPC status each of them becomes.
"""

from enum import StrEnum

from adscore.errors import AdscoreError, Reason


class CallReason(StrEnum):
    """Stable names of the causes for which a call fails as a whole; they travel on the wire."""

    BATCH_EMPTY = "BATCH_EMPTY"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    CALL_ABANDONED = "CALL_ABANDONED"
    REQUEST_NOT_RECEIVED = "REQUEST_NOT_RECEIVED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    REQUEST_UNREADABLE = "REQUEST_UNREADABLE"
    COUNTS_INVALID = "COUNTS_INVALID"
    DECISION_INVALID = "DECISION_INVALID"
    TARGET_UNKNOWN = "TARGET_UNKNOWN"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    MODEL_WITHOUT_AGREEMENT = "MODEL_WITHOUT_AGREEMENT"
    PLACEMENT_UNKNOWN = "PLACEMENT_UNKNOWN"
    QUEUE_FULL = "QUEUE_FULL"
    RATE_LIMITED = "RATE_LIMITED"
    SERVER_STARTING = "SERVER_STARTING"
    SERVER_STOPPING = "SERVER_STOPPING"
    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105
    INTERNAL = "INTERNAL"


class InvalidRequestError(AdscoreError):
    """A call that is wrong as a whole.

    Attributes:
        field: Path of the field at fault, e.g. ``"creatives"`` or ``"images[5]"``; empty where
            none can be named.
        reason: Stable name of the cause.
    """

    def __init__(self, field: str, reason: CallReason | Reason, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.reason = reason


class ModelNotFoundError(AdscoreError):
    """A call for a model or version that is not served; the text says what is."""


class ModelWithoutAgreementError(AdscoreError):
    """A call for agreement, to a model that was not trained for it."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(
            "expected a model that was trained to say how well headline and image fit together "
            f"(adscore train --align). Received: {name} version {version}, which was not"
        )


class ServerStartingError(AdscoreError):
    """A call that came before any model was ready; another server may take it."""

    def __init__(self) -> None:
        super().__init__("this server has no model that is ready yet. Call another, or later")


class ServerStoppingError(AdscoreError):
    """A call that came after the server began to stop; another server may take it."""

    def __init__(self) -> None:
        super().__init__("this server is stopping and takes no new calls. Call another, or later")


class CallAbandonedError(AdscoreError):
    """A call that was cancelled, or whose deadline passed, before it was worked on."""

    def __init__(self) -> None:
        super().__init__("the caller has gone, so this call was not worked on")


class RequestTimeoutError(AdscoreError):
    """A call whose request did not come in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"expected the request within {seconds:g} s, or sooner where other callers need the "
            "place. Received: no whole request"
        )


class OverloadedError(AdscoreError):
    """A call for which there is no room, since many wait already.

    Attributes:
        retry_seconds: After how long those that wait should be done.
    """

    def __init__(self, retry_seconds: float) -> None:
        super().__init__(
            "expected no more calls than this server can take. Received: one that found its queue "
            f"full. Try again in {retry_seconds:.3f} s, or call another server"
        )
        self.retry_seconds = retry_seconds


class RateLimitedError(AdscoreError):
    """A call beyond what its caller may send.

    Attributes:
        retry_seconds: After how long a retry is worth it.
    """

    def __init__(self, creatives_per_second: float, retry_seconds: float) -> None:
        super().__init__(
            f"expected at most {creatives_per_second:g} creatives a second from this caller. "
            f"Received: more. Try again in {retry_seconds:.3f} s"
        )
        self.retry_seconds = retry_seconds


class UnauthenticatedError(AdscoreError):
    """A call without a token that the server knows.

    Attributes:
        reason: Stable name of the cause: no token, or an unknown one.
    """

    def __init__(self, *, token_given: bool) -> None:
        self.reason = CallReason.TOKEN_UNKNOWN if token_given else CallReason.TOKEN_MISSING
        received = "a token that this server does not know" if token_given else "none"
        super().__init__(
            "expected a token, as metadata `authorization: Bearer TOKEN`. "
            f"Received: {received}. The operator of the server makes one with `adscore token`"
        )


class StartError(AdscoreError):
    """What keeps the server from starting: its models, its address or its settings."""
