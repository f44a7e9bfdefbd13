"""What Prometheus reads of a live server, and the figure that shows a shift of the scores."""

import random
import re
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.creative import Creative
from adscore_server.config import ServerConfig
from adscore_server.errors import StartError
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.monitoring.metrics import Metrics, ServerCollector
from adscore_server.monitoring.metrics_server import MetricsServer
from adscore_server.monitoring.score_distribution import (
    MIN_SCORES,
    WINDOW_SCORES,
    Distribution,
    ScoreDistributions,
)
from adscore_server.server import Server


class Watched:
    """A server with metrics, and its page."""

    def __init__(self, stubs: Any, address: str) -> None:
        self.stubs = stubs
        self._address = address

    def page(self) -> str:
        with urllib.request.urlopen(f"http://{self._address}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    def value(self, sample: str) -> float:
        """Of one sample, named with its labels; 0 where it is absent."""
        found = re.search(rf"^{re.escape(sample)} (\S+)$", self.page(), re.MULTILINE)
        return float(found[1]) if found else 0.0


@pytest.fixture
def watched(scorer: Any, connect: Callable[[str], Any]) -> Iterator[Watched]:
    metrics = Metrics()
    config = ServerConfig(address="127.0.0.1:0")
    models = ModelRegistry([LoadedModel(scorer)])
    with (
        MetricsServer(metrics.registry, "127.0.0.1:0") as page,
        Server(models, config, [metrics]) as server,
    ):
        metrics.registry.register(ServerCollector(server.statistics))
        yield Watched(connect(server.address), page.address)


def test_calls_are_counted_by_method_and_code(
    watched: Watched, creatives: list[Creative], refusal: Any
) -> None:
    watched.stubs.score(creatives[0])
    refusal(lambda: watched.stubs.score(Creative("headline", b"no image")))
    assert watched.value('adscore_calls_total{code="OK",method="Score"}') == 1
    assert watched.value('adscore_calls_total{code="INVALID_ARGUMENT",method="Score"}') == 1
    assert watched.value('adscore_calls_failed_total{reason="IMAGE_UNREADABLE"}') == 1
    assert watched.value('adscore_call_seconds_count{method="Score"}') == 2
    assert watched.value("adscore_calls_in_flight") == 0


def test_creatives_of_a_batch_are_counted_one_by_one(
    watched: Watched, creatives: list[Creative]
) -> None:
    watched.stubs.batch_score([*creatives[:5], Creative("headline", b"no image")])
    assert watched.value('adscore_creatives_scored_total{model="sample"}') == 5
    assert watched.value('adscore_creatives_refused_total{reason="IMAGE_UNREADABLE"}') == 1
    assert watched.value('adscore_call_creatives_sum{method="BatchScore"}') == 6
    labels = 'model="sample",target="ctr",version="1"'
    assert watched.value(f'adscore_score_percentile_bucket{{le="+Inf",{labels}}}') == 5


def test_callers_cannot_make_series(watched: Watched, refusal: Any) -> None:
    before = watched.page().count("\n")
    for name in ("planted-a", "planted-b"):
        refusal(lambda name=name: watched.stubs.score(Creative("h", b"", "planted-id"), name))
        unknown = watched.stubs.channel.unary_unary(f"/adscore.v1.ScoringService/{name}")
        with pytest.raises(grpc.RpcError):
            unknown(b"planted", timeout=60)
    page = watched.page()
    assert "planted" not in page
    assert page.count("\n") < before + 60


def test_models_queue_and_cache_are_shown(
    watched: Watched, creatives: list[Creative], wait_until: Callable[..., None]
) -> None:
    for _ in range(2):
        watched.stubs.score(creatives[0])
    assert watched.value('adscore_model_state{model="sample",state="ready",version="1"}') == 1
    # A worker counts a batch once it has sent the answers.
    wait_until(lambda: watched.value("adscore_batched_creatives_total") == 2)
    assert watched.value("adscore_queue_creatives") == 0
    cached = "hits_total", "misses_total", "entries", "bytes"
    for name in cached:
        assert f'adscore_cache_{name}{{model="sample",version="1"}}' in watched.page()
    assert 'adscore_calls_held{threads="score"}' in watched.page()


def test_taken_address_is_said_before_the_server_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(StartError, match="--metrics-address"),
            MetricsServer(Metrics().registry, address),
        ):
            pass


# === The shift of scores ===


def test_index_is_small_for_scores_like_those_of_the_reference() -> None:
    draw, distribution = random.Random(0), Distribution()
    for _ in range(WINDOW_SCORES):
        distribution.add(draw.uniform(0, 100))
    index = distribution.stability_index()
    assert index is not None
    assert index < 0.01


def test_index_shows_a_shift_and_forgets_it_with_the_window() -> None:
    draw, distribution = random.Random(0), Distribution()
    for _ in range(WINDOW_SCORES):
        distribution.add(100 * draw.random() ** 2)
    shifted = distribution.stability_index()
    for _ in range(WINDOW_SCORES):
        distribution.add(draw.uniform(0, 100))
    back = distribution.stability_index()
    assert shifted is not None
    assert back is not None
    assert shifted > 0.25
    assert back < 0.01


def test_index_waits_for_enough_scores() -> None:
    distribution = Distribution()
    for _ in range(MIN_SCORES - 1):
        distribution.add(50)
    assert distribution.stability_index() is None
    distribution.add(50)
    assert distribution.stability_index() is not None


@given(st.lists(st.floats(0, 100), max_size=300))
def test_every_percentile_falls_into_one_tenth(percentiles: list[float]) -> None:
    distribution = Distribution()
    for percentile in percentiles:
        distribution.add(percentile)
    assert sum(distribution.totals) == sum(distribution.recent) == len(percentiles)


def test_versions_that_come_and_go_take_bounded_memory() -> None:
    distributions = ScoreDistributions()
    for version in range(1_000):
        distributions.add("model", str(version), [("ctr", 50.0)])
    kept = distributions.snapshot()
    assert len(kept) <= 256
    assert ("model", "999", "ctr") in kept


def test_connections_that_say_nothing_keep_nobody_from_the_page(wait_until: Any) -> None:
    with MetricsServer(Metrics().registry, "127.0.0.1:0") as page, ExitStack() as silent:
        host, _, port = page.address.partition(":")
        for _ in range(60):
            silent.enter_context(socket.create_connection((host, int(port))))
        with urllib.request.urlopen(f"http://{page.address}/metrics", timeout=30) as answer:
            assert b"adscore_calls_in_flight" in answer.read()
        wait_until(lambda: _request_threads() <= 16)


def _request_threads() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())
