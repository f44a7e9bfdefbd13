"""What the bytes of a request say before they are parsed."""

import gzip
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.wire import Layout, count_parts
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


def test_what_is_in_a_group_hides_no_creatives_behind_it() -> None:
    broken_creative = b"\x0a\x06" + b"\xff" * 6
    raw = b"\x0b" + broken_creative + b"\x0c" + b"\x0a\x00" * 1_001
    assert len(scoring_pb2.BatchScoreRequest.FromString(raw).creatives) == 1_001
    assert count_parts(raw, CREATIVES, 1_000) == 1_001


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
