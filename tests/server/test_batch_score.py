"""BatchScore: order, an outcome for each creative, limits of the whole."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_server.config import ServerConfig

INVALID_NUMBER = 3
INTERNAL_NUMBER = 13


def test_results_are_in_the_order_of_the_request(
    stubs: Any, scorer: Scorer, creatives: list[Creative]
) -> None:
    shuffled = creatives[::-1]
    expected = scorer.score(shuffled)
    results = stubs.batch_score(shuffled)
    assert [result.id for result in results] == [creative.id for creative in shuffled]
    for result, score, creative in zip(results, expected, shuffled, strict=True):
        assert result.score.creative_id == creative.id
        assert result.score.targets["ctr"].mean == score.targets["ctr"].mean


def test_score_depends_on_its_batch_mates_by_less_than_the_contract_says(
    stubs: Any, creatives: list[Creative]
) -> None:
    """A rate by one part in 10,000 of itself, as the comment of Score in the .proto has it."""
    asked = creatives[:33]
    expected = [stubs.score(creative).targets["ctr"] for creative in asked]
    for size in (2, 3, 5, 7, 12, 33):
        starts = range(0, len(asked), size)
        batches = [stubs.batch_score(asked[start : start + size]) for start in starts]
        received = [result.score.targets["ctr"] for batch in batches for result in batch]
        for one, other in zip(received, expected, strict=True):
            for figure in ("mean", "lower", "upper"):
                assert getattr(one, figure) == pytest.approx(getattr(other, figure), rel=1e-4)


def test_one_bad_creative_costs_no_other_its_score(
    stubs: Any, scorer: Scorer, creatives: list[Creative]
) -> None:
    batch = [
        creatives[0],
        replace(creatives[1], image=b"no image"),
        creatives[2],
        replace(creatives[3], headline="", image=b""),
        replace(creatives[4], id="i" * 257),
        replace(creatives[5], context={"placement": "feed"}),
        creatives[6],
    ]
    results = stubs.batch_score(batch)
    assert [result.id for result in results] == [creative.id for creative in batch]
    errors = {
        position: (result.error.code, result.error.reason, result.error.field)
        for position, result in enumerate(results)
        if result.WhichOneof("outcome") == "error"
    }
    assert errors == {
        1: (INVALID_NUMBER, "IMAGE_UNREADABLE", "creatives[1].image"),
        3: (INVALID_NUMBER, "HEADLINE_MISSING", "creatives[3].headline"),
        4: (INVALID_NUMBER, "ID_TOO_LONG", "creatives[4].id"),
        5: (INVALID_NUMBER, "CONTEXT_NAME_UNKNOWN", "creatives[5].context[placement]"),
    }
    good = scorer.score([batch[0], batch[2], batch[6]])
    for position, score in zip((0, 2, 6), good, strict=True):
        assert results[position].score.targets["ctr"].mean == score.targets["ctr"].mean


def test_item_error_says_what_the_status_of_score_says(
    stubs: Any, refusal: Any, creatives: list[Creative]
) -> None:
    broken = replace(creatives[0], image=b"no image")
    code, reason, field, text = refusal(lambda: stubs.score(broken))
    [result] = stubs.batch_score([broken])
    assert (result.error.code, result.error.reason) == (code.value[0], reason)
    assert result.error.message == text
    assert result.error.field == field.replace("creative.", "creatives[0].")


def test_a_batch_of_bad_creatives_has_errors_alone(stubs: Any) -> None:
    results = stubs.batch_score([Creative("", b""), Creative("", b"")])
    assert [result.WhichOneof("outcome") for result in results] == ["error", "error"]


@pytest.mark.parametrize(("count", "reason"), [(0, "BATCH_EMPTY"), (5, "BATCH_TOO_LARGE")])
def test_batch_outside_the_limit_is_refused_whole(
    start_server: Any,
    connect: Any,
    refusal: Any,
    scorer: Scorer,
    creatives: list[Creative],
    count: int,
    reason: str,
) -> None:
    server = start_server(scorer, config=ServerConfig("127.0.0.1:0", max_batch_creatives=4))
    stubs = connect(server.address)
    code, received, field, text = refusal(lambda: stubs.batch_score(creatives[:count]))
    assert (code, received, field) == (grpc.StatusCode.INVALID_ARGUMENT, reason, "creatives")
    assert f"Received: {count}" in text
    assert len(stubs.batch_score(creatives[:4])) == 4


def test_default_limit_is_a_thousand_creatives(stubs: Any, refusal: Any) -> None:
    empty = Creative("", b"")
    assert len(stubs.batch_score([empty] * 1000)) == 1000
    code, reason, *_ = refusal(lambda: stubs.batch_score([empty] * 1001))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")


def test_unknown_model_fails_the_whole_batch(
    stubs: Any, refusal: Any, creatives: list[Creative]
) -> None:
    code, reason, *_ = refusal(lambda: stubs.batch_score(creatives[:2], model="other"))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


def test_unexpected_failure_of_one_creative_stays_its_own(
    start_server: Any,
    connect: Any,
    replace_scorer: Any,
    scorer: Scorer,
    creatives: list[Creative],
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = replace_scorer(scorer.score_prepared)
    failing.preparer.check = _fail_on(scorer.preparer.check, creatives[1])
    stubs = connect(start_server(failing).address)
    first, second, third = stubs.batch_score(creatives[:3])
    assert first.HasField("score")
    assert third.HasField("score")
    assert (second.error.code, second.error.reason) == (INTERNAL_NUMBER, "INTERNAL")
    assert creatives[1].headline not in second.error.message + caplog.text
    assert "ZeroDivisionError" in caplog.text


def _fail_on(prepare: Callable[[Creative], Any], bad: Creative) -> Callable[[Creative], Any]:
    def prepare_or_fail(creative: Creative) -> Any:
        if creative.id == bad.id:
            raise ZeroDivisionError(creative.headline)
        return prepare(creative)

    return prepare_or_fail


def test_a_creative_on_which_the_graphs_fail_costs_no_other_its_score(
    start_server: Any,
    connect: Any,
    replace_scorer: Any,
    scorer: Scorer,
    creatives: list[Creative],
) -> None:
    def run(prepared: Sequence[Any]) -> list[Any]:
        if any(one.headline.text == bad.text for one in prepared):
            raise RuntimeError("graph")
        return scorer.score_prepared(prepared)

    bad = scorer.preparer.required_headline("breaks the graphs")
    broken = dataclasses.replace(creatives[1], headline="breaks the graphs")
    stubs = connect(start_server(replace_scorer(run)).address)
    first, second, third = stubs.batch_score([creatives[0], broken, creatives[2]])
    assert first.HasField("score")
    assert third.HasField("score")
    assert (second.error.code, second.error.reason) == (INTERNAL_NUMBER, "INTERNAL")
