"""Errors -> gRPC status: the only place that maps errors to codes and details.

Every failed call carries google.rpc.ErrorInfo; one that names a field, google.rpc.BadRequest
too. The text of an unexpected exception may quote a creative, so it never leaves the process
and is not logged either: the log gets the exception's type and traceback.
"""

import logging
import math
import traceback
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from adscore.errors import InvalidCreativeError, InvalidQuestionError, UnanswerableError
from adscore_server.errors import (
    CallAbandonedError,
    CallReason,
    InvalidRequestError,
    ModelNotFoundError,
    ModelWithoutAgreementError,
    OverloadedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerStartingError,
    ServerStoppingError,
    UnauthenticatedError,
)

ERROR_DOMAIN = "adscore"
INTERNAL_TEXT = "the server failed on this call; its log says where"

# A status travels in HTTP/2 trailers, which peers limit to 8 KiB, and repeats the text up to three
# times, encoded. Field names may contain the caller's text.
_MAX_MESSAGE_BYTES = 1_000
_MAX_FIELD_BYTES = 200

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the caller sees it.

    Attributes:
        code: The status code.
        reason: Stable name of the cause.
        message: Text for a person.
        field: Path of the field at fault in the request; empty if there is none.
        retry_seconds: Seconds after which to retry; None if a retry is pointless.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    field: str = ""
    retry_seconds: float | None = None


def describe(error: Exception, creative_path: str = "creative") -> Failure:
    """Describes an error for the caller.

    Args:
        error: Any exception.
        creative_path: Path of the creative in the request, for errors of a creative.
    """
    text = _cut(str(error), _MAX_MESSAGE_BYTES)
    match error:
        case InvalidCreativeError(field=field, reason=reason):
            path = _cut(f"{creative_path}.{field}", _MAX_FIELD_BYTES)
            return Failure(grpc.StatusCode.INVALID_ARGUMENT, reason, text, path)
        case (
            InvalidRequestError(field=field, reason=reason)
            | InvalidQuestionError(field=field, reason=reason)
        ):
            path = _cut(field, _MAX_FIELD_BYTES)
            return Failure(grpc.StatusCode.INVALID_ARGUMENT, reason, text, path)
        case ModelNotFoundError():
            return Failure(grpc.StatusCode.NOT_FOUND, CallReason.MODEL_NOT_FOUND, text)
        case ModelWithoutAgreementError():
            code = grpc.StatusCode.FAILED_PRECONDITION
            return Failure(code, CallReason.MODEL_WITHOUT_AGREEMENT, text)
        case UnanswerableError(reason=reason):
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, reason, text)
        case ServerStartingError():
            return Failure(grpc.StatusCode.UNAVAILABLE, CallReason.SERVER_STARTING, text)
        case ServerStoppingError():
            return Failure(grpc.StatusCode.UNAVAILABLE, CallReason.SERVER_STOPPING, text)
        case UnauthenticatedError(reason=reason):
            return Failure(grpc.StatusCode.UNAUTHENTICATED, reason, text)
        case RequestTimeoutError():
            return Failure(grpc.StatusCode.DEADLINE_EXCEEDED, CallReason.REQUEST_NOT_RECEIVED, text)
        case CallAbandonedError():
            return Failure(grpc.StatusCode.CANCELLED, CallReason.CALL_ABANDONED, text)
        case OverloadedError(retry_seconds=seconds):
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return Failure(code, CallReason.QUEUE_FULL, text, retry_seconds=seconds)
        case RateLimitedError(retry_seconds=seconds):
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return Failure(code, CallReason.RATE_LIMITED, text, retry_seconds=seconds)
        case _:
            return Failure(grpc.StatusCode.INTERNAL, CallReason.INTERNAL, INTERNAL_TEXT)


def to_rpc_status(failure: Failure, request_id: str = "") -> grpc.Status:
    """Converts a failure to the status with which a servicer aborts.

    Args:
        failure: The error as the caller sees it.
        request_id: Id of the call, repeated in the details; empty if it has none.
    """
    info = error_details_pb2.ErrorInfo(reason=failure.reason, domain=ERROR_DOMAIN)
    if request_id:
        info.metadata["request_id"] = request_id
    details: list[Message] = [info]
    if failure.retry_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(_milliseconds(failure.retry_seconds))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if failure.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=failure.field, description=failure.message
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(
        code=code_number(failure.code), message=failure.message, details=map(_packed, details)
    )
    converted: grpc.Status = rpc_status.to_status(status)
    if failure.retry_seconds is None:
        return converted
    # If the client has gRPC's own retries enabled, they wait this long.
    pushback = ("grpc-retry-pushback-ms", str(_milliseconds(failure.retry_seconds)))
    return _Status(
        converted.code, converted.details, (*(converted.trailing_metadata or ()), pushback)
    )


def code_number(code: grpc.StatusCode) -> int:
    """The number of a status code in google.rpc.Code."""
    number: int = code.value[0]
    return number


def log_unexpected(error: Exception, where: str) -> None:
    """Logs an exception without its text, which may quote a creative."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _logger.error("%s failed: %s\n%s", where, type(error).__qualname__, frames.rstrip())


class _Status(grpc.Status):
    def __init__(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= max_bytes:
        return text
    return encoded[: max_bytes - 3].decode(errors="ignore") + "..."
