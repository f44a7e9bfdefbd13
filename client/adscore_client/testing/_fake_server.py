"""An in-process server whose answers and failures a test chooses."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc

from adscore_client._checks import Finding
from adscore_client._creative import Creative
from adscore_client._exceptions import AdscoreError
from adscore_client._results import (
    InputLimits,
    Model,
    ModelState,
    Score,
    TargetScore,
    TrainingSummary,
    Warning,
)
from adscore_client.testing._services import (
    FakeCall,
    FakeChecks,
    FakeHealth,
    FakeModels,
    FakeScoring,
    Script,
)
from adscore_protos.v1 import check_pb2_grpc, model_pb2_grpc, scoring_pb2_grpc

FAKE_MODEL = Model(
    name="fake",
    version="1",
    state=ModelState.READY,
    state_reason="",
    targets=("ctr",),
    limits=InputLimits(
        max_headline_characters=1_000,
        max_image_bytes=10 * 1024 * 1024,
        max_image_pixels=50_000_000,
        image_formats=("JPEG", "PNG", "WEBP", "GIF"),
        headline_optional=True,
        image_optional=True,
        context_names=("placement",),
        max_combinations=10_000,
        image_height=64,
        image_width=64,
    ),
    training=TrainingSummary("default", 900, 90, 0, "2026-01-01T00:00:00Z", "0.1.0"),
    metrics={"ctr": {"pairwise_accuracy": 0.74}},
    has_agreement=True,
)
"""The default model of a ``FakeServer``."""


class FakeServer:
    """Answers as adscore would, on a free port of this machine, without a model.

        with FakeServer() as server, Client(server.address) as client:
            score = client.score("Save 20 % on running shoes", b"any bytes")
            assert server.creatives[0].headline == "Save 20 % on running shoes"

    By default every creative gets a meaningless score of its own, the same in every run. Images
    may be any bytes: nothing is decoded.

    Args:
        score: Scores a creative: returns its expected rate or a whole ``Score``; an
            ``AdscoreError`` that it raises refuses the creative.
        agreement: Says how well a headline and the bytes of an image fit, from -1 to 1.
        check: Returns the findings of a creative at any placement; by default none.
        model: The description of the server's model.
    """

    def __init__(
        self,
        score: Callable[[Creative], Score | float] | None = None,
        *,
        agreement: Callable[[str, bytes], float] | None = None,
        check: Callable[[Creative], Iterable[Finding]] | None = None,
        model: Model = FAKE_MODEL,
    ) -> None:
        self._script = Script(
            score or _some_score, agreement or _some_agreement, check or _no_findings, model
        )
        self._server: grpc.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """HOST:PORT for a client, once started."""
        return f"127.0.0.1:{self._port}"

    @property
    def creatives(self) -> list[Creative]:
        """The creatives received, in order of arrival."""
        return self._script.creatives

    @property
    def calls(self) -> list[FakeCall]:
        """The calls received, including failed ones; one for each attempt."""
        return self._script.calls

    def fail_next(self, error: AdscoreError, *, times: int = 1) -> None:
        """Fails the next calls as a whole; in a stream, the next requests.

            server.fail_next(OverloadedError("busy", retry_after_seconds=0.1), times=2)

        The client retries on ``ServerUnavailableError``, ``OverloadedError`` and
        ``CallCancelledError``: the caller sees one of these only if it lasts until the timeout, or
        if its ``retry_after_seconds`` exceeds the timeout.

        Args:
            error: The exception that the client should raise; its code, reason, fields and retry
                delay are sent.
            times: How many calls fail.
        """
        self._script.failures.extend([error] * times)

    def start(self) -> Self:
        """Starts to answer; a ``with`` block does it automatically."""
        # Each connection of a client watches health, which takes one thread.
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=64, thread_name_prefix="fake-server"),
            options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
        )
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(
            FakeScoring(self._script), self._server
        )
        model_pb2_grpc.add_ModelServiceServicer_to_server(FakeModels(self._script), self._server)
        check_pb2_grpc.add_CheckServiceServicer_to_server(FakeChecks(self._script), self._server)
        self._server.add_generic_rpc_handlers((FakeHealth(),))
        # The same port after a restart, so that a client finds it again.
        self._port = self._server.add_insecure_port(self.address)
        self._server.start()
        return self

    def stop(self) -> None:
        """Stops at once; calls in flight fail. It may be started again, at the same address."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<FakeServer at {self.address}{'' if self._server else ', stopped'}>"


def _some_score(creative: Creative) -> Score:
    image = creative.image if isinstance(creative.image, bytes) else b""
    place = _digest((creative.headline or "").encode(), image)
    missing: Mapping[Warning, bool] = {
        Warning.MISSING_IMAGE: not image,
        Warning.MISSING_HEADLINE: not creative.headline,
    }
    rate = 0.005 + 0.025 * place
    return Score(
        creative_id=creative.id,
        targets={"ctr": TargetScore(rate, 0.6 * rate, 1.6 * rate, 100 * place)},
        warnings=tuple(warning for warning, holds in missing.items() if holds),
    )


def _some_agreement(headline: str, image: bytes) -> float:
    return 2 * _digest(headline.encode(), image) - 1


def _no_findings(creative: Creative) -> list[Finding]:  # noqa: ARG001
    return []


def _digest(*parts: bytes) -> float:
    """Returns a pseudo-random number from 0 to 1, the same for the same parts."""
    digest = hashlib.sha256(b"\0".join(parts)).digest()
    return int.from_bytes(digest[:4]) / 2**32
