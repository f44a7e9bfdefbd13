"""Whoever watches a server's calls, by its settings: the log, metrics, traces."""

import contextlib
from collections.abc import Iterator

from adscore_server.call_log import CallLog
from adscore_server.config import ServerConfig
from adscore_server.metrics import Metrics
from adscore_server.metrics_server import MetricsServer
from adscore_server.observation import Observer


@contextlib.contextmanager
def monitoring(config: ServerConfig) -> Iterator[list[Observer]]:
    """Starts what the settings ask for, and ends it with the `with` block.

    Raises:
        StartError: The address of the metrics cannot be listened on.
        ModuleNotFoundError: Traces are asked for and the extra `otel` is not installed.
    """
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = [CallLog()]
        if config.metrics_address:
            metrics = Metrics()
            observers.append(metrics)
            stack.enter_context(MetricsServer(metrics.registry, config.metrics_address))
        if config.otel:
            from adscore_server.tracing import Tracing, export_traces

            tracing = Tracing(export_traces())
            observers.append(tracing)
            stack.callback(tracing.close)
        yield observers
