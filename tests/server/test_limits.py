"""Limits that an operator lowers, and health at an address of its own."""

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from adscore.creative import Creative, InputLimits
from adscore_protos.v1 import model_pb2
from adscore_server.config import ServerConfig


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_a_limit_is_only_ever_lowered(own: int, asked: int) -> None:
    lowered = InputLimits(max_image_pixels=own).lowered(max_image_pixels=asked)
    assert lowered.max_image_pixels == min(own, asked)
    assert lowered.max_image_bytes == InputLimits().max_image_bytes


def test_model_that_reads_no_headline_still_reads_none() -> None:
    limits = InputLimits(max_headline_characters=0)
    assert limits.lowered(max_headline_characters=50).max_headline_characters == 0


@pytest.mark.parametrize(
    ("option", "creative", "reason"),
    [
        ("--max-image-pixels", "large", "IMAGE_TOO_MANY_PIXELS"),
        ("--max-image-bytes", "large", "IMAGE_TOO_MANY_BYTES"),
        ("--max-headline-characters", "long", "HEADLINE_TOO_LONG"),
    ],
)
def test_option_lowers_what_the_server_takes_and_says(
    start_process: Any,
    connect: Any,
    refusal: Any,
    model_dir: Any,
    image: bytes,
    option: str,
    creative: str,
    reason: str,
) -> None:
    stubs = connect(start_process(model_dir, option, "40").address)
    sent = Creative("h" * 41, b"") if creative == "long" else Creative("short", image)
    code, told, *_ = refusal(lambda: stubs.score(sent))
    assert (code, told) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    limits = stubs.models.GetModel(model_pb2.GetModelRequest(), timeout=60).model.limits
    assert getattr(limits, option.lstrip("-").replace("-", "_")) == 40


def test_health_at_its_own_address_answers_health_alone(
    start_server: Any, connect: Any, scorer: Any
) -> None:
    config = ServerConfig(address="127.0.0.1:0", health_address="127.0.0.1:0")
    server = start_server(scorer, config=config)
    stubs = connect(server.health_server.address)
    health = health_pb2_grpc.HealthStub(stubs.channel)
    for service in ("", "adscore.v1.ScoringService", "adscore.v1.ModelService"):
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request, timeout=60).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=60)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
