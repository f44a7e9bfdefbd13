"""Every way in which a call fails, and the exception that it becomes."""

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2

from adscore_client import (
    AdscoreError,
    AuthenticationError,
    CallCancelledError,
    DeadlineExceededError,
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
from adscore_client._status import MEANINGS
from adscore_protos.v1 import scoring_pb2

Code = grpc.StatusCode

EXPECTED = {
    Code.CANCELLED: (CallCancelledError, True),
    Code.UNKNOWN: (ServerError, False),
    Code.INVALID_ARGUMENT: (InvalidRequestError, False),
    Code.DEADLINE_EXCEEDED: (DeadlineExceededError, True),
    Code.NOT_FOUND: (ModelNotFoundError, False),
    Code.ALREADY_EXISTS: (ServerError, False),
    Code.PERMISSION_DENIED: (PermissionDeniedError, False),
    Code.RESOURCE_EXHAUSTED: (OverloadedError, True),
    Code.FAILED_PRECONDITION: (ModelUnsupportedError, False),
    Code.ABORTED: (ServerError, True),
    Code.OUT_OF_RANGE: (InvalidRequestError, False),
    Code.UNIMPLEMENTED: (UnsupportedError, False),
    Code.INTERNAL: (ServerError, False),
    Code.UNAVAILABLE: (ServerUnavailableError, True),
    Code.DATA_LOSS: (ServerError, False),
    Code.UNAUTHENTICATED: (AuthenticationError, False),
}


def info(reason: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain="adscore")


def bad_request(*violations: tuple[str, str]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
            for field, description in violations
        ]
    )


def test_every_status_has_a_meaning():
    assert set(MEANINGS) == set(Code)
    assert set(EXPECTED) == set(Code) - {Code.OK}


@pytest.fixture(autouse=True)
def _one_attempt(monkeypatch):
    """Failures are reported at once; test_retries.py is about the attempts."""
    monkeypatch.setattr("adscore_client._calls.RETRIED", ())


@pytest.mark.parametrize("call", ["score", "score_many", "match", "models", "model"])
@pytest.mark.parametrize("code", EXPECTED)
def test_every_status_of_every_call_is_mapped(code, call, connect, refuse):
    def fail(request, context):
        refuse(context, code, "the text", info("THE_REASON"))

    client = connect(Score=fail, StreamScore=fail, Match=fail, ListModels=fail, GetModel=fail)
    calls = {
        "score": lambda: client.score("headline"),
        "score_many": lambda: next(client.score_many([("headline", None)])),
        "match": lambda: client.match(["headline"], [b"image"]),
        "models": client.models,
        "model": client.model,
    }
    with pytest.raises(AdscoreError, match="the text") as caught:
        calls[call]()
    kind, retryable = EXPECTED[code]
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.reason, error.retryable) == (code, "THE_REASON", retryable)
    assert isinstance(error.__cause__, grpc.RpcError)


@pytest.mark.parametrize("code", [*EXPECTED, Code.OK])
def test_every_status_of_an_item_is_mapped(code, connect):
    def answer(request, context):
        error = scoring_pb2.CreativeError(code=code.value[0], message="text", reason="REASON")
        result = scoring_pb2.BatchScoreResult(id="a", error=error)
        return scoring_pb2.BatchScoreResponse(results=[result])

    (error,) = connect(StreamScore=answer).score_many([("headline", None)])
    kind, retryable = EXPECTED.get(code, (ServerError, False))
    assert type(error) is (InvalidCreativeError if kind is InvalidRequestError else kind)
    assert (error.code, error.reason, error.retryable) == (code, "REASON", retryable)


def test_status_of_an_item_that_grpc_does_not_know_is_unknown(connect):
    def answer(request, context):
        error = scoring_pb2.CreativeError(code=99, message="text")
        return scoring_pb2.BatchScoreResponse(results=[scoring_pb2.BatchScoreResult(error=error)])

    (error,) = connect(StreamScore=answer).score_many([("headline", None)])
    assert error.code is Code.UNKNOWN


def test_refused_creative_names_its_fields(connect, refuse):
    def fail(request, context):
        violations = bad_request(
            ("creative.headline", "creative.headline: too long"), ("creative.context[x]", "unknown")
        )
        text = "creative.headline: too long"
        refuse(context, Code.INVALID_ARGUMENT, text, violations, info("HEADLINE_TOO_LONG"))

    with pytest.raises(InvalidCreativeError) as caught:
        connect(Score=fail).score("headline", id="a7")
    error = caught.value
    assert str(error) == "headline: too long"
    assert (error.field, error.reason, error.creative_id) == ("headline", "HEADLINE_TOO_LONG", "a7")
    assert error.violations == (
        FieldViolation("headline", "headline: too long"),
        FieldViolation("context[x]", "unknown"),
    )


def test_refused_request_is_no_fault_of_the_creative(connect, refuse):
    def fail(request, context):
        refuse(context, Code.INVALID_ARGUMENT, "no", bad_request(("model_version", "not a number")))

    with pytest.raises(InvalidRequestError) as caught:
        connect(Score=fail).score("headline", model_version="x")
    assert type(caught.value) is InvalidRequestError
    assert caught.value.field == "model_version"


def test_refused_image_is_named_by_its_file(connect, refuse, tmp_path):
    def fail(request, context):
        text = f"creative.image: expected a JPEG. Received: {request.creative.image!r}"
        refuse(context, Code.INVALID_ARGUMENT, text, bad_request(("creative.image", text)))

    path = tmp_path / "notes.txt"
    path.write_text("a text")
    with pytest.raises(InvalidCreativeError) as caught:
        connect(Score=fail).score("headline", path)
    assert str(caught.value) == f"image: expected a JPEG. Received: b'a text' (file: {path})"


def test_busy_server_says_how_long_to_wait(connect, refuse):
    def fail(request, context):
        delay = duration_pb2.Duration(seconds=2, nanos=500_000_000)
        retry = error_details_pb2.RetryInfo(retry_delay=delay)
        refuse(context, Code.RESOURCE_EXHAUSTED, "queue full", retry, info("QUEUE_FULL"))

    with pytest.raises(OverloadedError, match="queue full") as caught:
        connect(Score=fail).score("headline")
    assert caught.value.retry_after_seconds == 2.5


def test_stopping_server_is_not_reported_as_missing(connect, refuse):
    def fail(request, context):
        refuse(context, Code.UNAVAILABLE, "draining", info("SERVER_STOPPING"))

    with pytest.raises(ServerUnavailableError, match="cannot answer now: draining"):
        connect(Score=fail).score("headline")


@pytest.mark.parametrize("encoded", [b"", b"\xff\xff\xff", b"\x1a\x05\x0a\x03abc"])
def test_damaged_details_do_not_hide_the_error(encoded, connect):
    def fail(request, context):
        context.set_trailing_metadata((("grpc-status-details-bin", encoded),))
        context.abort(Code.NOT_FOUND, "no model 'x'")

    with pytest.raises(ModelNotFoundError, match="no model 'x'") as caught:
        connect(Score=fail).score("headline")
    assert caught.value.reason == ""


def test_details_of_unknown_types_are_skipped(connect, refuse):
    def fail(request, context):
        help_ = error_details_pb2.Help(links=[error_details_pb2.Help.Link(url="u")])
        refuse(context, Code.NOT_FOUND, "text", help_, info("MODEL_NOT_FOUND"))

    with pytest.raises(ModelNotFoundError) as caught:
        connect(Score=fail).score("headline")
    assert caught.value.reason == "MODEL_NOT_FOUND"


def test_exception_in_a_servicer_is_a_server_error(connect):
    def fail(request, context):
        raise ValueError("secret")

    with pytest.raises(ServerError) as caught:
        connect(Score=fail).score("headline")
    assert caught.value.code is Code.UNKNOWN


def test_call_that_the_server_does_not_have_is_unsupported(connect):
    with pytest.raises(UnsupportedError, match="does not offer this call"):
        connect().score("headline")


def test_request_above_the_limit_of_the_server_is_not_worth_a_retry(connect):
    client = connect(max_message_bytes=32 * 1024 * 1024)
    with pytest.raises(MessageTooLargeError, match="larger than max") as caught:
        client.score("headline", bytes(17 * 1024 * 1024))
    assert not caught.value.retryable


def test_answer_above_the_limit_of_the_client_is_not_worth_a_retry(connect):
    def answer(request, context):
        return scoring_pb2.ScoreResponse(score=scoring_pb2.Score(model="m" * 5000))

    with pytest.raises(MessageTooLargeError, match="larger than max"):
        connect(Score=answer, max_message_bytes=2048).score("headline")


@pytest.mark.parametrize("text", ["{address}", "", "half a {brace"])
def test_text_of_the_server_is_never_a_template(text, connect):
    def fail(request, context):
        context.abort(Code.INTERNAL, text)

    with pytest.raises(ServerError) as caught:
        connect(Score=fail).score("headline")
    assert str(caught.value).endswith(f"failed with INTERNAL: {text or 'no further text'}")


def test_empty_answer_is_a_server_error(connect):
    def answer(request, context):
        return scoring_pb2.ScoreResponse()

    with pytest.raises(ServerError, match="Received: an empty answer"):
        connect(Score=answer).score("headline")
