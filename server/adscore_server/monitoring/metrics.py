"""Metrics for Prometheus: calls, creatives, refusals, models, and the distribution of scores.

Every label comes from a bounded set: methods, codes and reasons from the contract, models and
targets from the operator. No label holds text from a caller.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from google.protobuf.message import Message
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.call import Call, Observer
from adscore_server.models.registry import LoadedModel, LoadingModel, ModelEntry
from adscore_server.monitoring.score_distribution import BINS, Distribution, ScoreDistributions
from adscore_server.monitoring.statistics import ServerStatistics

# From a cache hit on an idle server to a large batch on a busy one, in seconds.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_VERSION = ["model", "version"]
_CREATIVES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


class Metrics(Observer):
    """Counts calls as they begin and end; `registry` holds the metrics to show."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._scores = ScoreDistributions()
        make: dict[str, Any] = {"registry": self.registry, "namespace": "adscore"}
        self._calls = Counter("calls", "Calls that ended.", ["method", "code"], **make)
        self._in_flight = Gauge("calls_in_flight", "Calls that have not ended.", **make)
        self._seconds = Histogram(
            "call_seconds",
            "From the arrival of a call to its end, waiting included.",
            ["method"],
            buckets=_SECONDS,
            **make,
        )
        self._creatives = Histogram(
            "call_creatives", "Creatives of a call.", ["method"], buckets=_CREATIVES, **make
        )
        self._failures = Counter("calls_failed", "Calls that failed.", ["reason"], **make)
        self._scored = Counter(
            "creatives_scored", "Creatives that got a score, by model.", ["model"], **make
        )
        self._refused = Counter(
            "creatives_refused", "Creatives of batches that got an error.", ["reason"], **make
        )
        self.registry.register(_ScoreCollector(self._scores))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def began(self, call: Call) -> None:  # noqa: ARG002
        """Counts an accepted call."""
        self._in_flight.inc()

    def answered(self, call: Call, response: Message) -> None:  # noqa: ARG002
        """Counts the scores and refusals of an answer.

        Grids are left out: few of their combinations are creatives that someone means to run.
        """
        match response:
            case scoring_pb2.ScoreResponse():
                self._count_score(response.score)
            case scoring_pb2.BatchScoreResponse() | scoring_pb2.StreamScoreResponse():
                for result in response.results:
                    if result.HasField("score"):
                        self._count_score(result.score)
                    else:
                        self._refused.labels(result.error.reason).inc()

    def ended(self, call: Call, code: grpc.StatusCode) -> None:
        """Counts a finished call."""
        method = call.method.rpartition("/")[2]
        self._in_flight.dec()
        self._calls.labels(method, code.name).inc()
        self._seconds.labels(method).observe(time.monotonic() - call.arrival)
        if call.creatives:
            self._creatives.labels(method).observe(call.creatives)
        if call.reason:
            self._failures.labels(call.reason).inc()

    def _count_score(self, score: scoring_pb2.Score) -> None:
        self._scored.labels(score.model).inc()
        percentiles = [(name, target.percentile) for name, target in score.targets.items()]
        self._scores.add(score.model, score.model_version, percentiles)


class _ScoreCollector(Collector):
    """Collects the distribution of scores at each scrape."""

    def __init__(self, scores: ScoreDistributions) -> None:
        self._scores = scores

    def collect(self) -> Iterator[Metric]:
        labels = ["model", "version", "target"]
        percentiles = HistogramMetricFamily(
            "adscore_score_percentile",
            "Percentiles of scores among the training reference, from 0 to 100.",
            labels=labels,
        )
        index = GaugeMetricFamily(
            "adscore_score_stability_index",
            "Population stability index of recent scores against the training reference.",
            labels=labels,
        )
        for key, distribution in self._scores.snapshot().items():
            percentiles.add_metric(
                key, list(_cumulative(distribution)), distribution.percentile_sum
            )
            shift = distribution.stability_index()
            if shift is not None:
                index.add_metric(key, shift)
        yield percentiles
        yield index

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for at registration."""
        return []


def _cumulative(distribution: Distribution) -> Iterator[tuple[str, float]]:
    total = 0
    for tenth, count in enumerate(distribution.totals, start=1):
        total += count
        yield "+Inf" if tenth == BINS else f"{tenth * 100 / BINS}", total


# === The state of a server, read at each scrape ===


class ServerCollector(Collector):
    """Collects the state of a server at each scrape.

    Args:
        statistics: Returns the server's statistics.
    """

    def __init__(self, statistics: Callable[[], ServerStatistics]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of the server's current state."""
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
