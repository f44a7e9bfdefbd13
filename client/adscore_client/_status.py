"""gRPC status -> exception: the only place that maps them."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import grpc

from adscore_client._channel import ChannelSettings
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

# The key under which gRPC libraries carry a google.rpc.Status.
_STATUS_KEY = "grpc-status-details-bin"
_PUSHBACK_KEY = "grpc-retry-pushback-ms"  # how long to wait, for gRPC's own retries


class CallContext(NamedTuple):
    """Details of a call for error texts.

    Attributes:
        channel: How the server was reached.
        timeout_seconds: Timeout of the call.
        request_id: Id of the call in the server's log.
        creative_id: Id of the creative, if the call or item is about one.
        image_files: Paths of the images that came from files, by field, e.g. ``"image"`` or
            ``"images[5]"``.
        keeps_paths: Whether the caller knows creatives by their position in the request, so that
            fields keep it: ``"creatives[5].image"``.
    """

    channel: ChannelSettings
    timeout_seconds: float
    request_id: str = ""
    creative_id: str = ""
    image_files: Mapping[str, str] = MappingProxyType({})
    keeps_paths: bool = False

    @property
    def address(self) -> str:
        """Address of the server."""
        return self.channel.target.name


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """The details of a server's error beside code and text.

    Attributes:
        reason: Stable name of the cause; empty if not given.
        violations: The refused fields, with the server's paths.
        retry_after_seconds: How long to wait before a retry; None if not given.
        request_id: Id of the call in the server's log; empty if not given.
    """

    reason: str = ""
    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds: float | None = None
    request_id: str = ""


class Meaning(NamedTuple):
    """The exception for a status."""

    kind: type[AdscoreError]
    retryable: bool


# Retryable: scoring changes nothing on the server, so the only question is whether the failure is
# temporary. INTERNAL and UNKNOWN are often caused by the input itself.
MEANINGS: Mapping[grpc.StatusCode, Meaning] = {
    grpc.StatusCode.OK: Meaning(ServerError, retryable=False),  # an error cannot be OK
    grpc.StatusCode.CANCELLED: Meaning(CallCancelledError, retryable=True),
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

_NO_SERVER = "Expected an adscore server at {address} ({route}). Received: {text}. {advice}"

_START_ONE = (
    "Start one with `adscore serve ROOT --address {address}`, or pass Client the address of one "
    "that runs"
)


class _Advice(NamedTuple):
    """Advice for a failed connection, chosen by gRPC's message.

    Attributes:
        pattern: Matches the message.
        text: What to do.
        route: The route that it is for, as ``_route`` names it; empty for all.
        is_final: Whether the failure is permanent because the client's settings are wrong.
    """

    pattern: str
    text: str
    route: str = ""
    is_final: bool = False


_BROKEN_OFF = "(failed to connect|backends failing).*(Socket closed|reset by peer)"

_ADVICE = (
    _Advice(
        "WRONG_VERSION_NUMBER",
        "The server does not use TLS: pass tls=False, or start it with --tls-cert and --tls-key",
        is_final=True,
    ),
    _Advice(
        "CERTIFICATE_VERIFY_FAILED",
        "The server's certificate is of an authority that is not trusted: pass Tls(ca_file=...)",
        is_final=True,
    ),
    _Advice(
        "Hostname Verification Check failed|is not in peer certificate",
        "The server's certificate is for another name: pass Tls(server_name=...)",
        is_final=True,
    ),
    _Advice(
        _BROKEN_OFF,
        "A server that uses TLS ends a connection without it like this: pass tls=True",
        route="without TLS",
    ),
    _Advice(
        _BROKEN_OFF,
        "A server that asks for certificates ends a connection without one like this: pass "
        "Tls(certificate_file=..., key_file=...)",
        route="with TLS",
    ),
    _Advice(
        "http1.x server|Failed parsing HTTP/2",
        "It is a web server: pass the address that adscore serve listens on",
    ),
    _Advice("Domain name not found", "Nobody knows the host by this name: check it"),
)

# The part of a field's path that identifies the creative in the request. It means nothing to a
# caller who passed one creative, or an iterable that the client split into batches.
_CREATIVE_PATH = re.compile(r"^(?:creatives\[\d+\]|creative)(?:\.|$)")

# One headline or image of a Match, or the creative of an arm; the lists as a whole are not part of
# a creative.
_PART_PATH = re.compile(r"(?:headlines|images)\[\d+\]$|arms\[\d+\]\.creative(?:\.|$)")


class LocalError(grpc.RpcError):
    """A failure detected by the client, with a code as if it came from gRPC."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self._code = code
        self._text = text

    def code(self) -> grpc.StatusCode:
        """Returns the code."""
        return self._code

    def details(self) -> str:
        """Returns the description."""
        return self._text

    def trailing_metadata(self) -> tuple[()]:
        """Returns no metadata."""
        return ()


def stream_ended() -> LocalError:
    """Returns the failure of a stream that ended without an error but with answers missing.

    Its server has gone; another may answer.
    """
    text = "the server ended the stream before it had answered every request"
    return LocalError(grpc.StatusCode.UNAVAILABLE, text)


def no_answer(context: CallContext, text: str) -> AdscoreError:
    """Returns the exception for an answer that did not come in time."""
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return _build(MEANINGS[code], code, text, StatusDetails(), context)


def error_from_item(wire: scoring_pb2.CreativeError, context: CallContext) -> AdscoreError:
    """Returns the exception that a Score call with the status of this item would raise."""
    codes = {code.value[0]: code for code in grpc.StatusCode}
    code = codes.get(wire.code, grpc.StatusCode.UNKNOWN)
    violations = (FieldViolation(wire.field, wire.message),) if wire.field else ()
    details = StatusDetails(wire.reason, violations)
    meaning = MEANINGS[code]
    if meaning.kind is InvalidRequestError:
        meaning = meaning._replace(kind=InvalidCreativeError)  # an item can only mean its creative
    return _build(meaning, code, wire.message, details, context)


def error_from_call(exc: grpc.RpcError, context: CallContext) -> AdscoreError:
    """Returns the exception to raise from a gRPC error."""
    code, text = exc.code(), exc.details() or ""
    details = decode_details(exc.trailing_metadata())
    meaning = MEANINGS[code]
    if meaning.kind is InvalidRequestError and any(
        _CREATIVE_PATH.match(violation.field) or _PART_PATH.match(violation.field)
        for violation in details.violations
    ):
        meaning = meaning._replace(kind=InvalidCreativeError)
    # gRPC refuses a large message with the same code as a busy server. Only the text differs, and
    # a retry would not help.
    if meaning.kind is OverloadedError and not details.reason and "larger than max" in text:
        meaning = Meaning(MessageTooLargeError, retryable=False)
    error = _build(meaning, code, text, details, context)
    error.__cause__ = exc
    return error


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
    if kind is ServerUnavailableError and not details.reason:
        return _no_server(text, context, fields)  # every error of an adscore server has a reason
    message = _TEXTS[kind].format(
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
        if proxy := context.channel.target.proxy:
            message += f". The connection may go through a proxy ({proxy}); no_proxy leaves it out"
        return kind(message, timeout_seconds=context.timeout_seconds, **fields)
    return kind(message, **fields)


def _no_server(text: str, context: CallContext, fields: ErrorFields) -> ServerUnavailableError:
    """Returns the exception for a failed connection: what was tried, the result, what to do."""
    route = _route(context.channel)
    advice = next(
        (one for one in _ADVICE if one.route in ("", route) and re.search(one.pattern, text)),
        _Advice("", _START_ONE.format(address=context.address)),
    )
    what_to_do = advice.text
    if proxy := context.channel.target.proxy:
        route += f", by the proxy {proxy}"
        what_to_do += ". To go without the proxy, name the host in no_proxy"
    message = _NO_SERVER.format(
        address=context.address,
        route=route,
        text=text.rstrip(".") or "no further text",
        advice=what_to_do,
    )
    fields["retryable"] = not advice.is_final
    return ServerUnavailableError(message, address=context.address, **fields)


def _route(channel: ChannelSettings) -> str:
    if channel.certificates is None:
        return "without TLS"
    return "with TLS" if channel.certificates.private_key is None else "with TLS and a certificate"


def _refusal(
    kind: type[InvalidRequestError],
    message: str,
    details: StatusDetails,
    context: CallContext,
    fields: ErrorFields,
) -> InvalidRequestError:
    violations = []
    for wire in details.violations:
        field = wire.field if context.keeps_paths else _CREATIVE_PATH.sub("", wire.field, count=1)
        if not field:
            continue  # the creative as a whole
        message = message.replace(wire.field, field)
        violations.append(FieldViolation(field, wire.description.replace(wire.field, field)))
    field = violations[0].field if violations else ""
    if file := context.image_files.get(field):
        message += f" (file: {file})"
    return kind(message, field=field, violations=violations, **fields)


def decode_details(metadata: Iterable[Any] | None) -> StatusDetails:
    """Reads what it can; missing or damaged details never hide the error itself.

    Args:
        metadata: Trailing metadata of the call, pairs of key and value.
    """
    values = {pair[0]: pair[1] for pair in metadata or ()}
    retry_after = _pushback_seconds(values.get(_PUSHBACK_KEY))
    encoded = values.get(_STATUS_KEY)
    if not isinstance(encoded, bytes):
        return StatusDetails(retry_after_seconds=retry_after)
    # Imported here, so that callers whose calls succeed never pay for it.
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    reason = request_id = ""
    violations: list[FieldViolation] = []
    with contextlib.suppress(DecodeError):
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
    return StatusDetails(reason, tuple(violations), retry_after, request_id)


def _pushback_seconds(value: Any) -> float | None:
    try:
        return max(0, int(value)) / 1e3
    except (TypeError, ValueError):
        return None


def _unpack(detail: Any, error_details: Any) -> Any:
    for kind in (error_details.ErrorInfo, error_details.BadRequest, error_details.RetryInfo):
        if detail.Is(kind.DESCRIPTOR):
            return kind.FromString(detail.value)
    return None
