"""Decide: live servers, creatives and predictions, and every refusal."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from adscore.bundle import Spread, read_bundle, write_bundle
from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_client import (
    Arm,
    ArmPrediction,
    Client,
    Counts,
    DecisionStatus,
    DecisionWarning,
    InvalidCreativeError,
    InvalidRequestError,
    ModelNotFoundError,
    TargetPrediction,
    Warning,
)
from adscore_client import Creative as ClientCreative
from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from adscore_server.config import ServerConfig

ANY_PORT = ServerConfig(address="127.0.0.1:0")
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PREDICTION = ArmPrediction({"ctr": TargetPrediction(-4.0, 0.3)}, (), "sample", "1")


@pytest.fixture(scope="module")
def spread_scorer(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """The model with spreads, which its ten campaigns are too few for."""
    bundle = read_bundle(model_dir / "1")
    manifest = dataclasses.replace(bundle.manifest, spreads={"ctr": Spread(0.5, 0.25)})
    folder = tmp_path_factory.mktemp("spread") / "sample"
    return Scorer.open(write_bundle(folder, manifest, bundle.files))


@pytest.fixture
def client(start_server: Any, spread_scorer: Scorer) -> Any:
    with Client(start_server(spread_scorer).address, timeout_seconds=60) as client:
        yield client


def arms_of(creatives: list[Creative], counts: list[tuple[float, float]]) -> list[Arm]:
    return [
        Arm(one.id, ClientCreative(one.headline, one.image), {"ctr": Counts(*counted)})
        for one, counted in zip(creatives, counts, strict=False)
    ]


def test_creatives_are_scored_and_joined_with_their_counts(
    client: Any, spread_scorer: Scorer, creatives: list[Creative]
) -> None:
    decision = client.decide(
        arms_of(creatives, [(20_000, 300), (20_000, 460), (20_000, 280)]), control=creatives[0].id
    )
    assert decision.status is DecisionStatus.LEADER
    assert decision.leader == creatives[1].id
    assert decision.best.chance_above_control > 0.99
    assert sum(decision.shares.values()) == pytest.approx(1)
    [score] = spread_scorer.score([creatives[0]])
    assert decision.arms[0].predicted == pytest.approx(score.targets["ctr"].mean, rel=1e-4)
    assert DecisionWarning.HORIZON_ASSUMED in decision.warnings
    assert DecisionWarning.DEFAULT_SPREADS not in decision.warnings


def test_predictions_of_a_decision_give_the_same_answer(
    client: Any, creatives: list[Creative]
) -> None:
    arms = arms_of(creatives, [(5_000, 80), (5_000, 95)])
    first = client.decide(arms, horizon=1_000)
    again = client.decide(
        [
            Arm(arm.id, made.prediction, arm.counts)
            for arm, made in zip(arms, first.arms, strict=True)
        ],
        horizon=1_000,
    )
    for one, other in zip(first.arms, again.arms, strict=True):
        assert one.mean == pytest.approx(other.mean, rel=1e-6)
        assert one.share == pytest.approx(other.share, rel=1e-6)


def test_warnings_of_a_score_widen_what_is_left(client: Any, creatives: list[Creative]) -> None:
    arms = [
        Arm("whole", ClientCreative(creatives[0].headline, creatives[0].image)),
        Arm("no image", (creatives[0].headline, None)),
    ]
    whole, part = client.decide(arms, horizon=10).arms
    assert Warning.MISSING_IMAGE in part.warnings
    spreads = [one.prediction.targets["ctr"].spread for one in (whole, part)]
    assert spreads[1] > spreads[0] or Warning.UNFAMILIAR_CREATIVE in whole.warnings


def test_group_of_the_training_is_recognised_unless_all_counts_are_newer(
    client: Any, spread_scorer: Scorer, sample_dir: Path
) -> None:
    arms = [Arm(name, PREDICTION, {"ctr": (100, 2)}) for name in "ab"]
    names = {line.split(",")[1] for line in (sample_dir / "creatives.csv").read_text().splitlines()}
    seen = next(name for name in sorted(names) if spread_scorer.has_seen(name))
    warned = DecisionWarning.GROUP_IN_TRAINING
    assert warned in client.decide(arms, group=seen).warnings
    assert warned not in client.decide(arms, group=seen, counted_after_training=True).warnings
    assert warned not in client.decide(arms, group="never seen").warnings


def test_model_without_spreads_says_so(start_server: Any, model_dir: Path) -> None:
    bundle = read_bundle(model_dir / "1")
    bare = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, spreads={}))
    with Client(start_server(Scorer(bare)).address, timeout_seconds=60) as client:
        decision = client.decide([Arm("a", PREDICTION), Arm("b", PREDICTION)])
    assert DecisionWarning.DEFAULT_SPREADS in decision.warnings
    assert DecisionWarning.NO_COUNTS in decision.warnings


def test_groups_that_say_little_are_answered_and_never_settled(client: Any) -> None:
    one = client.decide([Arm("a", PREDICTION, {"ctr": (5_000, 80)})])
    assert (one.status, one.shares) == (DecisionStatus.OPEN, {"a": 1.0})
    assert DecisionWarning.ONE_ARM in one.warnings
    none = client.decide([Arm("a", PREDICTION), Arm("b", PREDICTION)])
    assert none.status is DecisionStatus.OPEN
    assert none.shares == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-6)
    lopsided = client.decide([Arm("a", PREDICTION, {"ctr": (1e12, 2e10)}), Arm("b", PREDICTION)])
    assert lopsided.status is DecisionStatus.OPEN
    assert DecisionWarning.ARMS_UNTRIED in lopsided.warnings


def counted(trials: float, successes: float, target: str = "ctr") -> list[Arm]:
    return [Arm("a", PREDICTION, {target: (trials, successes)})]


def predicted(**changes: Any) -> list[Arm]:
    return [Arm("a", PREDICTION), Arm("b", dataclasses.replace(PREDICTION, **changes))]


def of_logit(logit: float, spread: float) -> list[Arm]:
    return predicted(targets={"ctr": TargetPrediction(logit, spread)})


ONE = [Arm("a", PREDICTION)]
TARGET = "arms[1].prediction.targets[ctr]"


@pytest.mark.parametrize(
    ("arms", "options", "field", "reason"),
    [
        (counted(5, 6), {}, "arms[0].counts[ctr].successes", "COUNTS_INVALID"),
        (counted(-1, 0), {}, "arms[0].counts[ctr].trials", "COUNTS_INVALID"),
        (counted(math.nan, 0), {}, "arms[0].counts[ctr].trials", "COUNTS_INVALID"),
        (counted(math.inf, 0), {}, "arms[0].counts[ctr].trials", "COUNTS_INVALID"),
        (counted(1e300, 0), {}, "arms[0].counts[ctr].trials", "COUNTS_INVALID"),
        (counted(10, -math.inf), {}, "arms[0].counts[ctr].successes", "COUNTS_INVALID"),
        (counted(5, 1, "sales"), {}, "arms[0].counts[sales]", "TARGET_UNKNOWN"),
        (ONE, {"values": {"sales": 1}}, "values[sales]", "TARGET_UNKNOWN"),
        (ONE, {"values": {"ctr": 0}}, "values", "DECISION_INVALID"),
        (ONE, {"control": "b"}, "control", "DECISION_INVALID"),
        (ONE, {"tolerance": 0}, "tolerance", "DECISION_INVALID"),
        (ONE, {"horizon": -1}, "horizon", "DECISION_INVALID"),
        (ONE, {"horizon": math.inf}, "horizon", "DECISION_INVALID"),
        (ONE, {"tolerance": math.nan}, "tolerance", "DECISION_INVALID"),
        (ONE, {"values": {"ctr": math.nan}}, "values[ctr]", "DECISION_INVALID"),
        ([*ONE, *ONE], {}, "arms[1].id", "DECISION_INVALID"),
        ([Arm("", PREDICTION)], {}, "arms[0].id", "DECISION_INVALID"),
        ([Arm("x" * 300, PREDICTION)], {}, "arms[0].id", "ID_TOO_LONG"),
        (predicted(targets={}), {}, TARGET, "DECISION_INVALID"),
        (of_logit(99, 1), {}, f"{TARGET}.logit", "DECISION_INVALID"),
        (of_logit(-4, 0), {}, f"{TARGET}.spread", "DECISION_INVALID"),
        (predicted(model="other"), {}, "arms[1].prediction.model", "DECISION_INVALID"),
        ([], {}, "arms", "BATCH_EMPTY"),
    ],
)
def test_bad_arms_and_settings_are_refused_by_field(
    client: Any, arms: list[Arm], options: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.decide(arms, **options)
    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert "expected" in str(caught.value)
    assert "Received" in str(caught.value)


def test_bad_creative_of_an_arm_is_named(client: Any, creatives: list[Creative]) -> None:
    arms = [*arms_of(creatives[:1], [(10, 1)]), Arm("bad", ("text", b"not an image"))]
    with pytest.raises(InvalidCreativeError) as caught:
        client.decide(arms)
    assert caught.value.field == "arms[1].creative.image"
    assert caught.value.reason == "IMAGE_UNREADABLE"


def test_prediction_of_a_version_that_is_gone_is_not_found(client: Any) -> None:
    gone = dataclasses.replace(PREDICTION, model_version="7")
    with pytest.raises(ModelNotFoundError):
        client.decide([Arm("a", gone)])


@contextmanager
def raw_decide(address: str) -> Iterator[Any]:
    with grpc.insecure_channel(address) as channel:
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)
        yield lambda arms: stub.Decide(scoring_pb2.DecideRequest(arms=arms), timeout=60)


def test_arm_without_creative_and_prediction_is_refused(
    start_server: Any, spread_scorer: Scorer, refusal: Any
) -> None:
    with raw_decide(start_server(spread_scorer).address) as decide:
        code, reason, field, _ = refusal(lambda: decide([scoring_pb2.Arm(id="a")]))
    assert (code, reason, field) == (INVALID, "DECISION_INVALID", "arms[0]")


def test_too_many_arms_are_refused_and_fields_inside_them_count(
    start_server: Any, spread_scorer: Scorer, refusal: Any
) -> None:
    config = dataclasses.replace(ANY_PORT, max_batch_creatives=2)
    many = [scoring_pb2.Arm(id=str(place), creative=scoring_pb2.Creative()) for place in range(3)]
    crowded = scoring_pb2.Arm(id="a")
    for place in range(500):
        crowded.creative.context[str(place)] = ""
    with raw_decide(start_server(spread_scorer, config=config).address) as decide:
        assert refusal(lambda: decide(many))[:3] == (INVALID, "BATCH_TOO_LARGE", "arms")
        assert refusal(lambda: decide([crowded]))[:2] == (INVALID, "REQUEST_TOO_LARGE")


def test_arms_count_as_creatives_for_the_rate_limit(
    start_server: Any, spread_scorer: Scorer, refusal: Any
) -> None:
    config = dataclasses.replace(ANY_PORT, creatives_per_second=5)
    arms = [scoring_pb2.Arm(id=str(place)) for place in range(200)]
    with raw_decide(start_server(spread_scorer, config=config).address) as decide:
        refusal(lambda: decide(arms))  # bad arms cost as much
        assert refusal(lambda: decide(arms))[1] == "RATE_LIMITED"
