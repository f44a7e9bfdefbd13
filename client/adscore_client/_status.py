"""gRPC status -> exception: the only place where one becomes the other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc

from adscore_client._details import StatusDetails, decode_details
from adscore_client._exceptions import (
    AdscoreError,
    AuthenticationError,
    CallCancelledError,
    DeadlineExceededError,
    ErrorFields,
    FieldViolation,
    InvalidCreativeError,
    InvalidRequestError,
    MessageTooLargeError,
    ModelNotFoundError,
    ModelUnsupportedError,
    OverloadedError,
    PermissionDeniedError,
    ServerError,
    ServerUnavailableError,
    UnsupportedError,
)
from adscore_protos.v1 import scoring_pb2


@dataclass(frozen=True, slots=True)
class CallContext:
    """What the text of an error names.

    Attributes:
        address: Address of the server.
        timeout_seconds: Timeout of the call.
        creative_id: Id of the creative, where the call or the item is about one.
        image_files: Paths of the images that came from files, by field, e.g. ``"image"`` or
            ``"images[5]"``.
        request_id: Id of the call in the server's log.
    """

    address: str
    timeout_seconds: float
    request_id: str = ""
    creative_id: str = ""
    image_files: Mapping[str, str] = field(default_factory=dict)


class Meaning(NamedTuple):
    """What a status becomes."""

    kind: type[AdscoreError]
    retryable: bool


# Retryable: scoring changes nothing on the server, so all that counts is whether time alone
# can mend the fault. INTERNAL and UNKNOWN are faults of this input as often as not.
MEANINGS: Mapping[grpc.StatusCode, Meaning] = {
    grpc.StatusCode.OK: Meaning(ServerError, retryable=False),  # an error cannot be OK
    grpc.StatusCode.CANCELLED: Meaning(CallCancelledError, retryable=False),
    grpc.StatusCode.UNKNOWN: Meaning(ServerError, retryable=False),
    grpc.StatusCode.INVALID_ARGUMENT: Meaning(InvalidRequestError, retryable=False),
    grpc.StatusCode.DEADLINE_EXCEEDED: Meaning(DeadlineExceededError, retryable=True),
    grpc.StatusCode.NOT_FOUND: Meaning(ModelNotFoundError, retryable=False),
    grpc.StatusCode.ALREADY_EXISTS: Meaning(ServerError, retryable=False),
    grpc.StatusCode.PERMISSION_DENIED: Meaning(PermissionDeniedError, retryable=False),
    grpc.StatusCode.UNAUTHENTICATED: Meaning(AuthenticationError, retryable=False),
    grpc.StatusCode.RESOURCE_EXHAUSTED: Meaning(OverloadedError, retryable=True),
    grpc.StatusCode.FAILED_PRECONDITION: Meaning(ModelUnsupportedError, retryable=False),
    grpc.StatusCode.ABORTED: Meaning(ServerError, retryable=True),
    grpc.StatusCode.OUT_OF_RANGE: Meaning(InvalidRequestError, retryable=False),
    grpc.StatusCode.UNIMPLEMENTED: Meaning(UnsupportedError, retryable=False),
    grpc.StatusCode.INTERNAL: Meaning(ServerError, retryable=False),
    grpc.StatusCode.UNAVAILABLE: Meaning(ServerUnavailableError, retryable=True),
    grpc.StatusCode.DATA_LOSS: Meaning(ServerError, retryable=False),
}

_TEXTS: Mapping[type[AdscoreError], str] = {
    AuthenticationError: "The server at {address} does not know who calls: {text}",
    CallCancelledError: "The call to {address} was cancelled while under way: {text}",
    DeadlineExceededError: (
        "Expected an answer from {address} within {timeout:g} s. Received: none ({text}). "
        "Pass a longer timeout_seconds, or check that the server can keep up"
    ),
    InvalidCreativeError: "{text}",
    InvalidRequestError: "{text}",
    MessageTooLargeError: (
        "Expected messages within the limits of {address} and of this client. Received: {text}. "
        "Pass a smaller image, a smaller batch_size, or Client(max_message_bytes=...)"
    ),
    ModelNotFoundError: "{text}",
    ModelUnsupportedError: "{text}",
    OverloadedError: "The server at {address} has more work than it takes: {text}",
    PermissionDeniedError: "The server at {address} does not allow this call: {text}",
    ServerError: "The server at {address} failed with {code}: {text}",
    ServerUnavailableError: "The server at {address} cannot answer now: {text}",
    UnsupportedError: (
        "The server at {address} does not offer this call: {text}. Check that it is an adscore "
        "server, and not older than this client"
    ),
}

_NO_SERVER = (
    "Expected an adscore server at {address}. Received: {text}. Start one with "
    "`adscore serve ROOT --address {address}`, or pass Client the address of one that runs"
)

# The part of a field's path that says which creative of the request it is. A caller has
# passed one creative, or an iterable that the client has cut into batches of its own.
_CREATIVE_PATH = re.compile(r"creatives\[\d+\](?:\.|$)|creative(?:\.|$)")

# One headline or image of a Match; the lists as a whole are no part of a creative.
_PART_PATH = re.compile(r"(?:headlines|images)\[\d+\]$")


class StreamEndedError(grpc.RpcError):
    """A stream that the server ended without an error, though it owed answers."""

    def code(self) -> grpc.StatusCode:
        """Returns the code of a server that is gone: another may answer."""
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        """Returns what happened."""
        return "the server ended the stream before it had answered every request"

    def trailing_metadata(self) -> tuple[()]:
        """Returns nothing: there are no further details."""
        return ()


def had_begun(exc: Any) -> bool:
    """Whether the server had begun to answer: from then on gRPC tries no more by itself.

    It may be killed between the beginning of its answer and the rest.
    """
    return bool(exc.initial_metadata())


def no_answer(context: CallContext) -> AdscoreError:
    """Returns the exception for an answer that did not come in time."""
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return _build(MEANINGS[code], code, "no answer yet", StatusDetails(), context)


def call_cancelled(context: CallContext) -> AdscoreError:
    """Returns the exception for a call that ended as the client was closed."""
    code = grpc.StatusCode.CANCELLED
    return _build(MEANINGS[code], code, "the client was closed", StatusDetails(), context)


def error_from_item(wire: scoring_pb2.CreativeError, context: CallContext) -> AdscoreError:
    """Returns the exception that a Score call with the status of this item would raise."""
    codes = {code.value[0]: code for code in grpc.StatusCode}
    code = codes.get(wire.code, grpc.StatusCode.UNKNOWN)
    violations = (FieldViolation(wire.field, wire.message),) if wire.field else ()
    details = StatusDetails(wire.reason, violations)
    meaning = MEANINGS[code]
    if meaning.kind is InvalidRequestError:
        meaning = meaning._replace(kind=InvalidCreativeError)  # an item is nothing else
    return _build(meaning, code, wire.message, details, context)


def error_from_call(exc: grpc.RpcError, context: CallContext) -> AdscoreError:
    """Returns the exception to raise for gRPC's, which is its cause."""
    error = _error_from_call(exc, context)
    error.__cause__ = exc
    return error


def _error_from_call(exc: grpc.RpcError, context: CallContext) -> AdscoreError:
    code, text = exc.code(), exc.details() or ""
    details = decode_details(exc.trailing_metadata())
    meaning = MEANINGS[code]
    if meaning.kind is InvalidRequestError and any(
        _CREATIVE_PATH.match(violation.field) or _PART_PATH.match(violation.field)
        for violation in details.violations
    ):
        meaning = meaning._replace(kind=InvalidCreativeError)
    # gRPC itself refuses a large message with the code of a busy server; the text alone
    # tells the two apart, and waiting does not make a message smaller.
    if meaning.kind is OverloadedError and not details.reason and "larger than max" in text:
        meaning = Meaning(MessageTooLargeError, retryable=False)
    return _build(meaning, code, text, details, context)


def _build(
    meaning: Meaning,
    code: grpc.StatusCode,
    text: str,
    details: StatusDetails,
    context: CallContext,
) -> AdscoreError:
    kind = meaning.kind
    fields: ErrorFields = {
        "code": code,
        "reason": details.reason,
        "retryable": meaning.retryable,
        "retry_after_seconds": details.retry_after_seconds,
        "creative_id": context.creative_id,
        "request_id": details.request_id or context.request_id,
    }
    template = _TEXTS[kind]
    if kind is ServerUnavailableError and not details.reason:
        template = _NO_SERVER  # every error of an adscore server has a reason
    message = template.format(
        address=context.address,
        timeout=context.timeout_seconds,
        code=code.name,
        text=text.rstrip(".") or "no further text",
    )
    if issubclass(kind, InvalidRequestError):
        return _refusal(kind, message, details, context, fields)
    if issubclass(kind, ServerUnavailableError):
        return kind(message, address=context.address, **fields)
    if issubclass(kind, DeadlineExceededError):
        return kind(message, timeout_seconds=context.timeout_seconds, **fields)
    return kind(message, **fields)


def _refusal(
    kind: type[InvalidRequestError],
    message: str,
    details: StatusDetails,
    context: CallContext,
    fields: ErrorFields,
) -> InvalidRequestError:
    violations = []
    for wire in details.violations:
        field = _CREATIVE_PATH.sub("", wire.field, count=1)
        if not field:
            continue  # the creative as a whole
        message = message.replace(wire.field, field)
        violations.append(FieldViolation(field, wire.description.replace(wire.field, field)))
    field = violations[0].field if violations else ""
    if file := context.image_files.get(field):
        message += f" (file: {file})"
    return kind(message, field=field, violations=violations, **fields)
