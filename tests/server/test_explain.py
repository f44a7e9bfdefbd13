"""Explain: the same as the library's, beside scores, within limits."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore.explanation import Box, Plan, WhatIf, explain
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.config import ServerConfig

INVALID = grpc.StatusCode.INVALID_ARGUMENT
TIMEOUT_SECONDS = 60.0


def ask(stubs: Any, creative: Creative, **fields: Any) -> Any:
    wire = scoring_pb2.Creative(
        id=creative.id, headline=creative.headline, image=creative.image, context=creative.context
    )
    request = scoring_pb2.ExplainRequest(creative=wire, **fields)
    return stubs.scoring.Explain(request, timeout=TIMEOUT_SECONDS).explanation


def box(*sides: int) -> scoring_pb2.Box:
    return scoring_pb2.Box(**dict(zip(("left", "top", "right", "bottom"), sides, strict=True)))


def test_explanation_is_that_of_the_library(
    stubs: Any, scorer: Scorer, creatives: list[Creative]
) -> None:
    others = creatives[1:6]
    received = ask(
        stubs,
        creatives[0],
        boxes=[box(5, 5, 60, 40), box(0, 0, 9, 9)],
        headlines=[one.headline for one in others],
        images=[one.image for one in others],
    )
    what_if = WhatIf(
        boxes=[Box(5, 5, 60, 40), Box(0, 0, 9, 9)],
        headlines=[one.headline for one in others],
        images=[one.image for one in others],
    )
    expected = explain(scorer, creatives[0], what_if)
    assert (received.creative_id, received.target) == (creatives[0].id, "ctr")
    assert (received.model, received.model_version) == ("sample", "1")
    total = received.base + received.headline + received.image + received.remainder
    assert total == pytest.approx(math.log(received.mean / (1 - received.mean)), abs=1e-9)
    assert received.headline == pytest.approx(expected.parts.headline, abs=1e-4)
    assert received.image == pytest.approx(expected.parts.image, abs=1e-4)
    words, phrases = (
        list(zip(wire, found, strict=True))
        for wire, found in (
            (received.words, expected.words),
            (received.phrases, expected.phrases),
        )
    )
    for word, one in words + phrases:
        assert (word.text, word.start, word.end) == (one.text, one.start, one.end)
        assert word.effect == pytest.approx(one.effect, abs=1e-4)
    for element, other in zip(received.elements, expected.elements, strict=True):
        assert element.kind == scoring_pb2.ELEMENT_KIND_BOX
        assert element.box == box(*other.box)
        assert element.effect == pytest.approx(other.effect, abs=1e-4)


def test_scores_go_on_beside_explanations(stubs: Any, creatives: list[Creative]) -> None:
    before = [stubs.score(creative).targets["ctr"].mean for creative in creatives[:8]]
    with ThreadPoolExecutor(8) as threads:
        explained = [threads.submit(ask, stubs, one) for one in creatives[:8]]
        scored = [threads.submit(stubs.score, one) for one in creatives[:8]]
    assert [one.result().targets["ctr"].mean for one in scored] == pytest.approx(before, rel=1e-4)
    assert [one.result().mean for one in explained] == pytest.approx(before, rel=1e-4)


def test_no_score_waits_for_an_explanation(
    start_server: Any,
    connect: Any,
    scorer: Scorer,
    creatives: list[Creative],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, released = threading.Event(), threading.Event()
    finish = Plan.finish

    def finish_when_released(*arguments: Any) -> Any:
        begun.set()
        assert released.wait(TIMEOUT_SECONDS)
        return finish(*arguments)

    monkeypatch.setattr(Plan, "finish", finish_when_released)
    server = start_server(scorer, config=ServerConfig(address="127.0.0.1:0", decode_threads=1))
    stubs = connect(server.address)
    with ThreadPoolExecutor(3) as threads:
        explained = [threads.submit(ask, stubs, one) for one in creatives[:3]]
        assert begun.wait(TIMEOUT_SECONDS)
        try:
            scored = [stubs.score(one).targets["ctr"].mean for one in creatives[:3]]
        finally:
            released.set()
        assert [one.result().mean for one in explained] == pytest.approx(scored, rel=1e-4)


@pytest.mark.parametrize(
    ("headline", "fields", "reason", "field"),
    [
        ("Sale", {"boxes": [box(0, 0, 10_000, 5)]}, "BOX_OUTSIDE_IMAGE", "boxes[0]"),
        ("Sale", {"swaps": [scoring_pb2.WordSwap(word="x")]}, "WORD_NOT_FOUND", "swaps[0]"),
        ("Sale", {"headlines": ["a", ""]}, "HEADLINE_MISSING", "headlines[1]"),
        ("Sale", {"images": [b"none"]}, "IMAGE_UNREADABLE", "images[0]"),
        ("Sale", {"headlines": ["a"] * 65}, "BATCH_TOO_LARGE", "headlines"),
        ("Sale", {"target": "crt"}, "TARGET_UNKNOWN", "target"),
        ("x" * 12_000, {}, "HEADLINE_TOO_LONG", "creative.headline"),
    ],
    ids=range(7),
)
def test_what_cannot_be_explained_is_named(
    stubs: Any,
    refusal: Any,
    creatives: list[Creative],
    headline: str,
    fields: dict[str, Any],
    reason: str,
    field: str,
) -> None:
    creative = Creative(headline, creatives[0].image)
    code, *received, text = refusal(lambda: ask(stubs, creative, **fields))
    assert (code, *received) == (INVALID, reason, field)
    assert "Received: " in text


def test_an_explanation_counts_as_its_encodings_for_the_rate_limit(
    start_server: Any, connect: Any, scorer: Scorer, creatives: list[Creative]
) -> None:
    config = ServerConfig(address="127.0.0.1:0", creatives_per_second=1.0)
    stubs = connect(start_server(scorer, config=config).address)
    ask(stubs, creatives[0])
    with pytest.raises(grpc.RpcError) as caught:
        stubs.score(creatives[0])
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    milliseconds: dict[str, Any] = dict(error.trailing_metadata())
    assert int(milliseconds["grpc-retry-pushback-ms"]) > 3_000  # more than one creative is owed
