"""Whatever is sent, the answer is a score or a refusal with the field at fault."""

import csv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from adscore.creative import Creative, InputLimits
from adscore.errors import InvalidCreativeError
from adscore.scoring.image import ImageSize, decode
from adscore_protos.v1 import scoring_pb2
from hostile_images import hostile_images, jpeg_of_scans

# Two decodes at the pixel limit, 0.75 GB each at worst, beside what the process holds anyway.
MAX_GROWTH_MIB = 1_500


@pytest.fixture(scope="session")
def whole_images(sample_dir: Path) -> list[bytes]:
    """Drawn banners: one of each format."""
    with (sample_dir / "creatives.csv").open(newline="") as file:
        paths = [sample_dir / row["image"] for row in csv.DictReader(file)]
    return [path.read_bytes() for path in {path.suffix: path for path in paths}.values()]


@pytest.fixture(scope="session")
def hostile(whole_images: list[bytes]) -> list[tuple[str, bytes]]:
    """Pairs of a name and a file."""
    return list(hostile_images(whole_images))


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("this system does not tell how much memory a process took")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _outcome(stubs: Any, image: bytes) -> str:
    """ "score", or the reason of the refusal, whose field must be the image."""
    wire = scoring_pb2.Creative(headline="headline", image=image)
    try:
        stubs.scoring.Score(scoring_pb2.ScoreRequest(creative=wire), timeout=120)
    except grpc.RpcError as error:
        call: Any = error
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT, call.details()
        info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in rpc_status.from_call(call).details:
            detail.Unpack(info)
            detail.Unpack(request)
        assert [violation.field for violation in request.field_violations] == ["creative.image"]
        return info.reason
    return "score"


@pytest.mark.slow
def test_every_hostile_image_gets_a_score_or_a_refusal_and_memory_stays_bounded(
    start_process: Any,
    connect: Any,
    model_dir: Path,
    whole_images: list[bytes],
    hostile: list[tuple[str, bytes]],
) -> None:
    process = start_process(model_dir)
    stubs = connect(process.address)
    assert _outcome(stubs, whole_images[0]) == "score"
    before = _peak_mib(process.process.pid)
    outcomes = Counter(_outcome(stubs, image) for _, image in hostile)
    growth = _peak_mib(process.process.pid) - before
    assert outcomes["score"] > 30
    assert outcomes["IMAGE_UNREADABLE"] > 50
    assert outcomes["IMAGE_TOO_MANY_PIXELS"] >= 4
    assert outcomes["IMAGE_TOO_MANY_BYTES"] == 1
    assert growth < MAX_GROWTH_MIB
    assert _outcome(stubs, whole_images[0]) == "score"
    code, stderr = process.stop()
    assert code == 0
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_largest_images_at_once_take_the_memory_of_one(
    start_process: Any, connect: Any, encode: Any, model_dir: Path, whole_images: list[bytes]
) -> None:
    process = start_process(model_dir)
    stubs = connect(process.address)
    assert _outcome(stubs, whole_images[0]) == "score"
    before = _peak_mib(process.process.pid)
    # A lossy WebP takes the most: 19 bytes a pixel, here 0.75 GB. Each differs, for the cache.
    large = [
        encode(Image.new("RGB", (6_400, 6_200 - n), "red"), "WEBP", method=0) for n in range(3)
    ]
    with ThreadPoolExecutor(len(large)) as callers:
        outcomes = list(callers.map(lambda image: _outcome(stubs, image), large))
    assert outcomes == ["score"] * len(large)
    assert _peak_mib(process.process.pid) - before < MAX_GROWTH_MIB


def test_batch_of_hostile_images_costs_no_other_creative_its_score(
    stubs: Any, whole_images: list[bytes], hostile: list[tuple[str, bytes]]
) -> None:
    broken = [image for name, image in hostile if "flipped" in name]
    good = Creative("headline", whole_images[0])
    sent = [one for image in broken for one in (Creative("headline", image), good)]
    results = stubs.batch_score(sent)
    alone = stubs.score(good).targets["ctr"].mean
    assert [result.score.targets["ctr"].mean for result in results[1::2]] == pytest.approx(
        [alone] * len(broken), rel=1e-6
    )
    assert all(result.HasField("score") or result.error.code == 3 for result in results)


def test_jpeg_of_many_scans_is_refused_before_they_are_decoded() -> None:
    # Each scan is 73 bytes and a pass over 48 million pixels: 5,000 of them take minutes.
    with pytest.raises(InvalidCreativeError, match="scans"):
        decode(jpeg_of_scans(5_000), ImageSize(8, 8), InputLimits())


@given(data=st.binary(max_size=300))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_as_a_request_are_answered(stubs: Any, data: bytes) -> None:
    for method in ("Score", "BatchScore", "Match"):
        call = stubs.channel.unary_unary(f"/adscore.v1.ScoringService/{method}")
        try:
            call(data, timeout=60)
        except grpc.RpcError as error:
            status: Any = error
            assert status.code() in (
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.FAILED_PRECONDITION,
            )


@given(
    headline=st.text(max_size=1_200),
    context=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
    identifier=st.text(max_size=300),
    model=st.text(max_size=100),
    version=st.text(max_size=30),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_in_any_field_is_answered(
    stubs: Any,
    image: bytes,
    headline: str,
    context: dict[str, str],
    identifier: str,
    model: str,
    version: str,
) -> None:
    wire = scoring_pb2.Creative(id=identifier, headline=headline, image=image, context=context)
    request = scoring_pb2.ScoreRequest(creative=wire, model=model, model_version=version)
    try:
        stubs.scoring.Score(request, timeout=60)
    except grpc.RpcError as error:
        call: Any = error
        allowed = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
        assert call.code() in allowed, call.details()
