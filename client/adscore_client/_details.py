"""The details of a failed call: trailing metadata -> reason, refused fields, time to wait."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from adscore_client._exceptions import FieldViolation

# Where gRPC carries a google.rpc.Status, by convention of its libraries.
_STATUS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """What a server says of an error beside its code and text.

    Attributes:
        reason: Stable name of the cause; empty where there is none.
        violations: The refused fields, with their paths as the server names them.
        retry_after_seconds: How long to wait before the next try; None where it is not said.
        request_id: Id of the call in the server's log; empty where it is not said.
    """

    reason: str = ""
    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds: float | None = None
    request_id: str = ""


def decode_details(metadata: Iterable[Any] | None) -> StatusDetails:
    """Reads what can be read; details that are missing or damaged never hide the error itself.

    Args:
        metadata: Trailing metadata of the call, pairs of key and value.
    """
    encoded = next((value for key, value in metadata or () if key == _STATUS_KEY), None)
    if not isinstance(encoded, bytes):
        return StatusDetails()
    # Imported here: a caller whose calls succeed never pays for it.
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    reason = request_id = ""
    violations: list[FieldViolation] = []
    retry_after = None
    try:
        for detail in status_pb2.Status.FromString(encoded).details:
            message: Any = _unpack(detail, error_details_pb2)
            if isinstance(message, error_details_pb2.ErrorInfo):
                reason = reason or message.reason
                request_id = request_id or message.metadata.get("request_id", "")
            elif isinstance(message, error_details_pb2.BadRequest):
                violations += [
                    FieldViolation(v.field, v.description) for v in message.field_violations
                ]
            elif isinstance(message, error_details_pb2.RetryInfo):
                delay = message.retry_delay
                retry_after = delay.seconds + delay.nanos / 1e9
    except DecodeError:
        pass
    return StatusDetails(reason, tuple(violations), retry_after, request_id)


def _unpack(detail: Any, error_details: Any) -> Any:
    for kind in (error_details.ErrorInfo, error_details.BadRequest, error_details.RetryInfo):
        if detail.Is(kind.DESCRIPTOR):
            return kind.FromString(detail.value)
    return None
