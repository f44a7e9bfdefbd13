"""Errors -> gRPC status: the one place that knows which error gets which code and details.

Every failed call carries google.rpc.ErrorInfo; one that names a field, google.rpc.BadRequest
too. The text of an unexpected exception may quote a creative, so it never leaves the process
and is not logged either: the log gets the exception's type and traceback.
"""

import logging
import traceback
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from adscore.errors import InvalidCreativeError
from adscore_server.errors import (
    CallReason,
    InvalidRequestError,
    ModelNotFoundError,
    ModelWithoutAgreementError,
    ServerStartingError,
    ServerStoppingError,
)

ERROR_DOMAIN = "adscore"
INTERNAL_TEXT = "the server failed on this call; its log says where"

# A status travels in HTTP/2 trailers, which peers limit to 8 KiB, and it holds the text up to
# three times, encoded. Names of fields may hold what a caller sent.
_MAX_MESSAGE_BYTES = 1_000
_MAX_FIELD_BYTES = 200

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller is told of an error.

    Attributes:
        code: The status code.
        reason: Stable name of the cause.
        message: Text for a person.
        field: Path of the field at fault in the request; empty where there is none.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    field: str = ""


def describe(error: Exception, creative_path: str = "creative") -> Failure:
    """Says what a caller is told of an error.

    Args:
        error: Any exception.
        creative_path: Path of the creative in the request, for errors of a creative.
    """
    text = _cut(str(error), _MAX_MESSAGE_BYTES)
    match error:
        case InvalidCreativeError(field=field, reason=reason):
            path = _cut(f"{creative_path}.{field}", _MAX_FIELD_BYTES)
            return Failure(grpc.StatusCode.INVALID_ARGUMENT, reason, text, path)
        case InvalidRequestError(field=field, reason=reason):
            return Failure(grpc.StatusCode.INVALID_ARGUMENT, reason, text, field)
        case ModelNotFoundError():
            return Failure(grpc.StatusCode.NOT_FOUND, CallReason.MODEL_NOT_FOUND, text)
        case ModelWithoutAgreementError():
            code = grpc.StatusCode.FAILED_PRECONDITION
            return Failure(code, CallReason.MODEL_WITHOUT_AGREEMENT, text)
        case ServerStartingError():
            return Failure(grpc.StatusCode.UNAVAILABLE, CallReason.SERVER_STARTING, text)
        case ServerStoppingError():
            return Failure(grpc.StatusCode.UNAVAILABLE, CallReason.SERVER_STOPPING, text)
        case _:
            return Failure(grpc.StatusCode.INTERNAL, CallReason.INTERNAL, INTERNAL_TEXT)


def to_rpc_status(failure: Failure) -> grpc.Status:
    """Converts a failure to what a servicer's context aborts with."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=failure.reason, domain=ERROR_DOMAIN)
    ]
    if failure.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=failure.field, description=failure.message
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(
        code=code_number(failure.code), message=failure.message, details=map(_packed, details)
    )
    return rpc_status.to_status(status)


def code_number(code: grpc.StatusCode) -> int:
    """The number of a status code, as of google.rpc.Code."""
    number: int = code.value[0]
    return number


def log_unexpected(error: Exception, where: str) -> None:
    """Logs an exception without its text, which may quote a creative."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _logger.error("%s failed: %s\n%s", where, type(error).__qualname__, frames.rstrip())


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= max_bytes:
        return text
    return encoded[: max_bytes - 3].decode(errors="ignore") + "..."
