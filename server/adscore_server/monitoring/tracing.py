"""OpenTelemetry: a span for each call, joined to the trace that its caller began.

Where spans go is said by the variables that all of OpenTelemetry reads, for instance
OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME. A span holds what a line of the log holds.
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

# Not the usual ones, which read `baggage` as well and log it word for word where it is malformed.
_PROPAGATOR = TraceContextTextMapPropagator()

# Those that are the server's fault; the others are answers to what a caller did.
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
    """Sends spans over OTLP in the background; `shutdown` sends what is left."""
    resource = Resource.create({"service.name": "adscore"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing(Observer):
    """Makes a span of each call.

    Args:
        provider: Takes the spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("adscore_server")

    def ended(self, call: Call, code: grpc.StatusCode) -> None:
        """Makes the span, as of the arrival of the call."""
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
        """Sends what is left."""
        self._provider.shutdown()


def _text_of(call: Call) -> Mapping[str, str]:
    return {str(key): value for key, value in call.metadata if isinstance(value, str)}
