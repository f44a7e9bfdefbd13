"""Whoever watches a server's calls, by its settings: the log, metrics, traces."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adscore_server.calls.call import Observer
from adscore_server.config import ServerConfig
from adscore_server.monitoring.call_log import CallLog
from adscore_server.monitoring.metrics import Metrics, ServerCollector
from adscore_server.monitoring.metrics_server import MetricsServer
from adscore_server.monitoring.statistics import ServerStatistics


@dataclass(frozen=True, slots=True)
class Monitoring:
    """What watches a server.

    Attributes:
        observers: Are told of every call.
        metrics: The metrics that are shown; None where none are.
    """

    observers: list[Observer]
    metrics: Metrics | None = None

    def watch(self, statistics: Callable[[], ServerStatistics]) -> None:
        """Shows what a server holds among the metrics, from now on."""
        if self.metrics is not None:
            self.metrics.registry.register(ServerCollector(statistics))


@contextlib.contextmanager
def monitoring(config: ServerConfig) -> Iterator[Monitoring]:
    """Starts what the settings ask for, and ends it with the `with` block.

    Raises:
        StartError: The address of the metrics cannot be listened on.
        ModuleNotFoundError: Traces are asked for and the extra `otel` is not installed.
    """
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = [CallLog()]
        metrics = Metrics() if config.metrics_address else None
        if metrics is not None:
            observers.append(metrics)
            stack.enter_context(MetricsServer(metrics.registry, config.metrics_address))
        if config.otel:
            from adscore_server.monitoring.tracing import Tracing, export_traces

            tracing = Tracing(export_traces())
            observers.append(tracing)
            stack.callback(tracing.close)
        yield Monitoring(observers, metrics)
