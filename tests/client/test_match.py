"""Match: what is sent, what comes back, and what is refused before anything is sent."""

import io
import threading
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from adscore_client import (
    DeadlineExceededError,
    InvalidCreativeError,
    InvalidRequestError,
    Match,
    MessageTooLargeError,
    ModelUnsupportedError,
    ServerError,
    UnsupportedError,
)
from adscore_client._convert import add_parts, match_from_wire
from adscore_client._image_reader import ImageReader
from adscore_protos.v1 import scoring_pb2

rates = st.floats(-1, 1, width=32)
matrices = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.tuples(*[st.tuples(*[rates] * shape[1])] * shape[0])
)


@pytest.fixture
def matcher():
    """A Match handler that keeps the requests, as ``matcher.requests``."""

    def handler(request, context):
        handler.requests.append(request)
        rows = [
            scoring_pb2.MatchRow(agreements=[0.5] * len(request.images)) for _ in request.headlines
        ]
        return scoring_pb2.MatchResponse(rows=rows)

    handler.requests = []
    return handler


def answering(*rows):
    """A Match handler with these rows."""
    wire = [scoring_pb2.MatchRow(agreements=row) for row in rows]
    return lambda request, context: scoring_pb2.MatchResponse(rows=wire)


def test_match_has_what_the_server_says(connect):
    def answer(request, context):
        rows = [scoring_pb2.MatchRow(agreements=row) for row in ([0.5, -0.25, 1], [0, -1, 0.125])]
        return scoring_pb2.MatchResponse(rows=rows, model="banners", model_version="3")

    match = connect(Match=answer).match(["a", "b"], [b"1", b"2", b"3"])
    assert match == Match(((0.5, -0.25, 1.0), (0.0, -1.0, 0.125)), "banners", "3")
    assert match.images_for(0) == (2, 0, 1)
    assert match.headlines_for(1) == (0, 1)


def test_request_has_every_argument_in_its_order(connect, matcher, tmp_path):
    path = tmp_path / "banner.png"
    path.write_bytes(b"of a path")
    client = connect(Match=matcher, model="banners", model_version="2")
    images = [b"bytes", path, str(path), io.BytesIO(b"of a file")]
    client.match((text for text in ("Zapatos 👟", "b")), iter(images))
    client.match(["a"], [b"1"], model="posts", model_version="7")
    assert matcher.requests == [
        scoring_pb2.MatchRequest(
            headlines=["Zapatos 👟", "b"],
            images=[b"bytes", b"of a path", b"of a path", b"of a file"],
            model="banners",
            model_version="2",
        ),
        scoring_pb2.MatchRequest(headlines=["a"], images=[b"1"], model="posts", model_version="7"),
    ]


@given(matrices)
def test_match_survives_the_wire(agreement):
    rows = [scoring_pb2.MatchRow(agreements=row) for row in agreement]
    wire = scoring_pb2.MatchResponse(rows=rows, model="m", model_version="1")
    request = scoring_pb2.MatchRequest(
        headlines=["h"] * len(agreement), images=[b"i"] * len(agreement[0])
    )
    read = scoring_pb2.MatchResponse.FromString(wire.SerializeToString())
    assert match_from_wire(read, request, "server") == Match(agreement, "m", "1")


@given(matrices)
def test_ranks_are_all_positions_from_the_best_to_the_worst(agreement):
    match = Match(agreement)
    for headline, row in enumerate(agreement):
        ranked = match.images_for(headline)
        assert sorted(ranked) == list(range(len(row)))
        assert [row[image] for image in ranked] == sorted(row, reverse=True)
    for image, column in enumerate(zip(*agreement, strict=True)):
        ranked = match.headlines_for(image)
        assert sorted(ranked) == list(range(len(column)))
        assert [column[headline] for headline in ranked] == sorted(column, reverse=True)


@pytest.mark.parametrize(
    "rows", [[], [[0.5, 0.5]], [[0.5, 0.5], [0.5]], [[0.5]] * 2, [[0.5, 0.5]] * 3]
)
def test_answer_of_another_shape_is_a_server_error(rows, connect):
    client = connect(Match=answering(*rows))
    with pytest.raises(ServerError, match="Expected 2 rows of 2 numbers"):
        client.match(["a", "b"], [b"1", b"2"])


@pytest.mark.parametrize(
    ("headlines", "images", "name"),
    [
        ("a headline", [b"i"], "headlines"),
        (b"bytes", [b"i"], "headlines"),
        (None, [b"i"], "headlines"),
        (7, [b"i"], "headlines"),
        (["a"], "banner.png", "images"),
        (["a"], Path("banner.png"), "images"),
        (["a"], b"image", "images"),
        (["a"], io.BytesIO(b"image"), "images"),
        (["a"], None, "images"),
        (["a", None], [b"i"], r"headlines\[1\]"),
        (["a", b"b"], [b"i"], r"headlines\[1\]"),
        (["a"], [b"i", None], r"images\[1\]"),
        (["a"], [b"i", 7], r"images\[1\]"),
        (["a"], [b"i", io.StringIO("text")], r"images\[1\]"),
    ],
)
def test_argument_of_the_wrong_type_is_named(headlines, images, name, connect, matcher):
    with pytest.raises(TypeError, match=f"^{name}: expected .* Received: "):
        connect(Match=matcher).match(headlines, images)
    assert matcher.requests == []


@pytest.mark.parametrize(
    ("headlines", "images", "field", "reason"),
    [
        (["a", "lone \ud83d"], [b"i"], "headlines[1]", "HEADLINE_NOT_TEXT"),
        (["a"], [b"i", b""], "images[1]", "IMAGE_EMPTY"),
        (["a"], [b"i", ""], "images[1]", "IMAGE_FILE_UNREADABLE"),
        (["a"], [b"i", "no-such-file.png"], "images[1]", "IMAGE_FILE_UNREADABLE"),
        (["a"], [b"i", bytes(5000)], "images[1]", "CREATIVE_TOO_LARGE"),
    ],
)
def test_part_that_cannot_be_sent_is_named(headlines, images, field, reason, connect, matcher):
    client = connect(Match=matcher, max_message_bytes=2048)
    with pytest.raises(InvalidCreativeError) as caught:
        client.match(headlines, images)
    error = caught.value
    assert (error.field, error.reason, error.code) == (field, reason, None)
    assert str(error).startswith(f"{field}: expected ")
    assert "None" not in str(error)  # here that is no way out
    assert matcher.requests == []


def test_parts_that_fit_into_no_message_are_refused_without_a_call(connect, matcher):
    client = connect(Match=matcher, max_message_bytes=2048)
    assert client.match(["a"], [bytes(900)] * 2).images_for(0) == (0, 1)
    with pytest.raises(MessageTooLargeError, match=r"more, up to images\[2\]"):
        client.match(["a"], (bytes(900) for _ in iter(int, 1)))  # endless
    with pytest.raises(MessageTooLargeError, match=r"more, up to headlines\["):
        client.match(("a" for _ in iter(int, 1)), [b"i"])
    assert all(request.ByteSize() <= 2048 for request in matcher.requests)
    assert len(matcher.requests) == 1


@given(
    headlines=st.lists(st.text("a👟", max_size=20), max_size=8),
    images=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    spare=st.integers(-60, 60),
)
def test_prepared_request_is_whole_and_within_the_limit(headlines, images, spare):
    whole = scoring_pb2.MatchRequest(headlines=headlines, images=images, model="banners")
    limit = max(whole.ByteSize() + spare, 40)
    try:
        request = scoring_pb2.MatchRequest(model="banners")
        add_parts(request, headlines, images, ImageReader(limit))
    except MessageTooLargeError:
        assert whole.ByteSize() + 6 * (len(headlines) + len(images)) > limit
    else:
        assert request == whole
        assert whole.ByteSize() <= limit


def refused(refuse, field: str, reason: str, text: str):
    def fail(request, context):
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=text)
        bad_request = error_details_pb2.BadRequest(field_violations=[violation])
        info = error_details_pb2.ErrorInfo(reason=reason, domain="adscore")
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text, bad_request, info)

    return fail


def test_refused_image_is_named_by_its_place_and_file(connect, refuse, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("a text")
    fail = refused(refuse, "images[1]", "IMAGE_UNREADABLE", "images[1]: expected a JPEG")
    with pytest.raises(InvalidCreativeError) as caught:
        connect(Match=fail).match(["a"], [b"image", path, b"image"])
    error = caught.value
    assert str(error) == f"images[1]: expected a JPEG (file: {path})"
    assert (error.field, error.reason) == ("images[1]", "IMAGE_UNREADABLE")


def test_refused_headline_is_named_by_its_place(connect, refuse):
    fail = refused(refuse, "headlines[1]", "HEADLINE_TOO_LONG", "headlines[1]: too long")
    with pytest.raises(InvalidCreativeError, match=r"^headlines\[1\]: too long$") as caught:
        connect(Match=fail).match(["a", "b"], [b"image"])
    assert caught.value.field == "headlines[1]"


def test_refused_list_is_no_fault_of_a_creative(connect, refuse):
    fail = refused(refuse, "headlines", "BATCH_EMPTY", "headlines: expected 1 or more")
    with pytest.raises(InvalidRequestError) as caught:
        connect(Match=fail).match([], [b"image"])
    assert type(caught.value) is InvalidRequestError
    assert (caught.value.field, caught.value.reason) == ("headlines", "BATCH_EMPTY")


def test_model_without_agreement_is_told_apart_from_an_older_server(connect, refuse):
    def fail(request, context):
        info = error_details_pb2.ErrorInfo(reason="MODEL_WITHOUT_AGREEMENT", domain="adscore")
        refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "not trained for it", info)

    with pytest.raises(ModelUnsupportedError, match=r"^not trained for it$") as caught:
        connect(Match=fail).match(["a"], [b"image"])
    assert caught.value.reason == "MODEL_WITHOUT_AGREEMENT"
    with pytest.raises(UnsupportedError, match="not older than this client") as caught:
        connect().match(["a"], [b"image"])
    assert type(caught.value) is UnsupportedError


def test_match_ends_at_its_deadline(connect):
    release = threading.Event()

    def wait(request, context):
        release.wait(60)

    client = connect(Match=wait)
    try:
        with pytest.raises(DeadlineExceededError, match=r"within 0\.6 s") as caught:
            client.match(["a"], [b"image"], timeout_seconds=0.6)
    finally:
        release.set()
    assert caught.value.timeout_seconds == 0.6
    assert caught.value.retryable


def test_time_of_reading_the_images_counts(connect, matcher):
    class SlowFile(io.BytesIO):
        def read(self, size):
            threading.Event().wait(0.15)
            return super().read(size)

    with pytest.raises(DeadlineExceededError, match="before the call was sent"):
        connect(Match=matcher).match(["a"], [SlowFile(b"image")], timeout_seconds=0.1)
    assert matcher.requests == []
