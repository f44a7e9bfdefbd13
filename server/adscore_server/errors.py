"""The errors that the server adds to those of the scoring core.

AdscoreError
├── CallAbandonedError            a call whose caller has gone
├── InvalidRequestError           a call that is wrong as a whole, with the field at fault
├── ModelNotFoundError            a call for a model or version that is not served
├── ModelWithoutAgreementError    a call for what the model was not trained for
├── OverloadedError               a call beyond the server's capacity
├── RateLimitedError              a call beyond its caller's rate limit
├── RequestTimeoutError           a call whose request did not arrive in time
├── ServerStartingError           a call that came before any model was ready
├── ServerStoppingError           a call that came after the server began to stop
├── UnauthenticatedError          a call without a known token
└── StartError                    the server cannot start; for its operator

`adscore_server.calls.status` maps each of them to a gRPC status.
"""

from enum import StrEnum

from adscore.errors import AdscoreError, Reason


class CallReason(StrEnum):
    """Why a call failed as a whole: stable names, sent on the wire."""

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
    """The call is invalid as a whole.

    Attributes:
        field: Path of the field at fault, e.g. ``"creatives"`` or ``"images[5]"``; empty if no
            field is to blame.
        reason: Stable name of the cause.
    """

    def __init__(self, field: str, reason: CallReason | Reason, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.reason = reason


class ModelNotFoundError(AdscoreError):
    """The model or version is not served; the text says which are."""


class ModelWithoutAgreementError(AdscoreError):
    """The call asks for agreement, and the model was not trained for it."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(
            "expected a model that was trained to say how well headline and image fit together "
            f"(adscore train --align). Received: {name} version {version}, which was not"
        )


class ServerStartingError(AdscoreError):
    """The call came before any model was ready; another server may accept it."""

    def __init__(self) -> None:
        super().__init__("this server has no model that is ready yet. Call another, or later")


class ServerStoppingError(AdscoreError):
    """The call came after the server began to stop; another server may accept it."""

    def __init__(self) -> None:
        super().__init__("this server is stopping and takes no new calls. Call another, or later")


class CallAbandonedError(AdscoreError):
    """The call was cancelled, or its deadline passed, before work on it began."""

    def __init__(self) -> None:
        super().__init__("the caller has gone, so this call was not worked on")


class RequestTimeoutError(AdscoreError):
    """The request of the call did not arrive in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"expected the request within {seconds:g} s, or sooner where other callers need the "
            "place. Received: no whole request"
        )


class OverloadedError(AdscoreError):
    """The server sheds the call, since too many already wait.

    Attributes:
        retry_seconds: When the waiting calls should be done, in seconds from now.
    """

    def __init__(self, retry_seconds: float) -> None:
        super().__init__(
            "expected no more calls than this server can take. Received: one that found its queue "
            f"full. Try again in {retry_seconds:.3f} s, or call another server"
        )
        self.retry_seconds = retry_seconds


class RateLimitedError(AdscoreError):
    """The call exceeds the rate limit of its caller.

    Attributes:
        retry_seconds: When a retry may succeed, in seconds from now.
    """

    def __init__(self, creatives_per_second: float, retry_seconds: float) -> None:
        super().__init__(
            f"expected at most {creatives_per_second:g} creatives a second from this caller. "
            f"Received: more. Try again in {retry_seconds:.3f} s"
        )
        self.retry_seconds = retry_seconds


class UnauthenticatedError(AdscoreError):
    """The call has no token, or an unknown one.

    Attributes:
        reason: Stable name of the cause: token missing or unknown.
    """

    def __init__(self, *, token_given: bool) -> None:
        self.reason = CallReason.TOKEN_UNKNOWN if token_given else CallReason.TOKEN_MISSING
        received = "a token that this server does not know" if token_given else "none"
        super().__init__(
            "expected a token, as metadata `authorization: Bearer TOKEN`. "
            f"Received: {received}. The operator of the server makes one with `adscore token`"
        )


class StartError(AdscoreError):
    """The server cannot start because of its models, its address or its settings."""
