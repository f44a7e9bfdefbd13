"""Calls for scores that are worked on together, with a model behind the queue."""

import math
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2
from adscore_server.config import ServerConfig

TIMEOUT_SECONDS = 30.0
ONE_CORE = ServerConfig("127.0.0.1:0", decode_threads=1)


def request_of(creative: Creative, model: str = "") -> scoring_pb2.ScoreRequest:
    wire = scoring_pb2.Creative(id=creative.id, headline=creative.headline, image=creative.image)
    return scoring_pb2.ScoreRequest(creative=wire, model=model)


@pytest.fixture
def batches(scorer: Any, replace_scorer: Any) -> Any:
    """A model that fails batches with a bad headline, and remembers the sizes of the others."""

    class Batches:
        def __init__(self) -> None:
            self.sizes: list[int] = []
            self.entered, self.released = threading.Event(), threading.Event()
            self.scorer = replace_scorer(self.run)

        def run(self, creatives: Sequence[Any]) -> list[Any]:
            self.entered.set()
            assert self.released.wait(TIMEOUT_SECONDS)
            if any(creative.headline.text == "bad" for creative in creatives):
                raise ValueError("planted")
            self.sizes.append(len(creatives))
            return list(scorer.score_prepared(creatives))

    made = Batches()
    yield made
    made.released.set()


def start_and_fill(
    server: Any, stubs: Any, batches: Any, wait_until: Any, sent: Sequence[Creative]
) -> list[Any]:
    """Has one call hold the only worker, and the others wait."""
    server._services.queue._batch_seconds = math.inf  # what is held must not make batches small
    calls = [stubs.scoring.Score.future(request_of(sent[0]), timeout=60)]
    assert batches.entered.wait(TIMEOUT_SECONDS)
    calls += [stubs.scoring.Score.future(request_of(one), timeout=60) for one in sent[1:]]
    wait_until(lambda: server.statistics().queue.waiting == len(sent) - 1)
    batches.released.set()
    return calls


def test_one_bad_creative_never_fails_its_batch_mates(
    start_server: Any, connect: Any, wait_until: Any, batches: Any, creatives: list[Creative]
) -> None:
    server = start_server(batches.scorer, config=ONE_CORE)
    stubs = connect(server.address)
    sent = [*creatives[:3], Creative("bad", creatives[3].image), *creatives[4:6]]
    calls = start_and_fill(server, stubs, batches, wait_until, sent)
    codes = [call.code().name for call in calls]
    assert codes == ["OK", "OK", "OK", "INTERNAL", "OK", "OK"]


def test_a_creative_that_cannot_be_prepared_fails_alone(
    start_server: Any, connect: Any, wait_until: Any, batches: Any, creatives: list[Creative]
) -> None:
    server = start_server(batches.scorer, config=ONE_CORE)
    stubs = connect(server.address)
    sent = [creatives[0], Creative("headline", b"no image"), creatives[1]]
    calls = start_and_fill(server, stubs, batches, wait_until, sent)
    assert [call.code().name for call in calls] == ["OK", "INVALID_ARGUMENT", "OK"]
    assert batches.sizes == [1, 1]


def test_a_model_with_too_few_results_fails_its_calls(
    start_server: Any, connect: Any, replace_scorer: Any, refusal: Any, creatives: list[Creative]
) -> None:
    stubs = connect(start_server(replace_scorer(lambda _: [])).address)
    code, reason, *_ = refusal(lambda: stubs.score(creatives[0]))
    assert (code.name, reason) == ("INTERNAL", "INTERNAL")


def test_images_that_take_much_memory_are_scored_before_another_is_decoded(
    start_server: Any, connect: Any, wait_until: Any, batches: Any, creatives: list[Creative]
) -> None:
    read = batches.scorer.manifest.preprocessing
    size = read.image_height * read.image_width * 3
    config = ServerConfig("127.0.0.1:0", decode_threads=1, max_batch_bytes=2 * size)
    server = start_server(batches.scorer, config=config)
    calls = start_and_fill(server, connect(server.address), batches, wait_until, creatives[:6])
    assert [call.code().name for call in calls] == ["OK"] * 6
    assert batches.sizes == [1, 2, 2, 1]
