"""Client.decide and AsyncClient.decide, against a fake server."""

import asyncio
import json
import math

import pytest

from adscore_client import (
    Aim,
    Arm,
    ArmPrediction,
    AsyncClient,
    Client,
    Counts,
    Creative,
    DecisionStatus,
    InvalidCreativeError,
    MessageTooLargeError,
    TargetPrediction,
)
from adscore_client.testing import FakeServer


@pytest.fixture
def server():
    with FakeServer(lambda creative: 0.01 if creative.headline == "a" else 0.02) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


ARMS = [
    Arm("first", ("a", b"image"), {"ctr": Counts(1_000, 10)}),
    Arm("second", Creative("b", context={"placement": "feed"}), {"ctr": (0, 0)}),
]


def test_decision_names_the_best_arm_and_shares_that_add_up(client, server):
    decision = client.decide(ARMS, horizon=5_000, control="first", aim="learn")
    assert decision.best.id == decision.leader == "second"
    assert decision.status is DecisionStatus.OPEN
    assert decision.aim is Aim.LEARN
    assert decision.horizon == 5_000
    assert sum(decision.shares.values()) == pytest.approx(1)
    assert decision.arms[0].targets["ctr"].trials == 1_000
    assert decision.arms[0].chance_above_control is None
    assert decision.arms[1].chance_above_control is not None
    assert [creative.headline for creative in server.creatives] == ["a", "b"]
    json.dumps(decision.to_dict())


def test_async_client_decides_alike(client, server):
    async def decide():
        async with AsyncClient(server.address) as client:
            return await client.decide(ARMS, horizon=5_000)

    assert asyncio.run(decide()) == client.decide(ARMS, horizon=5_000)


def test_prediction_of_a_decision_serves_as_the_next_prior(client, server):
    first = client.decide(ARMS)
    arms = [Arm(arm.id, arm.prediction, {"ctr": (100, 2)}) for arm in first.arms]
    scored = len(server.creatives)
    again = client.decide(arms)
    assert len(server.creatives) == scored
    assert again.arms[1].predicted == pytest.approx(first.arms[1].predicted)


def test_tables_have_a_row_for_each_arm(client):
    decision = client.decide(ARMS)
    table = decision.to_arrow()
    assert table["id"].to_pylist() == ["first", "second"]
    assert table["chance_above_control"].to_pylist() == [None, None]
    assert table["ctr_trials"].to_pylist() == [1_000, 0]
    frame = decision.to_pandas()
    assert list(frame.columns) == table.column_names
    assert math.isnan(frame["chance_above_control"][0])


def test_bad_arms_are_refused_with_their_place(client):
    with pytest.raises(InvalidCreativeError, match=r"arms\[1\]\.creative\.image") as caught:
        client.decide([ARMS[0], Arm("b", ("text", "no such file.png"))])
    assert caught.value.field == "arms[1].creative.image"
    with pytest.raises(TypeError, match=r"arms\[0\]\.counts\[ctr\]: expected Counts"):
        client.decide([Arm("a", ("text", None), {"ctr": 5})])
    with pytest.raises(TypeError, match=r"arms\[0\]\.counts\[ctr\]\.trials: expected a number"):
        client.decide([Arm("a", ("text", None), {"ctr": ("5", 1)})])
    with pytest.raises(TypeError, match=r"arms\[0\]: expected an Arm"):
        client.decide(["a"])
    with pytest.raises(TypeError, match="arms: expected an iterable"):
        client.decide(ARMS[0])


def test_settings_are_checked_before_anything_is_sent(client, server):
    with pytest.raises(ValueError, match=r"aim: expected 'earn' or 'learn'\. Received: 'win'"):
        client.decide(ARMS, aim="win")
    with pytest.raises(TypeError, match=r"options among .*horizon.*Received: 'horizont'"):
        client.decide(ARMS, horizont=3)
    with pytest.raises(TypeError, match="horizon: expected a number"):
        client.decide(ARMS, horizon="many")
    assert not server.calls


def test_arms_above_the_message_limit_are_refused(server):
    with (
        Client(server.address, max_message_bytes=2_048) as client,
        pytest.raises(MessageTooLargeError, match=r"up to arms\[2\]"),
    ):
        client.decide([Arm(str(place), ("text", bytes(900))) for place in range(5)])


def test_unknown_warnings_of_a_prediction_travel_back(client):
    prediction = ArmPrediction({"ctr": TargetPrediction(-4.0, 0.3)}, (), "fake", "1")
    decision = client.decide([Arm("a", prediction)])
    assert decision.best.predicted == pytest.approx(1 / (1 + math.exp(4)))
