"""What the bytes of a request say before they are parsed: counts, and images that take long."""

import gzip
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.wire import Layout, count_parts, is_large_image
from adscore_server.config import ServerConfig
from adscore_server.errors import InvalidRequestError

CREATIVES = Layout(frozenset({1}), frozenset({1}))
GRID = Layout(frozenset({1, 2}))
INVALID = grpc.StatusCode.INVALID_ARGUMENT

texts = st.text(max_size=20)
creatives_ = st.builds(
    scoring_pb2.Creative,
    id=texts,
    headline=texts,
    image=st.binary(max_size=50),
    context=st.dictionaries(texts, texts, max_size=3),
)


@given(st.lists(creatives_, max_size=20), texts, texts)
def test_creatives_are_counted_as_the_parser_counts_them(
    creatives: list[Any], model: str, version: str
) -> None:
    request = scoring_pb2.BatchScoreRequest(creatives=creatives, model=model, model_version=version)
    assert count_parts(request.SerializeToString(), CREATIVES, 1_000) == len(creatives)


@given(st.lists(texts, max_size=20), st.lists(st.binary(max_size=20), max_size=20))
def test_headlines_and_images_are_counted(headlines: list[str], images: list[bytes]) -> None:
    request = scoring_pb2.MatchRequest(headlines=headlines, images=images, model="x")
    raw = request.SerializeToString()
    assert count_parts(raw, GRID, 1_000) == len(headlines) + len(images)


@given(st.binary(max_size=300))
def test_no_bytes_hold_more_creatives_than_were_counted(data: bytes) -> None:
    try:
        parsed = scoring_pb2.BatchScoreRequest.FromString(data)
    except DecodeError:
        count_parts(data, CREATIVES, 1_000)
        return
    assert count_parts(data, CREATIVES, 1_000) >= len(parsed.creatives)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0a\x00" * 100_000,
        b"\x0a\x80\xea\x30" + b"\x22\x06\x0a\x04name" * 100_000,
        b"\x78\x01" * 100_000,
    ],
    ids=["empty creatives", "names of the context", "unknown fields"],
)
def test_a_request_of_too_many_fields_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="Received: more") as caught:
        count_parts(raw, CREATIVES, 1_000)
    assert caught.value.reason == "REQUEST_TOO_LARGE"


@pytest.mark.parametrize("method", ["Score", "BatchScore", "Match", "ScoreCombinations"])
def test_a_live_server_refuses_millions_of_empty_fields_before_it_parses_them(
    start_process: Any, refusal: Any, model_dir: Path, method: str
) -> None:
    process = start_process(model_dir)
    status = Path(f"/proc/{process.process.pid}/status")
    if not status.exists():
        pytest.skip("this system does not tell how much memory a process took")
    before = _peak_mib(status)
    body = b"\x0a\x00" * 8_000_000
    assert len(gzip.compress(body)) < 20_000
    with grpc.insecure_channel(
        process.address,
        options=[("grpc.max_send_message_length", -1)],
        compression=grpc.Compression.Gzip,
    ) as channel:
        call: Any = channel.unary_unary(f"/adscore.v1.ScoringService/{method}")
        code, reason, *_ = refusal(lambda: call(body, timeout=60))
    assert (code, reason) == (INVALID, "REQUEST_TOO_LARGE")
    assert _peak_mib(status) - before < 100


def _peak_mib(status: Path) -> float:
    line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# === Images that take long ===


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_images_that_take_long_are_known_by_their_header(
    encode: Callable[..., bytes], kind: str, mode: str
) -> None:
    if (kind, mode) == ("JPEG", "RGBA"):
        pytest.skip("there are none")
    for size, is_large in [((1200, 628), False), ((2100, 2100), True)]:
        options: list[dict[str, Any]] = [{}]
        if kind == "JPEG":
            options.append({"progressive": True, "comment": b"x" * 1_000})
        if kind == "WEBP":
            options.append({"lossless": True})
        for more in options:
            image = Image.new(mode, size, "red" if mode != "L" else 7)
            assert is_large_image(encode(image, kind, **more)) == is_large


@pytest.mark.skipif(not features.check("avif"), reason="Pillow cannot write AVIF")
def test_avif_of_any_size_takes_long(encode: Callable[..., bytes]) -> None:
    assert is_large_image(encode(Image.new("RGB", (64, 64)), "AVIF"))


@given(
    st.binary(max_size=100),
    st.sampled_from([b"", b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF0000WEBPVP8"]),
)
def test_any_bytes_as_an_image_are_looked_at(data: bytes, start: bytes) -> None:
    assert is_large_image(start + data) in (True, False)


class SlowImages:
    """A model that decodes large images only when it is released."""

    def __init__(self, scorer: Any, replace_scorer: Any) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        self.decoded = 0
        self.scorer = replace_scorer(scorer.score_prepared)
        self._prepare = self.scorer.preparer.creative
        self.scorer.preparer.creative = self._prepare_slowly

    def _prepare_slowly(self, creative: Creative) -> Any:
        if is_large_image(creative.image):
            self.begun.set()
            assert self.released.wait(60)
            self.decoded += 1
        return self._prepare(creative)


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
