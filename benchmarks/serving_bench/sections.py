"""The questions of the benchmark: what is run for each, the systems of a question in turns."""

import shutil
import tempfile
import time
from pathlib import Path

from serving_bench.bench import BATCH, CALLERS, PROCESSES, Bench
from serving_bench.environments import missing
from serving_bench.load import Load
from serving_bench.orders import Order
from serving_bench.pictures import KINDS, USUAL
from serving_bench.results import ADSCORE, BEFORE, EMPTY, Measurement
from serving_bench.systems import PEERS, bare_server, peer_line, peer_server
from serving_bench.transports import GRID_HEADLINES, GRID_IMAGES, idle_connections
from serving_bench.workers import WorkerError
from shared.processes import adscore_server

# Shares of what a closed loop reached, at which calls arrive by themselves.
OPEN_SHARES = (0.5, 0.8)
# The case of `score` with the server that `adscore serve` starts by default.
ONE_PROCESS = "one process"
# What grows, and to what.
GROWTH = {
    "models": (1, 4, 16),
    "cache MB": (0, 64, 256),
    "processes": (1, 2, 4),
    "connections": (0, 500, 2000),
}
# Before the whole number.
_LONG_STAGES = (1_000, 10_000)


def score(bench: Bench) -> None:
    """One creative a call: 32 callers against the ceiling, then calls that arrive by themselves."""
    for kind in KINDS if bench.settings.all_kinds else (USUAL,):
        for round_ in range(bench.settings.rounds):
            bench.run_ceiling("score", kind, round_)
            order = _closed(bench, kind)
            bench.run("score", ADSCORE, kind, round_, bench.full_server, bench.full_score, order)
            if kind == USUAL:
                bench.run("score", ADSCORE, ONE_PROCESS, round_, bench.server, bench.score, order)

    _arrivals(bench)


def bulk(bench: Bench) -> None:
    """Many creatives a call: BatchScore, and the client's stream, against the ceiling."""
    with (
        bench.callers(bench.server, "batch_score") as batch,
        bench.callers(bench.server, "stream") as stream,
    ):
        for round_ in range(bench.settings.rounds):
            ceiling = bench.run_ceiling("bulk", USUAL, round_)
            load = Load(bench.settings.seconds, 2, BATCH)
            bench.run("bulk", ADSCORE, "batch", round_, bench.server, batch, Order(load, USUAL))
            number = max(BATCH, int(ceiling.rate * bench.settings.seconds / PROCESSES))
            order = Order(load, USUAL, number=number)
            bench.run("bulk", ADSCORE, "stream", round_, bench.server, stream, order)


def parts(bench: Bench) -> None:
    """What a Score is made of: each step in process, small batches, and gRPC without a model."""
    with (
        bench.in_process("decode") as decode,
        bench.in_process("words") as words,
        bare_server() as bare,
        bench.callers(bare) as callers,
    ):
        for round_ in range(bench.settings.rounds):
            bench.run_ceiling("parts", "decode", round_, workers=decode)
            bench.run_ceiling("parts", "graphs", round_)
            bench.run_ceiling("parts", "one by one", round_, batch=1)
            bench.run_ceiling("parts", "words", round_, workers=words)
            order = _closed(bench, USUAL)
            bench.run("parts", ADSCORE, "bare", round_, bare, callers, order)
            bench.run("parts", ADSCORE, "score", round_, bench.server, bench.score, order)


def idle(bench: Bench) -> None:
    """A single caller, who waits for each answer, against the same work in process."""
    order = Order(Load(bench.settings.seconds, 1), USUAL)
    with bench.callers(bench.server, "score", 1) as one:
        for round_ in range(bench.settings.rounds):
            bench.run_ceiling("idle", USUAL, round_, callers=1, batch=1)
            bench.run("idle", ADSCORE, USUAL, round_, bench.server, one, order)


def grid(bench: Bench) -> None:
    """A grid of headlines and images, against its combinations one by one, cache or not."""
    size = GRID_HEADLINES * GRID_IMAGES
    for case, options in (("no cache", ["--cache-bytes", "0"]), ("cache", [])):
        with (
            adscore_server(bench.settings.model, *options) as server,
            bench.callers(server, "grid") as grids,
            bench.callers(server, "score") as singles,
        ):
            for round_ in range(bench.settings.rounds):
                order = Order(Load(bench.settings.seconds, 1, GRID_IMAGES), USUAL)
                of_grids = f"{case}: grids"
                bench.run(
                    "grid", ADSCORE, of_grids, round_, server, grids, order,
                    creatives_factor=size / GRID_IMAGES,
                )  # fmt: skip
                order = _closed(bench, USUAL, "singles_of_grids")
                bench.run("grid", ADSCORE, f"{case}: singles", round_, server, singles, order)


def cache(bench: Bench) -> None:
    """Images that come again, with new headlines and with the same, against fresh ones."""
    for round_ in range(bench.settings.rounds):
        for ads in ("fresh", "repeated_images", "repeated"):
            order = _closed(bench, USUAL, ads)
            bench.run("cache", ADSCORE, ads, round_, bench.server, bench.score, order)


def empty(bench: Bench) -> None:
    """A creative that the cache knows, against the cheapest call that carries the same bytes."""
    order = _closed(bench, USUAL, "repeated")
    with bare_server() as bare, bench.callers(bare, "bare") as callers:
        for round_ in range(bench.settings.rounds):
            bench.run("empty", EMPTY, "repeated", round_, bare, callers, order)
            bench.run("empty", ADSCORE, "repeated", round_, bench.server, bench.score, order)


def before(bench: Bench) -> None:
    """A process for each core and its own client, against those of another checkout."""
    settings = bench.settings
    if settings.before is None or settings.before_model is None:
        return
    workers = ("--workers", str(settings.cores))
    with (
        adscore_server(settings.before_model, *workers, project=settings.before) as server,
        bench.callers(server) as callers,
    ):
        callers.run(_closed(bench, USUAL), server.process.usage)  # warms it up
        for round_ in range(settings.rounds):
            for ads in ("fresh", "repeated"):
                order = _closed(bench, USUAL, ads)
                bench.run("before", BEFORE, ads, round_, server, callers, order)
                ours = bench.full_server, bench.full_score
                bench.run("before", ADSCORE, ads, round_, *ours, order)


def starts(bench: Bench) -> None:
    """From the command to the first score, and the memory that is resident then."""
    from adscore_client import Client

    ad = bench.any_ad()
    for round_ in range(bench.settings.rounds):
        with adscore_server(bench.settings.model) as server, Client(server.address) as client:
            client.score(ad.headline, ad.image)
            seconds = time.monotonic() - server.process.started
            usage = server.process.usage()
        bench.record(
            Measurement("starts", ADSCORE, "", round_, 1, seconds, rss_mb=usage.rss_mb,
                        peak_rss_mb=usage.peak_rss_mb)
        )  # fmt: skip


def growth(bench: Bench) -> None:
    """What a creative and a server cost as models, cache, connections and processes grow."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for models in GROWTH["models"]:
            root = Path(folder, str(models))
            for number in range(models):
                shutil.copytree(bench.settings.model, root / f"m{number}")
            _grown(bench, "models", models, root, "--default-model", "m0")
    for megabytes in GROWTH["cache MB"]:
        size = str(megabytes * 2**20)
        _grown(bench, "cache MB", megabytes, bench.settings.model, "--cache-bytes", size)
    for workers in GROWTH["processes"]:
        _grown(bench, "processes", workers, bench.settings.model, "--workers", str(workers))
    for connections in GROWTH["connections"]:
        _grown(bench, "connections", connections, bench.settings.model)


def _grown(bench: Bench, what: str, number: int, root: Path, *options: str) -> None:
    with (
        adscore_server(root, *options) as server,
        bench.callers(server, "score") as callers,
        idle_connections(server.address, number if what == "connections" else 0),
    ):
        order = _closed(bench, USUAL)
        callers.run(order, server.process.usage)  # warms it up
        for round_ in range(bench.settings.rounds):
            bench.run("growth", ADSCORE, f"{what}: {number}", round_, server, callers, order)


def long(bench: Bench, creatives: int) -> None:
    """Longer and longer streams: what a creative costs, and the memory after each.

    Without the cache, which grows to its limit and would hide whether anything else does.
    """
    with (
        adscore_server(bench.settings.model, "--cache-bytes", "0") as server,
        bench.callers(server, "stream", 1) as one,
    ):
        stages = [number for number in _LONG_STAGES if number < creatives]
        for round_, number in enumerate([min(1_000, creatives), *stages, creatives]):
            order = Order(Load(0, 1), USUAL, number=number)
            case = f"{number}" if round_ else "warm-up"
            bench.run("long", ADSCORE, case, round_, server, one, order)


def peers(bench: Bench, names: "tuple[str, ...]" = PEERS) -> None:
    """The same calls to each peer, scoring in both ways, in turns with adscore and the ceiling."""
    for name in names:
        for documented in (False, True):
            reason = missing(name) or _measure_peer(bench, name, documented=documented)
            if reason:
                system = peer_line(name, documented=documented)
                bench.record(Measurement("peers", system, system, 0, 0, 0.0, note=reason))


def _arrivals(bench: Bench) -> None:
    """Calls that arrive by themselves, at shares of what 32 callers reached."""
    reached = bench.median_rate("score", ADSCORE, USUAL)
    for share in OPEN_SHARES:
        for round_ in range(bench.settings.rounds):
            order = _open(bench, share * reached)
            case = f"{share:.0%}"
            bench.run("arrivals", ADSCORE, case, round_, bench.full_server, bench.full_score, order)


def _measure_peer(bench: Bench, peer_name: str, *, documented: bool) -> str:
    """Measures one; returns why that failed, or nothing."""
    order = _closed(bench, USUAL)
    name = peer_line(peer_name, documented=documented)
    with peer_server(peer_name, bench.settings.model, documented=documented) as peer:
        try:
            with bench.callers(peer) as callers:
                callers.run(order, peer.process.usage)  # warms it up
                for round_ in range(bench.settings.rounds):
                    bench.run_ceiling("peers", name, round_)
                    ours = bench.full_server, bench.full_score
                    bench.run("peers", ADSCORE, name, round_, *ours, order)
                    bench.run("peers", name, name, round_, peer, callers, order)
                arriving = _open(bench, OPEN_SHARES[0] * bench.median_rate("peers", name, name))
                for round_ in range(bench.settings.rounds):
                    for system, running, group in (
                        (ADSCORE, bench.full_server, bench.full_score), (name, peer, callers)
                    ):  # fmt: skip
                        bench.run("peer arrivals", system, name, round_, running, group, arriving)
        except WorkerError as error:
            return f"fails: {error}: {' '.join(peer.process.output().split())[-300:]}"
    return ""


def _closed(bench: Bench, kind: str, ads: str = "fresh") -> Order:
    return Order(Load(bench.settings.seconds, CALLERS // PROCESSES), kind, ads)


def _open(bench: Bench, rate: float) -> Order:
    # As many open at once as adscore takes by default; a call that comes when all are open is sent
    # when one ends, and its latency counts from when it was due.
    load = Load(bench.settings.seconds, 32, calls_per_second=rate / PROCESSES)
    return Order(load, USUAL)
