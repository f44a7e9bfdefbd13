"""Request ids and the log of calls: what a caller gets back, and what an operator reads."""

import json
import logging
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from adscore.creative import Creative
from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server.calls.call import request_id_from
from adscore_server.config import ServerConfig
from adscore_server.monitoring.log_format import JsonFormatter, TextFormatter


def _request(creative: Creative) -> scoring_pb2.ScoreRequest:
    wire = scoring_pb2.Creative(headline=creative.headline, image=creative.image)
    return scoring_pb2.ScoreRequest(creative=wire)


def _calls(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if hasattr(record, "fields")]


def test_request_id_of_the_caller_comes_back_and_is_logged(
    stubs: Any, creatives: list[Creative], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "adscore_server")
    metadata = (("x-request-id", "order 7/b"),)
    _, call = stubs.scoring.Score.with_call(_request(creatives[0]), metadata=metadata, timeout=60)
    assert ("x-request-id", "order 7/b") in [tuple(pair) for pair in call.trailing_metadata()]
    [line] = [fields for fields in _calls(caplog) if fields["request_id"] == "order 7/b"]
    assert (line["method"], line["code"], line["creatives"]) == ("Score", "OK", 1)
    assert line["bytes_in"] > len(creatives[0].image)
    assert line["bytes_out"] > 0


def test_server_makes_a_request_id_where_there_is_none(stubs: Any) -> None:
    ids = set()
    for _ in range(2):
        _, call = stubs.models.ListModels.with_call(model_pb2.ListModelsRequest(), timeout=60)
        ids.add(dict(call.trailing_metadata())["x-request-id"])
    assert len(ids) == 2


def test_a_call_whose_deadline_passes_while_it_is_worked_on_ends_in_the_log(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    held_scorer: Any,
    creatives: list[Creative],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "adscore_server")
    server = start_server(held_scorer, config=ServerConfig("127.0.0.1:0"))
    stubs = connect(server.address)
    grpc.channel_ready_future(stubs.channel).result(60)  # the deadline is for the work alone
    with pytest.raises(grpc.RpcError):
        stubs.scoring.Score(_request(creatives[0]), timeout=1)
    wait_until(lambda: len(server._scores) == 0)  # the server knows that the caller has gone
    held_scorer.released.set()
    wait_until(lambda: _calls(caplog))
    assert [line["code"] for line in _calls(caplog)] == ["CANCELLED"]


def test_failed_call_tells_its_request_id_to_caller_and_log(
    stubs: Any, creatives: list[Creative], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adscore_server")
    request = _request(Creative("headline", b"no image"))
    with pytest.raises(grpc.RpcError) as caught:
        stubs.scoring.Score(request, metadata=(("x-request-id", "r-1"),), timeout=60)
    error: Any = caught.value
    assert not error.initial_metadata()  # else gRPC could not retry a call that is worth it
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in rpc_status.from_call(error).details)
    assert info.metadata["request_id"] == "r-1"
    [line] = _calls(caplog)
    assert (line["code"], line["reason"]) == ("INVALID_ARGUMENT", "IMAGE_UNREADABLE")


@given(st.text())
def test_request_id_is_the_callers_or_a_new_one(text: str) -> None:
    allowed = 1 <= len(text) <= 128 and text.isascii() and text.isprintable()
    taken = request_id_from([("x-request-id", text)])
    assert (taken == text) == allowed
    assert 1 <= len(taken) <= 128


def test_line_of_json_is_one_object_with_the_figures_of_the_call() -> None:
    record = logging.LogRecord("name", logging.INFO, "", 0, "call %s", ("x=1",), None)
    record.fields = {"request_id": "r", "milliseconds": 1.5}
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["message"], entry["request_id"], entry["milliseconds"]) == ("call", "r", 1.5)
    assert entry["time"].endswith("Z")


def test_line_of_text_stays_one_line() -> None:
    record = logging.LogRecord("name", logging.INFO, "", 0, "call %s", ("x=1",), None)
    assert TextFormatter().format(record).endswith("INFO name: call x=1")


def test_line_of_text_escapes_what_would_steer_a_terminal_or_look_like_another_line() -> None:
    hostile = "\x1b[2J\x9b\u202e\r\n2026-01-01T00:00:00Z INFO name: forged"
    try:
        raise ValueError(hostile)
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    record = logging.LogRecord("name", logging.ERROR, "", 0, "model %s", (hostile,), trace)
    text = TextFormatter().format(record)
    assert r"model \x1b[2J\x9b\u202e\r" in text
    assert not set(text) & set("\x1b\x9b\u202e\r")
    assert all(line.startswith("    ") for line in text.split("\n")[1:])
    assert json.loads(JsonFormatter().format(record))["message"] == f"model {hostile}"
    assert JsonFormatter().format(record).isascii()
