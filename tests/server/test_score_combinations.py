from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2
from adscore_server.config import ServerConfig

INVALID = grpc.StatusCode.INVALID_ARGUMENT
TIMEOUT_SECONDS = 60.0


def combine(stubs: Any, headlines: list[str], images: list[bytes], **fields: Any) -> Any:
    request = scoring_pb2.ScoreCombinationsRequest(headlines=headlines, images=images, **fields)
    return stubs.scoring.ScoreCombinations(request, timeout=TIMEOUT_SECONDS)


def test_every_combination_scores_as_its_creative_would(
    stubs: Any, creatives: list[Creative]
) -> None:
    headlines = [creative.headline for creative in creatives[:3]]
    images = [creative.image for creative in creatives[5:9]]
    grid = combine(stubs, headlines, images)
    pairs = [Creative(headline, image) for headline in headlines for image in images]
    singles = [result.score for result in stubs.batch_score(pairs)]
    for figure in ("mean", "lower", "upper", "percentile"):
        expected = [getattr(score.targets["ctr"], figure) for score in singles]
        received = getattr(grid.targets["ctr"], f"{figure}s")
        assert list(received) == pytest.approx(expected, rel=1e-4)
    assert (grid.model, grid.model_version) == ("sample", "1")
    assert list(grid.agreements) == []


def test_warnings_stand_with_their_headline(stubs: Any, creatives: list[Creative]) -> None:
    grid = combine(stubs, ["Offer", "shoes and more " * 60], [creatives[0].image])
    [of_short, of_long] = [list(part.warnings) for part in grid.headline_warnings]
    assert scoring_pb2.WARNING_HEADLINE_TRUNCATED in of_long
    assert scoring_pb2.WARNING_HEADLINE_TRUNCATED not in of_short
    assert len(grid.image_warnings) == 1
    assert list(grid.warnings) == []


@pytest.mark.parametrize(
    ("headlines", "images", "fields", "reason", "field"),
    [
        ([], 1, {}, "BATCH_EMPTY", "headlines"),
        (["a"], 0, {}, "BATCH_EMPTY", "images"),
        (["a", "b", " "], 1, {}, "HEADLINE_MISSING", "headlines[2]"),
        (["a"], [b"no image"], {}, "IMAGE_UNREADABLE", "images[0]"),
        (["a"] * 1_001, 1, {}, "BATCH_TOO_LARGE", "headlines"),
        (["a"] * 101, 100, {}, "BATCH_TOO_LARGE", "headlines"),
        (["a"], 1, {"context": {"moon": "full"}}, "CONTEXT_NAME_UNKNOWN", "context[moon]"),
    ],
    ids=range(7),
)
def test_what_cannot_be_combined_is_named(
    stubs: Any,
    refusal: Any,
    image: bytes,
    headlines: list[str],
    images: Any,
    fields: dict[str, Any],
    reason: str,
    field: str,
) -> None:
    if isinstance(images, int):
        images = [image] * images
    received = refusal(lambda: combine(stubs, headlines, images, **fields))
    assert received[:3] == (INVALID, reason, field)
    assert "Received: " in received[3]


def test_the_operators_limit_counts_headlines_and_images(
    start_server: Any, connect: Any, refusal: Any, scorer: Any, image: bytes
) -> None:
    server = start_server(scorer, config=ServerConfig("127.0.0.1:0", max_batch_creatives=4))
    stubs = connect(server.address)
    code, reason, field, _ = refusal(lambda: combine(stubs, ["a", "b"], [image] * 3))
    assert (code, reason, field) == (INVALID, "BATCH_TOO_LARGE", "images")


def test_an_unknown_model_is_not_found(stubs: Any, refusal: Any, image: bytes) -> None:
    code, reason, *_ = refusal(lambda: combine(stubs, ["a"], [image], model="none"))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


def test_a_long_name_that_is_unknown_is_still_told_as_such(
    stubs: Any, refusal: Any, image: bytes
) -> None:
    code, reason, field, _ = refusal(
        lambda: combine(stubs, ["a"], [image], context={"m" * 20_000: "full"})
    )
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CONTEXT_NAME_UNKNOWN")
    assert field.startswith("context[mmm")
