"""Images that take long to decode: what waits for them, and what they wait for."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from PIL import Image

from adscore.creative import Creative
from adscore.scoring.pixel_budget import PixelBudget, PixelClaim
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import check_pb2, check_pb2_grpc, scoring_pb2
from adscore_server.config import ServerConfig
from adscore_server.models.folders import VersionFolder
from adscore_server.models.opener import ModelOpener
from adscore_server.models.registry import ModelRegistry
from adscore_server.server import Server


class SlowImages:
    """A model that decodes large images only when it is released."""

    def __init__(self, scorer: Any, replace_scorer: Any) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        self.decoded = 0
        self.scorer = replace_scorer(scorer.score_prepared)
        self._decode = self.scorer.preparer.decode_image
        self.scorer.preparer.decode_image = self._decode_slowly

    def _decode_slowly(self, checked: Any) -> Any:
        if checked.takes_long:
            self.begun.set()
            assert self.released.wait(60)
            self.decoded += 1
        return self._decode(checked)


@pytest.fixture
def slow_images(scorer: Any, replace_scorer: Any) -> Any:
    made = SlowImages(scorer, replace_scorer)
    yield made
    made.released.set()


@pytest.fixture(scope="session")
def large(encode: Callable[..., bytes]) -> Sequence[Creative]:
    """Creatives whose images take long to decode, each another."""
    return [
        Creative(f"headline {n}", encode(Image.new("RGB", (2_000, 1_500 + n)), "PNG"))
        for n in range(8)
    ]


def request_of(creative: Creative) -> Any:
    wire = scoring_pb2.Creative(headline=creative.headline, image=creative.image)
    return scoring_pb2.ScoreRequest(creative=wire)


def test_large_images_hold_up_no_small_call(
    start_server: Any,
    connect: Any,
    slow_images: Any,
    large: Sequence[Creative],
    creatives: list[Creative],
) -> None:
    config = ServerConfig("127.0.0.1:0", decode_threads=2)
    stubs = connect(start_server(slow_images.scorer, config=config).address)
    waiting = [stubs.scoring.Score.future(request_of(one), timeout=60) for one in large]
    batch = scoring_pb2.BatchScoreRequest(
        creatives=[request_of(one).creative for one in (large[0], creatives[0])]
    )
    waiting_batch = stubs.scoring.BatchScore.future(batch, timeout=60)
    assert slow_images.begun.wait(60)
    for creative in creatives[:10]:
        assert stubs.score(creative).targets
    assert len(stubs.batch_score(creatives)) == len(creatives)
    assert not any(call.done() for call in waiting)
    slow_images.released.set()
    assert all(call.result().score.targets for call in waiting)
    assert all(result.score.targets for result in waiting_batch.result().results)


def test_a_search_for_a_frame_that_is_not_blank_holds_up_no_small_call(
    start_server: Any,
    connect: Any,
    slow_images: Any,
    encode: Callable[..., bytes],
    creatives: list[Creative],
) -> None:
    blank = [Image.new("L", (60, 50), 255 * (place % 2)) for place in range(100)]
    gif = encode(blank[0], "GIF", save_all=True, append_images=blank[1:])
    config = ServerConfig("127.0.0.1:0", decode_threads=2)
    stubs = connect(start_server(slow_images.scorer, config=config).address)
    request = request_of(Creative("headline", gif))
    waiting = [stubs.scoring.Score.future(request, timeout=60) for _ in range(4)]
    assert slow_images.begun.wait(60)
    assert stubs.score(creatives[0]).targets
    slow_images.released.set()
    assert all(call.result().score.targets for call in waiting)


def test_large_images_of_callers_who_have_gone_are_not_decoded(
    start_server: Any, connect: Any, wait_until: Any, slow_images: Any, large: Sequence[Creative]
) -> None:
    server = start_server(slow_images.scorer, config=ServerConfig("127.0.0.1:0", decode_threads=2))
    stubs = connect(server.address)
    calls = [stubs.scoring.Score.future(request_of(one), timeout=60) for one in large]
    late = stubs.scoring.Score.future(request_of(large[0]), timeout=0.5)
    assert slow_images.begun.wait(60)
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    for call in calls:
        call.cancel()
    wait_until(lambda: len(server._scores) == 0)
    slow_images.released.set()
    assert server.stop()
    assert slow_images.decoded == 1


def test_large_images_take_a_share_of_the_places(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    slow_images: Any,
    large: Sequence[Creative],
    creatives: list[Creative],
) -> None:
    config = ServerConfig("127.0.0.1:0", threads=8, max_waiting_calls=0, decode_threads=2)
    server = start_server(slow_images.scorer, config=config)
    stubs = connect(server.address)
    calls = [stubs.scoring.Score.future(request_of(one), timeout=60) for one in large]
    wait_until(lambda: sum(call.done() for call in calls) == 6)
    refused = [call for call in calls if call.done()]
    assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert stubs.score(creatives[0]).targets
    slow_images.released.set()
    assert [call.code() for call in calls].count(grpc.StatusCode.OK) == 2


# === What waits for its pixels ===

METHODS = ("Score", "BatchScore", "ScoreCombinations", "StreamScore")


@pytest.fixture
def crowded(scorer: Scorer, replace_scorer: Any) -> Any:
    """A model whose pixel budget is taken until it is released; notes who claims some."""
    replaced = replace_scorer(scorer.score_prepared)
    replaced.preparer.budget = budget = PixelBudget(10_000_000)
    replaced.taken, replaced.claims, claim = budget.claim(10_000_000), [], budget.claim

    def noted(pixels: int) -> PixelClaim:
        replaced.claims.append(pixels)
        return claim(pixels)

    budget.claim = noted  # type: ignore[method-assign]
    yield replaced
    replaced.taken.release()


def call_of(stubs: Any, method: str, creative: Creative, timeout: float) -> Any:
    wire = request_of(creative).creative
    requests = {
        "Score": scoring_pb2.ScoreRequest(creative=wire),
        "BatchScore": scoring_pb2.BatchScoreRequest(creatives=[wire]),
        "ScoreCombinations": scoring_pb2.ScoreCombinationsRequest(
            headlines=[wire.headline], images=[wire.image]
        ),
        "StreamScore": scoring_pb2.StreamScoreRequest(request_id="1", creatives=[wire]),
    }
    if method == "StreamScore":
        return stubs.scoring.StreamScore(iter([requests[method]]), timeout=timeout)
    return getattr(stubs.scoring, method).future(requests[method], timeout=timeout)


def is_answered(call: Any, method: str) -> bool:
    if method == "StreamScore":
        list(call)
    return call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", METHODS)
def test_an_image_that_waits_for_its_pixels_holds_no_thread(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    encode: Callable[..., bytes],
    crowded: Any,
    large: Sequence[Creative],
    method: str,
) -> None:
    config = ServerConfig("127.0.0.1:0", decode_threads=1)
    stubs = connect(start_server(crowded, config=config).address)
    call = call_of(stubs, method, large[0], 60)
    wait_until(lambda: crowded.preparer.budget._waiting)
    needs_none = Creative("headline", encode(Image.new("RGB", (1_200, 1_200)), "PNG"))
    assert crowded.preparer.check(needs_none).takes_long
    for one in METHODS:
        assert is_answered(call_of(stubs, one, needs_none, 60), one)
    crowded.taken.release()
    assert is_answered(call, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ending", ["cancelled", "deadline"])
def test_a_caller_who_has_gone_waits_for_no_pixels(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    crowded: Any,
    large: Sequence[Creative],
    method: str,
    ending: str,
) -> None:
    config = ServerConfig("127.0.0.1:0", decode_threads=1)
    stubs = connect(start_server(crowded, config=config).address)
    budget = crowded.preparer.budget
    for seconds in (1.0, 5.0, 25.0) if ending == "deadline" else (60.0,):
        call = call_of(stubs, method, large[0], seconds)
        wait_until(lambda call=call: crowded.claims or call.done())
        if crowded.claims:  # else a busy machine did not come so far in time
            break
    assert crowded.claims
    if ending == "cancelled":
        call.cancel()
    wait_until(lambda: not budget._waiting)
    crowded.taken.release()
    for creative in large[1:3]:  # what the other one waited for is there for all
        assert is_answered(call_of(stubs, method, creative, 60), method)
    wait_until(lambda: budget._taken == 0)


def test_checks_wait_for_the_pixels_of_models(
    connect: Any, wait_until: Any, large: Sequence[Creative]
) -> None:
    budget = PixelBudget(3_000_000)
    held = budget.claim(3_000_000)
    request = check_pb2.CheckRequest(placement="meta-feed", creatives=[{"image": large[0].image}])
    with Server(ModelRegistry(), ServerConfig("127.0.0.1:0"), budget=budget) as server:
        checks = check_pb2_grpc.CheckServiceStub(connect(server.address).channel)
        call = checks.Check.future(request, timeout=60)
        wait_until(lambda: budget._waiting)
        held.release()
        assert call.result().creatives[0].findings
    wait_until(lambda: budget._taken == 0)


def test_models_share_one_budget(model_dir: Any) -> None:
    opener = ModelOpener(model_dir, ServerConfig(max_image_pixels=7_000_000))
    folder = VersionFolder(model_dir / "1", ())
    budgets = {opener.open(folder).scorer.preparer.budget for _ in range(2)}
    assert len(budgets) == 1
