"""Memory over many requests, and more requests than can be answered."""

import gc
import io
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
from PIL import Image, ImageDraw

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from shared.processes import Running
from soaking.ads import Ad, Ads, fresh_creative
from soaking.callers import HUNG, PATIENCE_SECONDS, RIGHT, WRONG, connect, outcome_of, percentile
from soaking.rows import Row, tally

# Large enough that a server gets through few, so that one process can send ten times as many.
HEAVY_PIXELS = 1_000
OVERLOAD = 10
# How long it lasts, in lengths of a trial: its first moment is not all there is of it.
OVERLOAD_LENGTH = 6


def growth(server: Running, ads: Ads, requests: int) -> Row:
    """Resident memory after as many requests as it takes to settle, and after as many again.

    The images come again, so the cache, whose size has a limit of its own, does not grow.
    """
    sizes = []
    with connect(server.address) as channel, ThreadPoolExecutor(4) as threads:
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)

        def call(number: int) -> None:
            ad = ads.ads[number % len(ads.ads)]
            creative = scoring_pb2.Creative(headline=ad.headline, image=ad.image)
            stub.Score(scoring_pb2.ScoreRequest(creative=creative), timeout=PATIENCE_SECONDS)

        for _ in range(2):
            list(threads.map(call, range(requests)))
            sizes.append(server.process.usage().rss_mb)
    per_ten_thousand = (sizes[1] - sizes[0]) * 10_000 / requests
    outcome = f"{sizes[1]:.0f} MB; {per_ten_thousand:+.1f} MB per 10,000 requests"
    return Row("memory", f"{requests:,} requests after {requests:,}", outcome, per_ten_thousand < 5)


@dataclass(slots=True)
class Arrivals:
    """What became of calls that came at a fixed rate.

    Attributes:
        counts: Outcomes.
        seconds: How long each right answer took.
        first_seconds: The same of calls that were sent in the first second.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def overload(server: Running, scorer: Scorer, seconds: float) -> list[Row]:
    """Half of the capacity, then ten times as much, of images that are costly to decode."""
    ad = _heavy(scorer)
    with connect(server.address) as channel:
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)
        capacity = _capacity(stub, ad, seconds)
        half = _send(stub, ad, capacity / 2, seconds)
        before = server.process.usage().rss_mb
        many = _send(stub, ad, capacity * OVERLOAD, OVERLOAD_LENGTH * seconds)
        grown = server.process.usage().rss_mb - before
    quiet, busy = percentile(half.seconds, 99), percentile(many.seconds, 99)
    refused = sum(n for name, n in many.counts.items() if name.startswith("RESOURCE_EXHAUSTED"))
    wrong = many.counts[WRONG] + many.counts[HUNG]
    return [
        Row(
            "half load",
            f"{capacity / 2:.0f} calls a second, half of what it can",
            f"{tally(half.counts)}; p99 {quiet:.0f} ms",
            set(half.counts) == {RIGHT},
        ),
        Row(
            "overload",
            f"{capacity * OVERLOAD:.0f} calls a second, {OVERLOAD} times what it can",
            f"{tally(many.counts)}; admitted p99 {busy:.0f} ms, "
            f"{busy / max(quiet, 0.1):.1f} times that of half load "
            f"({percentile(many.first_seconds, 99):.0f} ms in its first second); "
            f"memory {grown:+.0f} MB",
            not wrong and refused > 0 and many.counts[RIGHT] > 0 and busy <= 3 * quiet,
        ),
    ]


def _heavy(scorer: Scorer) -> Ad:
    image = Image.new("RGB", (HEAVY_PIXELS, HEAVY_PIXELS), "navy")
    draw = ImageDraw.Draw(image)
    for place in range(0, HEAVY_PIXELS, 40):
        draw.ellipse((place, place, place + 300, place + 200), outline="white")
    file = io.BytesIO()
    image.save(file, "PNG")
    [score] = scorer.score([Creative("A headline", file.getvalue())])
    means = {name: target.mean for name, target in score.targets.items()}
    return Ad("A headline", file.getvalue(), means)


def _capacity(stub: scoring_pb2_grpc.ScoringServiceStub, ad: Ad, seconds: float) -> float:
    """Scores a second that callers who never pause get."""
    end = time.monotonic() + seconds
    done: Counter[str] = Counter()

    def call(number: int) -> None:
        while time.monotonic() < end:
            number += 1
            request = scoring_pb2.ScoreRequest(creative=fresh_creative(ad, number))
            try:
                stub.Score(request, timeout=PATIENCE_SECONDS)
            except grpc.RpcError:  # a server with little room refuses some
                time.sleep(0.01)
            else:
                done[RIGHT] += 1

    threads = [threading.Thread(target=call, args=(n * 1_000_000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done[RIGHT] / seconds


def _send(
    stub: scoring_pb2_grpc.ScoringServiceStub, ad: Ad, rate: float, seconds: float
) -> Arrivals:
    """Sends calls at a rate, whether or not those before were answered."""
    arrivals, calls = Arrivals(), []
    gc.disable()  # its pauses would delay the sending, and count as the server's
    start = time.monotonic()
    offset = time.time_ns() // 1_000
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        creative = fresh_creative(ad, offset + number)
        sent = time.monotonic()
        call = stub.Score.future(
            scoring_pb2.ScoreRequest(creative=creative), timeout=PATIENCE_SECONDS
        )
        call.add_done_callback(
            lambda done, sent=sent, creative=creative: _count(
                arrivals, ad, creative.id, sent, sent - start < 1, done
            )
        )
        calls.append(call)
    for call in calls:
        call.exception()
    while arrivals.counts.total() < len(calls):  # callbacks come a moment after
        time.sleep(0.01)
    gc.enable()
    return arrivals


def _count(
    arrivals: Arrivals, ad: Ad, creative_id: str, sent: float, is_first: bool, call: grpc.Future
) -> None:
    took = time.monotonic() - sent
    error = call.exception()
    with arrivals.lock:
        if error is None:
            right = ad.is_right(call.result().score, creative_id)
            arrivals.counts[RIGHT if right else WRONG] += 1
            arrivals.seconds.append(took)
            if is_first:
                arrivals.first_seconds.append(took)
        else:
            arrivals.counts[outcome_of(error)] += 1
