"""OpenTelemetry: a span for each call, joined to its caller's trace.

OpenTelemetry's standard variables, such as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME,
configure the export. A span holds the same fields as a line of the call log.
"""

import time
from collections.abc import Mapping

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adscore_server.calls.call import Call, Observer

# Not the default propagators, which also read `baggage` and log it verbatim if it is malformed.
_PROPAGATOR = TraceContextTextMapPropagator()

# Codes that are the server's fault; the others are caused by the caller.
_SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def export_traces() -> TracerProvider:
    """Exports spans over OTLP in the background; `shutdown` flushes the rest."""
    resource = Resource.create({"service.name": "adscore"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing(Observer):
    """Records a span for each call.

    Args:
        provider: Exports the spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("adscore_server")

    def ended(self, call: Call, code: grpc.StatusCode) -> None:
        """Records the span, starting at the call's arrival."""
        seconds = time.monotonic() - call.arrival
        service, _, method = call.method.lstrip("/").rpartition("/")
        span = self._tracer.start_span(
            f"{service}/{method}",
            context=_PROPAGATOR.extract(_text_of(call)),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": method,
                "adscore.request_id": call.request_id,
            },
            start_time=time.time_ns() - int(seconds * 1e9),
        )
        number: int = code.value[0]
        span.set_attribute("rpc.grpc.status_code", number)
        span.set_attribute("adscore.creatives", call.creatives)
        if call.caller:
            span.set_attribute("adscore.caller", call.caller)
        if call.reason:
            span.set_attribute("error.type", call.reason)
        if code in _SERVER_ERRORS:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def close(self) -> None:
        """Flushes the remaining spans."""
        self._provider.shutdown()


def _text_of(call: Call) -> Mapping[str, str]:
    return {str(key): value for key, value in call.metadata if isinstance(value, str)}
