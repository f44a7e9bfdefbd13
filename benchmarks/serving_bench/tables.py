"""The tables that are printed: aims, servers side by side, kinds of pictures."""

import statistics
from collections.abc import Callable, Sequence
from operator import attrgetter

from serving_bench.pictures import KINDS, USUAL
from serving_bench.results import ADSCORE, BEFORE, CEILING, EMPTY, Measurement, Summary
from serving_bench.sections import GROWTH, ONE_PROCESS
from serving_bench.systems import PEERS, peer_line

Row = list[str]

_rate, _seconds, _cpu = attrgetter("rate"), attrgetter("seconds"), attrgetter("cpu_ms")
_server_cpu, _client_cpu = attrgetter("server_cpu_ms"), attrgetter("client_cpu_ms")
_p50, _p95, _p99 = attrgetter("p50_ms"), attrgetter("p95_ms"), attrgetter("p99_ms")
_rss, _peak_rss = attrgetter("rss_mb"), attrgetter("peak_rss_mb")


def aims(found: Summary) -> list[Row]:
    """Figure, value, aim, and what the value comes from."""
    rows = [
        _share(found, "Score, 32 callers, a process for each core", "score", USUAL, ">= 0.60"),
        _share(found, "... one process", "score", ONE_PROCESS, ""),
        _share(found, "BatchScore of 32", "bulk", "batch", ">= 0.90"),
        _share(found, "score_many (StreamScore)", "bulk", "stream", ">= 0.90"),
        *_best_peer(found, documented=True, aim=">= 2.0 x"),
        *_best_peer(found, documented=False, aim=">= 1.5 x"),
        *_before(found),
        _empty(found),
        _idle(found),
        _cheaper(found, "grid 15 x 20, against 300 single scores", "grid", "no cache: singles",
                 "no cache: grids", ">= 8 x"),
        _cheaper(found, "... where single scores have the cache", "grid", "cache: singles",
                 "cache: grids", ""),
        _cheaper(found, "repeated creative, against a fresh one", "cache", "fresh", "repeated",
                 ">= 5 x"),
        _cheaper(found, "... repeated image with a new headline", "cache", "fresh",
                 "repeated_images", ""),
        *_starts(found),
        *_long(found),
    ]  # fmt: skip
    return [["figure", "value", "aim", "from"], *(row for row in rows if row)]


def _share(found: Summary, title: str, section: str, case: str, aim: str) -> Row:
    ours = found.find(section, case=case)
    ceiling = found.find(section, CEILING, USUAL)
    share = found.ratio(ours, ceiling, _rate)
    if share is None:
        return []
    by_cpu = found.ratio(ceiling, ours, _cpu)
    return [
        f"{title}: share of the ceiling",
        f"{share:.2f}",
        aim,
        f"{_number(found, ours, _rate)} of {_number(found, ceiling, _rate)} a second; "
        f"by CPU time {by_cpu:.2f}",
    ]


def _best_peer(found: Summary, *, documented: bool, aim: str) -> list[Row]:
    ratios = {
        name: ratio
        for name in (peer_line(one, documented=documented) for one in PEERS)
        if (
            ratio := found.ratio(
                found.find("peers", case=name), found.find("peers", name, name), _rate
            )
        )
    }
    if not ratios:
        return []
    best = min(ratios, key=lambda name: ratios[name])
    ours, theirs = found.find("peers", case=best), found.find("peers", best, best)
    slower = found.ratio(ours, theirs, _p99)
    arriving = [found.find("peer arrivals", name, best) for name in (ADSCORE, best)]
    calmer = found.ratio(*arriving, _p99)
    return [
        [
            f"throughput against the best peer: {best}",
            f"{ratios[best]:.2f} x",
            aim,
            f"{_number(found, ours, _rate)} against {_number(found, theirs, _rate)} a second; "
            f"by CPU time {found.ratio(theirs, ours, _cpu):.2f} x",
        ],
        [
            "... p99 against that peer's",
            f"{slower:.2f} x",
            "<= 1 x",
            f"{_number(found, ours, _p99)} against {_number(found, theirs, _p99)} ms",
        ],
        [
            "... p99 where calls arrive at half of that peer's rate",
            "-" if calmer is None else f"{calmer:.2f} x",
            "<= 0.5 x",
            " against ".join(_number(found, runs, _p99, 1) for runs in arriving) + " ms",
        ],
    ]


def _before(found: Summary) -> list[Row]:
    """CPU time and rate against another checkout, each with its own client."""
    rows = []
    for ads, cpu_aim, rate_aim in (("fresh", "<= 0.60", ">= 1.60"), ("repeated", "", "")):
        ours, theirs = found.find("before", case=ads), found.find("before", BEFORE, ads)
        cpu, rate = found.ratio(ours, theirs, _cpu), found.ratio(ours, theirs, _rate)
        if cpu is None or rate is None:
            continue
        times, rates = (
            " against ".join(_number(found, runs, value, decimals) for runs in (ours, theirs))
            for value, decimals in ((_cpu, 3), (_rate, 0))
        )
        title = f"Score, 32 callers, {ads}, a process for each core"
        rows += [
            [f"{title}: CPU time over before", f"{cpu:.2f}", cpu_aim, f"{times} ms"],
            ["... rate over before", f"{rate:.2f}", rate_aim, f"{rates} a second"],
        ]
    return rows


def _empty(found: Summary) -> Row:
    ours, theirs = found.find("empty", case="repeated"), found.find("empty", EMPTY, "repeated")
    ratio = found.ratio(ours, theirs, _cpu)
    if ratio is None:
        return []
    parts = " against ".join(_number(found, runs, _cpu, 3) for runs in (ours, theirs))
    return [
        "repeated creative, over the cheapest empty call: CPU time",
        f"{ratio:.2f}",
        "<= 1.80",
        f"{parts} ms, client included",
    ]


def _idle(found: Summary) -> Row:
    ours, ceiling = found.find("idle", case=USUAL), found.find("idle", CEILING, USUAL)
    both = {one.round: one.p50_ms for one in ceiling}
    more = [one.p50_ms - both[one.round] for one in ours if one.round in both]
    if not more:
        return []
    return [
        "idle Score, over the same work in process",
        f"{statistics.median(more):.2f} ms",
        "<= 1.0 ms",
        f"medians {_number(found, ours, _p50, 2)} and {_number(found, ceiling, _p50, 2)} ms",
    ]


def _cheaper(found: Summary, title: str, section: str, dear: str, cheap: str, aim: str) -> Row:
    dear_runs, cheap_runs = found.find(section, case=dear), found.find(section, case=cheap)
    ratio = found.ratio(dear_runs, cheap_runs, _cpu)
    if ratio is None:
        return []
    parts = [f"{_number(found, runs, _cpu, 3)}" for runs in (dear_runs, cheap_runs)]
    return [
        f"{title}: CPU time",
        f"{ratio:.1f} x",
        aim,
        f"{parts[0]} against {parts[1]} ms a creative, client included",
    ]


def _starts(found: Summary) -> list[Row]:
    runs = found.find("starts")
    if not runs:
        return []
    busy = [one.peak_rss_mb for one in found.find("score", case=ONE_PROCESS)]
    peak = f"; {busy[-1]:.0f} MB at most with 32 callers" if busy else ""
    return [
        ["command to first score", f"{_number(found, runs, _seconds, 2)} s", "<= 1.0 s", ""],
        [
            "resident memory after it",
            f"{_number(found, runs, _rss)} MB",
            "<= 300 MB",
            f"highest {_number(found, runs, _peak_rss)} MB{peak}",
        ],
    ]


def _long(found: Summary) -> list[Row]:
    runs = [one for one in found.all if one.section == "long" and one.case != "warm-up"]
    if len(runs) < 2:
        return []
    costs = [one.cpu_ms for one in runs]
    return [
        [
            f"cost of a creative, {runs[0].creatives:,} to {runs[-1].creatives:,} streamed",
            f"{(max(costs) / min(costs) - 1) * 100:.1f} % apart",
            "<= 5 %",
            ", ".join(f"{cost:.3f}" for cost in costs) + " ms of CPU time",
        ],
        [
            "... resident memory of the server",
            f"{runs[-1].rss_mb - runs[0].rss_mb:+.0f} MB",
            "flat",
            ", ".join(f"{one.rss_mb:.0f}" for one in runs) + " MB after each",
        ],
    ]


def servers(found: Summary) -> list[Row]:
    """Each server with 32 callers, and with calls that arrive at half of what a peer reached."""
    header = [
        "server", "a second", "share of the ceiling", "p50 ms", "p95 ms", "p99 ms",
        "CPU ms server + client", "peak MB", "adscore is better: rate / CPU",
        "p50 / p99 ms at half its rate",
    ]  # fmt: skip
    peers = [peer_line(name, documented=way) for way in (False, True) for name in PEERS]
    rows = [_server_row(found, name) for name in (ADSCORE, *peers)]
    return [header, *(row for row in rows if row)]


def _server_row(found: Summary, name: str) -> Row:
    case = USUAL if name == ADSCORE else name
    section = "score" if name == ADSCORE else "peers"
    runs = found.find(section, name, case)
    if not runs:
        notes = [one.note for one in found.all if one.system == name and one.note]
        return [name, *["-"] * 8, notes[0]] if notes else []
    ceiling = found.find(section, CEILING, case)
    faster = ""
    if name != ADSCORE:
        ours = found.find("peers", case=name)
        faster = f"{found.ratio(ours, runs, _rate):.2f} x / {found.ratio(runs, ours, _cpu):.2f} x"
    arriving = (
        found.find("arrivals", case="50%")
        if name == ADSCORE
        else found.find("peer arrivals", name, name)
    )
    return [
        name,
        _number(found, runs, _rate),
        f"{found.ratio(runs, ceiling, _rate):.2f}",
        *(_number(found, runs, value) for value in (_p50, _p95, _p99)),
        f"{_number(found, runs, _server_cpu, 2)} + {_number(found, runs, _client_cpu, 2)}",
        f"{max(one.peak_rss_mb for one in runs):.0f}",
        faster,
        f"{_number(found, arriving, _p50, 1)} / {_number(found, arriving, _p99, 1)}",
    ]


def kinds(found: Summary) -> list[Row]:
    """Each kind of picture: the ceiling, Score with 32 callers, and its share."""
    rows = []
    for kind in KINDS:
        ours, ceiling = found.find("score", case=kind), found.find("score", CEILING, kind)
        share = found.ratio(ours, ceiling, _rate)
        if share is not None:
            rates = [_number(found, runs, _rate) for runs in (ceiling, ours)]
            by_cpu = found.ratio(ceiling, ours, _cpu)
            rows.append([kind, *rates, f"{share:.2f}", f"{by_cpu:.2f}", _number(found, ours, _p99)])
    header = ["picture", "ceiling a second", "Score a second", "share", "by CPU time", "p99 ms"]
    return [header, *rows]


def growth(found: Summary) -> list[Row]:
    """What a creative and a server cost as something grows, 32 callers."""
    rows = []
    for what, numbers in GROWTH.items():
        for number in numbers:
            runs = found.find("growth", case=f"{what}: {number}")
            if runs:
                cost, memory = _number(found, runs, _cpu, 3), _number(found, runs, _rss)
                rows.append([what, f"{number}", _number(found, runs, _rate), cost, memory])
    return [["what grows", "to", "a second", "CPU ms server + client", "resident MB"], *rows]


def parts(found: Summary) -> list[Row]:
    """Where the CPU time of a Score goes, 32 callers; ms a creative."""
    costs = {
        case: found.median(found.find("parts", CEILING, case), _cpu)
        for case in ("decode", "graphs", "one by one", "words")
    }
    bare, whole = found.find("parts", case="bare"), found.find("parts", case="score")
    rows = [["part of a Score", "CPU ms a creative"]]
    if not whole or None in costs.values():
        return rows
    decode, graphs, alone, words = (cost or 0.0 for cost in costs.values())
    rest = [one.server_cpu_ms for one in whole], [one.server_cpu_ms for one in bare]
    server, grpc = map(statistics.median, rest)
    return [
        *rows,
        ["reading the file", f"{decode:.2f}"],
        ["graphs, 32 at a time", f"{graphs - decode:.2f}"],
        ["... more where they run one by one", f"{alone - graphs:.2f}"],
        ["rates, intervals and percentiles", f"{words - graphs:.2f}"],
        ["gRPC in the server, without a model", f"{grpc:.2f}"],
        ["the server, all in all", f"{server:.2f}"],
        ["... what none of the others explains", f"{server - words - grpc:.2f}"],
        ["the client", _number(found, whole, _client_cpu, 2)],
    ]


def _number(
    found: Summary,
    runs: Sequence[Measurement],
    value: Callable[[Measurement], float | None],
    decimals: int = 0,
) -> str:
    median = found.median(runs, value)
    return "-" if median is None else f"{median:.{decimals}f}"
