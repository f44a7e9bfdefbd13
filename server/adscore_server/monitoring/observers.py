"""The observers of a server's calls, by its settings: log, metrics and traces."""

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
    """The observers of a server.

    Attributes:
        observers: Notified of every call.
        metrics: The metrics; None if they are off.
    """

    observers: list[Observer]
    metrics: Metrics | None = None

    def watch(self, statistics: Callable[[], ServerStatistics]) -> None:
        """Adds the state of a server to the metrics."""
        if self.metrics is not None:
            self.metrics.registry.register(ServerCollector(statistics))


@contextlib.contextmanager
def monitoring(config: ServerConfig) -> Iterator[Monitoring]:
    """Starts the observers that the settings enable; stops them after the `with` block.

    Raises:
        StartError: The address of the metrics cannot be listened on.
        ModuleNotFoundError: Traces are enabled and the extra `otel` is not installed.
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
