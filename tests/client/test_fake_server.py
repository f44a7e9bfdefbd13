"""The fake server does what its words say."""

import pytest

from adscore_client import (
    AdscoreError,
    Client,
    Creative,
    DeadlineExceededError,
    Finding,
    ImageBox,
    InvalidCreativeError,
    ModelNotFoundError,
    Score,
    Severity,
    TargetScore,
    Warning,
)
from adscore_client.testing import FAKE_MODEL, FakeServer


def test_answers_are_the_tests_own():
    def score(creative):
        if creative.headline == "bad":
            raise InvalidCreativeError("headline: bad", field="headline", reason="HEADLINE_BAD")
        if creative.headline == "whole":
            figures = TargetScore(0.1, 0.05, 0.2, 99.0)
            return Score("", {"ctr": figures}, 0.5, (Warning.UNFAMILIAR_CREATIVE,))
        return 0.02

    with FakeServer(score) as server, Client(server.address) as client:
        assert client.score("any").targets["ctr"].mean == 0.02
        first, second = client.score_many([("whole", None), ("bad", None)])
        assert (first.agreement, first.warnings) == (0.5, (Warning.UNFAMILIAR_CREATIVE,))
        assert (second.field, second.reason) == ("headline", "HEADLINE_BAD")
        with pytest.raises(InvalidCreativeError, match="headline: bad") as caught:
            client.score("bad")
        assert caught.value.field == "headline"
    assert [creative.headline for creative in server.creatives] == ["any", "whole", "bad", "bad"]


def test_checks_are_the_tests_own():
    finding = Finding(
        "image-bytes",
        Severity.ERROR,
        "Make it smaller",
        "at most 150,000 bytes",
        "182,330 bytes",
        "the test",
        (ImageBox(0, 0, 3, 4),),
    )

    def check(creative):
        return [finding] if creative.image else []

    with FakeServer(check=check) as server, Client(server.address) as client:
        (placement,) = client.list_placements()
        creatives = [Creative("good", id="a"), Creative("bad", b"any bytes", "b")]
        report = client.check(placement.name, creatives)
    assert [one.creative_id for one in report.creatives] == ["a", "b"]
    assert [one.findings for one in report.creatives] == [(), (finding,)]
    assert server.creatives == creatives


def test_scores_differ_and_stay_the_same_from_run_to_run():
    runs = []
    for _ in range(2):
        with FakeServer() as server, Client(server.address) as client:
            runs.append([client.score(h, i) for h in "ab" for i in (None, b"1", b"2")])
    assert runs[0] == runs[1]
    assert len({score.targets["ctr"].mean for score in runs[0]}) == 6


def test_model_is_the_one_that_it_was_given():
    with FakeServer() as server, Client(server.address) as client:
        assert client.model() == FAKE_MODEL
        assert client.models() == [FAKE_MODEL]
        with pytest.raises(ModelNotFoundError):
            client.model("another")


def test_client_finds_it_again_after_a_stop():
    with FakeServer() as server, Client(server.address) as client:
        client.score("headline")
        server.stop()
        with pytest.raises(AdscoreError):
            client.score("headline", timeout_seconds=0.3)
        server.start()
        client.wait_until_ready(30)
        client.score("headline")


def test_server_that_dies_is_left_and_rejoined():
    with FakeServer() as first, FakeServer() as second:
        client = Client([first.address, second.address], timeout_seconds=30)
        for _ in range(20_000):  # a busy machine connects to one of them late
            client.score("headline")
            if first.calls and second.calls:
                break
        assert first.calls
        assert second.calls
        first.stop()
        before = len(first.calls)
        for _ in range(20):
            client.score("headline")
        assert len(first.calls) == before
        first.start()
        for _ in range(20_000):
            client.score("headline")
            if len(first.calls) > before:
                break
        client.close()
    assert len(first.calls) > before


def test_waiting_for_no_server_ends():
    with FakeServer() as server:
        address = server.address
    with Client(address) as client, pytest.raises(DeadlineExceededError, match=r"within 0\.3 s"):
        client.wait_until_ready(0.3)
