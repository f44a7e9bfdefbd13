"""Errors -> status: the table, the fixed text, and what the log may hold."""

import logging
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from adscore.creative import Creative
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.preparation import PreparedCreative
from adscore_server.calls.status import INTERNAL_TEXT, Failure, describe, to_rpc_status
from adscore_server.errors import (
    CallReason,
    InvalidRequestError,
    ModelNotFoundError,
    ModelWithoutAgreementError,
    ServerStoppingError,
    StartError,
)


@pytest.mark.parametrize(
    ("error", "code", "reason", "field"),
    [
        (
            InvalidCreativeError("image", Reason.IMAGE_MISSING, "text"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "IMAGE_MISSING",
            "creative.image",
        ),
        (
            InvalidRequestError("creatives", CallReason.BATCH_EMPTY, "text"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "BATCH_EMPTY",
            "creatives",
        ),
        (ModelNotFoundError("text"), grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", ""),
        (
            InvalidRequestError("images[5]", Reason.IMAGE_UNREADABLE, "text"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "IMAGE_UNREADABLE",
            "images[5]",
        ),
        (
            ModelWithoutAgreementError("sample", "1"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "MODEL_WITHOUT_AGREEMENT",
            "",
        ),
        (ServerStoppingError(), grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING", ""),
        (StartError("text"), grpc.StatusCode.INTERNAL, "INTERNAL", ""),
        (KeyError("text"), grpc.StatusCode.INTERNAL, "INTERNAL", ""),
    ],
)
def test_each_error_has_its_status(
    error: Exception, code: grpc.StatusCode, reason: str, field: str
) -> None:
    failure = describe(error)
    assert (failure.code, failure.reason, failure.field) == (code, reason, field)


def test_unexpected_exception_tells_neither_caller_nor_log_what_it_holds(
    start_server: Any,
    connect: Any,
    refusal: Any,
    replace_scorer: Any,
    image: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(creatives: Sequence[PreparedCreative]) -> list[Any]:
        try:
            raise KeyError(creatives[0].headline)
        except KeyError as error:
            raise RuntimeError(creatives[0].headline) from error

    caplog.set_level(logging.DEBUG)
    stubs = connect(start_server(replace_scorer(fail)).address)
    creative = Creative("planted headline", image, "planted id")
    code, reason, field, text = refusal(lambda: stubs.score(creative))
    assert (code, reason, field) == (grpc.StatusCode.INTERNAL, "INTERNAL", "")
    assert text == INTERNAL_TEXT
    assert "RuntimeError" in caplog.text
    assert "in fail" in caplog.text  # the traceback
    assert "planted" not in caplog.text


def test_each_call_is_logged_without_content(
    stubs: Any, creatives: list[Creative], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stubs.score(creatives[0])
    [line] = [
        r.getMessage() for r in caplog.records if r.name == "adscore_server.monitoring.call_log"
    ]
    assert " method=Score code=OK " in line
    assert creatives[0].headline not in caplog.text
    assert creatives[0].id not in caplog.text


def test_retry_travels_as_details_and_as_pushback() -> None:
    failure = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "text", "", 0.25)
    status = to_rpc_status(failure, "id")
    assert ("grpc-retry-pushback-ms", "250") in status.trailing_metadata
    [details] = [v for k, v in status.trailing_metadata if k == "grpc-status-details-bin"]
    retry = error_details_pb2.RetryInfo()
    assert any(one.Unpack(retry) for one in status_pb2.Status.FromString(details).details)
    assert retry.retry_delay.ToMilliseconds() == 250
