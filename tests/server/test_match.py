"""Match: one number for each pair, in the order of the request, and every refusal."""

import threading
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_client import Client, DeadlineExceededError, InvalidCreativeError
from adscore_protos.v1 import scoring_pb2
from adscore_server.config import ServerConfig
from adscore_server.scoring.convert import match_to_wire

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def test_there_is_a_row_for_each_headline_and_a_number_for_each_image(
    matching_stubs: Any, matching_scorer: Any, creatives: list[Creative]
) -> None:
    headlines = [creative.headline for creative in creatives[:3]]
    images = [creative.image for creative in creatives[5:12]]
    response = matching_stubs.match(headlines, images)
    expected = matching_scorer.match(
        [matching_scorer.preparer.required_headline(headline) for headline in headlines],
        [matching_scorer.preparer.required_image(image) for image in images],
    )
    received = np.array([row.agreements for row in response.rows], np.float32)
    np.testing.assert_array_equal(received, expected)
    assert (response.model, response.model_version) == ("sample", "1")


def test_headlines_are_normalised(matching_stubs: Any, image: bytes) -> None:
    plain, spaced = matching_stubs.match(["two words", " two \t\n words "], [image]).rows
    assert plain == spaced


def test_client_gets_the_matrix_and_ranks_it(
    start_server: Any, matching_scorer: Any, creatives: list[Creative]
) -> None:
    headlines = [creative.headline for creative in creatives[:4]]
    images = [creative.image for creative in creatives[:6]]
    server = start_server(matching_scorer)
    with Client(server.address, timeout_seconds=60) as client:
        match = client.match(headlines, images)
        assert client.model().has_agreement
    pixels = [matching_scorer.preparer.required_image(image) for image in images]
    texts = [matching_scorer.preparer.required_headline(headline) for headline in headlines]
    expected = matching_scorer.match(texts, pixels)
    assert match.agreement == tuple(map(tuple, expected.tolist()))
    assert match.images_for(2) == tuple(np.argsort(-expected[2], kind="stable"))
    assert match.headlines_for(5) == tuple(np.argsort(-expected[:, 5], kind="stable"))
    assert (match.model, match.model_version) == ("sample", "1")


@pytest.mark.parametrize(
    ("headline", "reason"),
    [
        ("", "HEADLINE_MISSING"),
        (" \t\n ", "HEADLINE_MISSING"),
        ("a" * 10_000, "HEADLINE_TOO_LONG"),
        ("nul \0 inside", "HEADLINE_NOT_TEXT"),
    ],
)
def test_first_bad_headline_fails_the_call(
    matching_stubs: Any, refusal: Any, image: bytes, headline: str, reason: str
) -> None:
    headlines = ["good", "good", headline, "b" * 10_000]
    code, received, field, text = refusal(lambda: matching_stubs.match(headlines, [image, b"bad"]))
    assert (code, received, field) == (INVALID, reason, "headlines[2]")
    assert text.startswith("headlines[2]: expected ")
    assert "Received" in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda _: b"", "IMAGE_MISSING", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], "IMAGE_UNREADABLE", id="truncated"),
        pytest.param(lambda _: b"not an image at all", "IMAGE_UNREADABLE", id="text"),
        pytest.param(lambda d: d + bytes(10 * 2**20), "IMAGE_TOO_MANY_BYTES", id="too large"),
    ],
)
def test_first_bad_image_fails_the_call(
    matching_stubs: Any,
    refusal: Any,
    image: bytes,
    change: Callable[[bytes], bytes],
    reason: str,
) -> None:
    images = [image, change(image), image, b"bad too"]
    code, received, field, text = refusal(lambda: matching_stubs.match(["headline"], images))
    assert (code, received, field) == (INVALID, reason, "images[1]")
    assert text.startswith("images[1]: expected ")
    assert "Received" in text


def test_client_names_the_bad_image(
    start_server: Any, matching_scorer: Any, image: bytes, tmp_path: Any
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not an image")
    server = start_server(matching_scorer)
    with Client(server.address, timeout_seconds=60) as client:
        with pytest.raises(InvalidCreativeError) as caught:
            client.match(["headline"], [image, path])
        assert client.match(["headline"], [image]).images_for(0) == (0,)
    assert (caught.value.field, caught.value.reason) == ("images[1]", "IMAGE_UNREADABLE")
    assert str(caught.value).startswith("images[1]: expected an encoded image")
    assert str(caught.value).endswith(f"(file: {path})")


@pytest.mark.parametrize(
    ("headlines", "images", "field", "reason", "received"),
    [
        (0, 2, "headlines", "BATCH_EMPTY", "0"),
        (2, 0, "images", "BATCH_EMPTY", "0"),
        (0, 0, "headlines", "BATCH_EMPTY", "0"),
        (0, 9, "headlines", "BATCH_EMPTY", "0"),
        (4, 2, "headlines", "BATCH_TOO_LARGE", "4 headlines and 2 images"),
        (2, 4, "images", "BATCH_TOO_LARGE", "2 headlines and 4 images"),
    ],
)
def test_lists_outside_the_limit_are_refused(
    start_server: Any,
    connect: Any,
    refusal: Any,
    matching_scorer: Any,
    image: bytes,
    headlines: int,
    images: int,
    field: str,
    reason: str,
    received: str,
) -> None:
    config = ServerConfig("127.0.0.1:0", max_batch_creatives=5)
    stubs = connect(start_server(matching_scorer, config=config).address)
    code, given_reason, given_field, text = refusal(
        lambda: stubs.match(["bad\0"] * headlines, [b"bad"] * images)
    )
    assert (code, given_reason, given_field) == (INVALID, reason, field)
    assert text.endswith(f"Received: {received}")
    assert len(stubs.match(["headline"] * 4, [image]).rows) == 4


def test_default_limit_is_a_thousand_together(
    matching_stubs: Any, refusal: Any, image: bytes
) -> None:
    assert len(matching_stubs.match(["headline"] * 999, [image]).rows) == 999
    code, reason, *_ = refusal(lambda: matching_stubs.match(["headline"] * 999, [image] * 2))
    assert (code, reason) == (INVALID, "BATCH_TOO_LARGE")


def test_model_without_agreement_fails_the_precondition(
    start_server: Any, connect: Any, refusal: Any, replace_scorer: Any, scorer: Scorer
) -> None:
    without = replace_scorer(scorer.score_prepared)
    stubs = connect(start_server(without).address)
    # Neither part could be read: what no input can mend is told first.
    code, reason, field, text = refusal(lambda: stubs.match(["bad\0"], [b"bad"]))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert (reason, field) == ("MODEL_WITHOUT_AGREEMENT", "")
    assert "sample version 1" in text
    assert "--align" in text


def test_unknown_model_is_not_found(matching_stubs: Any, refusal: Any, image: bytes) -> None:
    code, reason, *_ = refusal(lambda: matching_stubs.match(["headline"], [image], model="other"))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


def test_failure_of_the_graphs_tells_nothing(
    start_server: Any, connect: Any, refusal: Any, matching_scorer: Any, image: bytes
) -> None:
    def fail(headlines: Any, images: Any) -> Any:
        raise RuntimeError(headlines[0])

    matching_scorer.match = fail
    stubs = connect(start_server(matching_scorer).address)
    code, reason, field, text = refusal(lambda: stubs.match(["planted"], [image]))
    assert (code, reason, field) == (grpc.StatusCode.INTERNAL, "INTERNAL", "")
    assert "planted" not in text


def test_call_past_its_deadline_costs_the_next_one_nothing(
    start_server: Any, matching_scorer: Any, image: bytes
) -> None:
    released = threading.Event()
    match = matching_scorer.match

    def wait(headlines: Any, images: Any) -> Any:
        assert released.wait(60)
        return match(headlines, images)

    matching_scorer.match = wait
    server = start_server(matching_scorer)
    with Client(server.address, timeout_seconds=60) as client:
        with pytest.raises(DeadlineExceededError):
            client.match(["headline"], [image], timeout_seconds=0.3)
        released.set()
        assert len(client.match(["headline", "another"], [image]).agreement) == 2


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
        lambda shape: st.lists(
            st.lists(st.floats(-1, 1, width=32), min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )
)
def test_matrix_survives_the_wire(scorer: Scorer, rows: list[list[float]]) -> None:
    encoded = match_to_wire(np.array(rows, np.float32), scorer).SerializeToString()
    wire = scoring_pb2.MatchResponse.FromString(encoded)
    assert [list(row.agreements) for row in wire.rows] == rows


@pytest.mark.parametrize("method", ["Match", "ScoreCombinations"])
def test_images_of_a_caller_who_has_gone_are_not_decoded(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    matching_scorer: Any,
    image: bytes,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    begun, released = threading.Event(), threading.Event()
    decoded: list[Any] = []
    decode = matching_scorer.preparer.decode_image

    def decode_when_released(checked: Any) -> Any:
        decoded.append(checked)
        begun.set()
        assert released.wait(60)
        return decode(checked)

    monkeypatch.setattr(matching_scorer.preparer, "decode_image", decode_when_released)
    server = start_server(matching_scorer, config=ServerConfig("127.0.0.1:0", decode_threads=1))
    kinds = {
        "Match": scoring_pb2.MatchRequest,
        "ScoreCombinations": scoring_pb2.ScoreCombinationsRequest,
    }
    request = kinds[method](headlines=["text"], images=[image] * 5)
    call = getattr(connect(server.address).scoring, method).future(request, timeout=60)
    assert begun.wait(60)
    call.cancel()
    wait_until(lambda: len(server._scores) == 0)
    released.set()
    assert server.stop()
    assert len(decoded) == 1
