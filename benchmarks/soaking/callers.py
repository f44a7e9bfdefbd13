"""Callers that count what they get: right and wrong scores, refusals, and calls that hang."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from soaking.ads import Ad, Ads

# A call that takes longer hangs.
PATIENCE_SECONDS = 30.0
RIGHT, WRONG, HUNG = "right", "wrong", "hung"
_NUMBERS = 1_000_000_000  # of creatives, that each caller has for itself
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


def connect(address: str) -> grpc.Channel:
    """A channel with a connection of its own."""
    return grpc.insecure_channel(address, _OWN_CONNECTION)


def metadata_of(token: str) -> tuple[tuple[str, str], ...]:
    """What a caller with a token sends along; nothing where it has none."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def outcome_of(error: grpc.RpcError) -> str:
    """What a failed call was told: its code, and the reason where the server gave one."""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return HUNG
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        detail.Unpack(info)
    return f"{code.name} {info.reason}".strip() if info.reason else f"{code.name} (connection)"


class Callers:
    """Threads that score one creative after the other, for as long as the `with` block lasts.

    Args:
        address: Of the server.
        ads: What they send.
        count: How many there are, each with a connection of its own.
        metadata: What they send along.
        pause_seconds: Between two calls of one of them.
    """

    def __init__(
        self,
        address: str,
        ads: Ads,
        count: int = 8,
        metadata: tuple[tuple[str, str], ...] = (),
        pause_seconds: float = 0.0,
    ) -> None:
        self._address, self._ads = address, ads
        self._metadata, self._pause_seconds = metadata, pause_seconds
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(count)]
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.versions: Counter[str] = Counter()
        self._started = 0.0
        self.rate = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self.rate = self.counts[RIGHT] / (time.monotonic() - self._started)

    @property
    def unanswered(self) -> int:
        """Calls that did not get the right score."""
        return self.counts.total() - self.counts[RIGHT]

    def _call(self, number: int) -> None:
        with connect(self._address) as channel:
            stub = scoring_pb2_grpc.ScoringServiceStub(channel)
            for ad, creative in self._ads.fresh(number * _NUMBERS):
                if self._stopping.is_set():
                    return
                start = time.monotonic()
                outcome, version = score(stub, ad, creative, self._metadata)
                with self._lock:
                    self.counts[outcome] += 1
                    self.versions[version] += 1
                    self.seconds.append(time.monotonic() - start)
                if outcome != RIGHT or self._pause_seconds:
                    self._stopping.wait(self._pause_seconds or 0.02)


def score(
    stub: scoring_pb2_grpc.ScoringServiceStub,
    ad: Ad,
    creative: scoring_pb2.Creative,
    metadata: tuple[tuple[str, str], ...] = (),
) -> tuple[str, str]:
    """Makes one call; returns the outcome, and the version that answered."""
    try:
        request = scoring_pb2.ScoreRequest(creative=creative)
        answer = stub.Score(request, timeout=PATIENCE_SECONDS, metadata=metadata).score
    except grpc.RpcError as error:
        return outcome_of(error), ""
    return (RIGHT if ad.is_right(answer, creative.id) else WRONG), answer.model_version


def percentile(seconds: list[float], percent: float) -> float:
    """A percentile of some durations, in milliseconds; 0 of none."""
    if not seconds:
        return 0.0
    ordered = sorted(seconds)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] * 1000
