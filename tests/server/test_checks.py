"""CheckService over the wire, through the client: no model takes part."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image

from adscore_client import (
    AdscoreError,
    AsyncClient,
    Client,
    Creative,
    ImageBox,
    InvalidCreativeError,
    InvalidRequestError,
    OverloadedError,
    ServerUnavailableError,
    Severity,
)
from adscore_protos.v1 import check_pb2
from adscore_server.config import ServerConfig
from adscore_server.models.registry import ModelRegistry
from adscore_server.server import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def picture(encode: Callable[..., bytes]) -> bytes:
    return encode(Image.linear_gradient("L").convert("RGB"), "PNG")


@pytest.fixture
def empty_server() -> Iterator[Server]:
    with Server(ModelRegistry(), ServerConfig(address="127.0.0.1:0")) as started:
        yield started


def test_server_without_a_model_checks(empty_server: Server):
    with Client(empty_server.address) as client:
        assert "meta-feed" in {one.name for one in client.list_placements()}
        report = client.check("meta-feed", [("x" * 50, None)], timeout_seconds=60)
        errors: list[type] = []
        while ServerUnavailableError not in errors and len(errors) < 5:
            with pytest.raises(AdscoreError) as caught:
                client.score("x", timeout_seconds=0.5 * 4 ** len(errors))
            errors.append(type(caught.value))
    assert errors[-1] is ServerUnavailableError
    assert report.creatives[0].findings[0].rule == "headline-width"


def test_server_without_a_model_checks_for_asyncio(empty_server: Server):
    async def check() -> Any:
        async with AsyncClient(empty_server.address) as client:
            assert "meta-feed" in {one.name for one in await client.list_placements()}
            return await client.check("meta-feed", [("x" * 50, None)], timeout_seconds=60)

    assert asyncio.run(check()).creatives[0].findings[0].rule == "headline-width"


def test_creatives_are_checked(client: Client, picture: bytes):
    report = client.check(
        "google-responsive-display",
        [Creative("Fresh coffee", picture, "a"), ("x" * 31, None), Creative(id="nothing")],
        timeout_seconds=120,
    )
    assert report.placement == "google-responsive-display"
    first, second, third = report.creatives
    assert {one.rule for one in first.findings} == {"image-min-size"}
    assert not first.may_run
    (finding,) = second.findings
    assert (finding.rule, finding.severity) == ("headline-width", Severity.ERROR)
    assert finding.expected == "at most 30 columns"
    assert finding.received == "31 columns"
    assert "support.google.com" in finding.source
    assert third.creative_id == "nothing"
    assert "expected a headline, an image or both" in third.findings[0].message
    assert report.to_dict()["creatives"][1]["findings"][0]["severity"] == "ERROR"


def test_both_clients_find_the_same(client: Client):
    async def check() -> Any:
        async with AsyncClient(client._channel.target.name) as awaited:
            return (
                await awaited.list_placements(),
                await awaited.check("meta-feed", [("x" * 50, None)]),
            )

    assert asyncio.run(check()) == (
        client.list_placements(),
        client.check("meta-feed", [("x" * 50, None)]),
    )


def test_image_that_cannot_be_read_fails_no_call(client: Client, picture: bytes):
    report = client.check("x-image", [("a", picture[:100]), ("a", None)], timeout_seconds=120)
    assert [one.may_run for one in report.creatives] == [False, True]
    assert report.creatives[0].findings[0].rule == "image-readable"


def test_placements_say_their_rules_and_sources(client: Client):
    placements = {one.name: one for one in client.list_placements()}
    stories = placements["meta-stories"]
    assert stories.platform == "Meta"
    rules = {rule.name: rule for rule in stories.rules}
    assert rules["safe-area"].confirmed
    assert rules["safe-area"].source_date
    assert not {rule.name: rule for rule in placements["meta-feed"].rules}["image-ratio"].confirmed


def test_unknown_placement_is_told_the_nearest(client: Client):
    with pytest.raises(InvalidRequestError, match="Did you mean 'meta-feed'") as caught:
        client.check("meta-fed", [("a", None)])
    assert caught.value.reason == "PLACEMENT_UNKNOWN"
    assert caught.value.field == "placement"


@pytest.mark.parametrize(("count", "reason"), [(0, "BATCH_EMPTY"), (101, "BATCH_TOO_LARGE")])
def test_number_of_creatives_is_bounded(client: Client, count: int, reason: str):
    with pytest.raises(InvalidRequestError) as caught:
        client.check("meta-feed", [("a", None)] * count)
    assert caught.value.reason == reason


def test_refused_creative_is_named_by_its_place(client: Client):
    with pytest.raises(InvalidCreativeError) as caught:
        client.check("meta-feed", [("a", None), Creative("a", id="x" * 257)])
    assert caught.value.field == "creatives[1].id"
    assert caught.value.reason == "ID_TOO_LONG"


def test_missing_file_is_named_before_anything_is_sent(client: Client, tmp_path: Path):
    with pytest.raises(InvalidCreativeError, match=r"gone\.png") as caught:
        client.check("meta-feed", [("a", None), ("a", tmp_path / "gone.png")])
    assert caught.value.field == "creatives[1].image"


@pytest.mark.parametrize("creatives", [Creative("a"), "text", [1], ["ab"], [(1, None)], None])
def test_what_is_no_creative_is_refused(client: Client, creatives: Any):
    with pytest.raises(TypeError, match="creatives"):
        client.check("meta-feed", creatives)


def test_checks_count_for_the_rate_limit(start_server: Any, scorer: Any):
    config = ServerConfig(address="127.0.0.1:0", creatives_per_second=1)
    with Client(start_server(scorer, config=config).address) as client:
        client.check("meta-feed", [("a", None)] * 50)
        with pytest.raises(OverloadedError):
            client.check("meta-feed", [("a", None)], timeout_seconds=30)


def test_bytes_that_are_no_request_are_refused(client: Client, refusal: Any):
    with grpc.insecure_channel(client._channel.target.name) as channel:
        call: Any = channel.unary_unary("/adscore.v1.CheckService/Check")
        code, reason, *_ = refusal(lambda: call(b"\xff\xff\xff", timeout=60))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_UNREADABLE")


def test_every_severity_of_the_wire_is_known():
    names = {name.removeprefix("SEVERITY_") for name in dict(check_pb2.Severity.items())}
    assert names - {"UNSPECIFIED"} == set(Severity)
    assert Severity("UNRECOGNISED_9") != Severity.ERROR
    assert ImageBox(1, 2, 3, 4).to_dict() == {"left": 1, "top": 2, "right": 3, "bottom": 4}
