"""Metrics of what a server holds, models and caches for instance. Read when they are asked for."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adscore_server.models.registry import LoadedModel, LoadingModel, ModelEntry
from adscore_server.monitoring.statistics import ServerStatistics

_VERSION = ["model", "version"]


class ServerCollector(Collector):
    """Shows a server as it is at each scrape.

    Args:
        statistics: Asks the server.
    """

    def __init__(self, statistics: Callable[[], ServerStatistics]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Asks the server and shows what it says."""
        now = self._statistics()
        yield from _queue(now)
        yield from _models(now)
        yield from _certificates(now)
        yield from _caches([one for one in now.models if isinstance(one, LoadedModel)])

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for at registration."""
        return []


def _queue(now: ServerStatistics) -> Iterator[Metric]:
    held = GaugeMetricFamily(
        "adscore_calls_held", "Calls taken on, waiting included.", labels=["threads"]
    )
    for threads, calls in now.calls.items():
        held.add_metric([threads], calls)
    yield held
    queue = now.queue
    yield GaugeMetricFamily("adscore_queue_creatives", "Calls for scores that wait.", queue.waiting)
    for name, text, value in (
        ("batches", "Batches that workers took.", queue.batches),
        ("batched_creatives", "Calls in these batches.", queue.items),
        ("queue_refused", "Calls that found no place, or waited too long.", queue.refused),
        ("queue_abandoned", "Calls whose caller left before their turn.", queue.abandoned),
    ):
        yield CounterMetricFamily(f"adscore_{name}", text, value)


def _models(now: ServerStatistics) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "adscore_model_changes", "Times the models that score became others.", now.model_changes
    )
    state = GaugeMetricFamily(
        "adscore_model_state", "1 for the state of each version.", labels=[*_VERSION, "state"]
    )
    seconds = GaugeMetricFamily(
        "adscore_model_load_seconds", "Time to open and verify a model.", labels=_VERSION
    )
    for model in now.models:
        state.add_metric([model.name, model.version, _state(model)], 1)
        if isinstance(model, LoadedModel):
            seconds.add_metric([model.name, model.version], model.load_seconds)
    yield state
    yield seconds


def _certificates(now: ServerStatistics) -> Iterator[Metric]:
    expiry = GaugeMetricFamily(
        "adscore_tls_expiry_timestamp_seconds",
        "When the first certificate of a TLS file expires.",
        labels=["file"],
    )
    for file, seconds in now.expiries.items():
        expiry.add_metric([file], seconds)
    yield expiry


def _caches(models: Iterable[LoadedModel]) -> Iterator[Metric]:
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
        "hits": CounterMetricFamily("adscore_cache_hits", "Parts found.", labels=_VERSION),
        "misses": CounterMetricFamily("adscore_cache_misses", "Parts encoded.", labels=_VERSION),
        "entries": GaugeMetricFamily("adscore_cache_entries", "Parts held.", labels=_VERSION),
        "bytes": GaugeMetricFamily("adscore_cache_bytes", "Memory of them.", labels=_VERSION),
    }
    for model in models:
        statistics = model.scorer.cache_statistics
        for name, family in families.items():
            family.add_metric([model.name, model.version], getattr(statistics, name))
    yield from families.values()


def _state(model: ModelEntry) -> str:
    if isinstance(model, LoadedModel):
        return "ready"
    return "loading" if isinstance(model, LoadingModel) else "refused"
