"""OpenTelemetry: the span of a call, as an exporter gets it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adscore_server.monitoring.tracing import Tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def traced(
    scorer: Any, connect: Callable[[str], Any]
) -> Iterator[tuple[Any, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    config = ServerConfig(address="127.0.0.1:0")
    with Server(ModelRegistry([LoadedModel(scorer)]), config, [Tracing(provider)]) as server:
        yield connect(server.address), exporter


def test_span_joins_the_trace_of_the_caller(
    traced: tuple[Any, InMemorySpanExporter], creatives: list[Creative]
) -> None:
    stubs, exporter = traced
    wire = scoring_pb2.Creative(headline=creatives[0].headline, image=creatives[0].image)
    metadata = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "r-1"))
    stubs.scoring.Score(scoring_pb2.ScoreRequest(creative=wire), metadata=metadata, timeout=60)
    [span] = exporter.get_finished_spans()
    assert span.name == "adscore.v1.ScoringService/Score"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.attributes["adscore.request_id"] == "r-1"
    assert span.attributes["rpc.grpc.status_code"] == 0
    assert span.end_time > span.start_time


def test_span_of_a_refused_call_has_the_reason_and_no_content(
    traced: tuple[Any, InMemorySpanExporter], refusal: Any
) -> None:
    stubs, exporter = traced
    refusal(lambda: stubs.score(Creative("planted headline", b"planted image", "planted id")))
    [span] = exporter.get_finished_spans()
    assert span.attributes["error.type"] == "IMAGE_UNREADABLE"
    assert span.status.is_ok or span.status.is_unset
    assert "planted" not in span.to_json()


def test_malformed_baggage_is_not_logged(
    traced: tuple[Any, InMemorySpanExporter], creatives: list[Creative], caplog: Any
) -> None:
    stubs, exporter = traced
    wire = scoring_pb2.Creative(headline=creatives[0].headline, image=creatives[0].image)
    metadata = (("baggage", "planted baggage"), ("traceparent", "planted parent"))
    stubs.scoring.Score(scoring_pb2.ScoreRequest(creative=wire), metadata=metadata, timeout=60)
    assert len(exporter.get_finished_spans()) == 1
    assert "planted" not in caplog.text
