"""Groups of arms -> decisions: what a user would recognise, and what may never look sure."""

import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adscore.bundle import Spread
from adscore.decision import (
    MAX_ARMS,
    Aim,
    Arm,
    DecisionSettings,
    DecisionWarning,
    Group,
    Prediction,
    Status,
    check_group,
    decide,
)
from adscore.errors import DecisionError

SPREADS = {"ctr": Spread(between_groups=0.6, residual=0.25)}


def arm(name, trials=0.0, successes=0.0, rate=0.015, warnings=()):
    return Arm(
        name,
        {"ctr": Prediction.of_rate(rate)},
        {"ctr": trials},
        {"ctr": successes},
        warnings,
    )


def asked(**changes):
    return DecisionSettings(**{"worth": {"ctr": 1.0}, "spreads": SPREADS, **changes})


def decided(*arms, in_training=False, **changes):
    [decision] = decide([Group("group", arms, in_training)], asked(**changes))
    return decision


# === What a user would recognise ===


def test_much_better_arm_leads_and_gets_the_traffic():
    decision = decided(arm("a", 20_000, 300), arm("b", 20_000, 420), arm("c", 20_000, 290))
    assert decision.status is Status.LEADER
    assert decision.leader == decision.best.id == "b"
    assert decision.best.share > 0.95
    assert decision.best.chance_best > 0.99
    assert decision.relative_loss < 0.01


def test_arms_that_cannot_differ_by_more_than_the_tolerance_tie():
    decision = decided(arm("a", 4e6, 60_000), arm("b", 4e6, 60_050), tolerance=0.02)
    assert decision.status is Status.TIE


def test_little_traffic_settles_nothing():
    decision = decided(arm("a", 200, 3), arm("b", 200, 5))
    assert decision.status is Status.OPEN
    assert all(one.share > 0.05 for one in decision.arms)


def test_prediction_alone_makes_no_leader():
    decision = decided(arm("a", 50, 1, rate=0.03), arm("b", 50, 1, rate=0.005))
    assert decision.best.id == "a"
    assert decision.best.chance_best > 0.98
    assert decision.status is Status.OPEN


def test_wrong_prediction_makes_no_leader_of_what_looks_alike_in_counts():
    arms = (arm("a", 5_000, 80, rate=0.05), arm("b", 5_000, 74, rate=0.01))
    decision = decided(*arms)
    assert decision.best.chance_best > 0.965
    assert decision.status is Status.OPEN


def test_mean_lies_between_prediction_and_observation():
    decision = decided(arm("a", 3_000, 75), arm("b", 3_000, 45))
    first = decision.arms[0]
    assert first.predicted == pytest.approx(0.015)
    assert first.predicted < first.mean < 75 / 3_000
    assert first.lower < first.mean < first.upper


def test_group_that_does_better_than_predicted_lifts_an_arm_that_was_not_tried():
    decision = decided(arm("a", 20_000, 800), arm("b"))
    assert decision.arms[1].mean > 0.025


def test_learning_keeps_testing_the_runner_up_where_earning_does_not():
    arms = (arm("a", 10_000, 150), arm("b", 10_000, 165), arm("c", 10_000, 90))
    earn, learn = decided(*arms, horizon=3_000), decided(*arms, aim=Aim.LEARN)
    assert learn.arms[0].share > earn.arms[0].share
    assert learn.arms[2].share < 0.05


def test_shorter_horizon_explores_less():
    arms = (arm("a", 1_000, 15), arm("b", 1_000, 18))
    short, long = decided(*arms, horizon=500), decided(*arms, horizon=1e6)
    assert short.best.share > long.best.share
    assert decided(*arms, horizon=0).best.share > 0.999


def test_horizon_is_what_the_group_has_had_unless_given():
    decision = decided(arm("a", 1_000, 15), arm("b", 3_000, 40))
    assert decision.horizon == 4_000
    assert DecisionWarning.HORIZON_ASSUMED in decision.warnings
    assert DecisionWarning.HORIZON_ASSUMED not in decided(arm("a"), arm("b"), horizon=10).warnings


def test_control_is_compared_with_all_others():
    decision = decided(arm("a", 9_000, 135), arm("b", 9_000, 190), control="a")
    assert decision.arms[0].chance_above_control is None
    assert decision.arms[1].chance_above_control == pytest.approx(decision.arms[1].chance_best)
    assert decided(arm("a"), arm("b")).arms[0].chance_above_control is None


def test_arm_that_the_model_does_not_know_well_is_less_sure():
    usual = decided(arm("a"), arm("b", rate=0.02))
    wide = decided(arm("a", warnings=("UNFAMILIAR_CREATIVE",)), arm("b", rate=0.02))
    assert wide.arms[0].upper > usual.arms[0].upper
    assert wide.arms[0].warnings == ("UNFAMILIAR_CREATIVE",)
    assert wide.arms[0].chance_best > usual.arms[0].chance_best
    assert wide.arms[0].targets["ctr"].prediction.spread == pytest.approx(0.375)


def test_prediction_of_a_group_that_the_model_was_trained_on_sets_nobody_apart():
    arms = (arm("a", 100, 1, rate=0.03), arm("b", 100, 2, rate=0.01))
    decision = decided(*arms, in_training=True)
    assert decision.leader == "b"
    assert DecisionWarning.GROUP_IN_TRAINING in decision.warnings
    assert decision.arms[0].predicted == pytest.approx(0.03)
    assert decided(*arms).leader == "a"


def test_model_that_sets_creatives_too_far_apart_is_believed_less():
    arms = (arm("a", rate=0.02), arm("b", rate=0.01))
    believed = decided(*arms)
    doubted = decided(*arms, spreads={"ctr": Spread(0.6, 0.25, slope=0.3)})
    assert 0.5 < doubted.best.chance_best < believed.best.chance_best
    assert doubted.arms[0].predicted == pytest.approx(0.02)


def test_model_without_spreads_is_trusted_less_and_says_so():
    arms = (arm("a", 500, 8, rate=0.02), arm("b", 500, 6, rate=0.01))
    decision = decided(*arms, spreads={})
    assert DecisionWarning.DEFAULT_SPREADS in decision.warnings
    assert decision.best.chance_best < decided(*arms).best.chance_best


def test_discounted_counts_may_be_fractions():
    decision = decided(arm("a", 1_234.5, 20.25), arm("b", 99.9, 0.3))
    assert decision.arms[0].targets["ctr"].successes == 20.25


# === Several targets ===


def two_targets(name, clicks, sales, trials=20_000):
    return Arm(
        name,
        {"ctr": Prediction.of_rate(0.02), "sales": Prediction.of_rate(0.001)},
        {"ctr": trials, "sales": trials},
        {"ctr": clicks, "sales": sales},
    )


def test_arms_are_ranked_by_their_value():
    arms = (two_targets("clicks", 600, 10), two_targets("sales", 400, 40))
    by_clicks = decided(*arms, worth={"ctr": 1.0, "sales": 0.0})
    by_value = decided(*arms, worth={"ctr": 0.1, "sales": 20.0})
    assert (by_clicks.leader, by_value.leader) == ("clicks", "sales")
    best = by_value.best
    assert best.mean == pytest.approx(
        0.1 * best.targets["ctr"].mean + 20 * best.targets["sales"].mean
    )
    assert best.lower < best.mean < best.upper


def test_target_that_is_worth_nothing_changes_nothing_but_is_told():
    pair = (two_targets("a", 300, 10), two_targets("b", 350, 2))
    both = decided(*pair, worth={"ctr": 2, "sales": 0})
    alone = decided(arm("a", 20_000, 300, 0.02), arm("b", 20_000, 350, 0.02), worth={"ctr": 2})
    for first, second in zip(both.arms, alone.arms, strict=True):
        assert first.mean == second.mean
        assert first.chance_best == second.chance_best
        assert set(first.targets) == {"ctr", "sales"}


def test_value_of_targets_that_are_the_same_is_that_of_one():
    same = Arm("a", {}, {"x": 5_000, "y": 1}, {"x": 80, "y": 0})
    other = Arm("b", {}, {"x": 5_000, "y": 1}, {"x": 60, "y": 0})
    prediction = {"x": Prediction.of_rate(0.015), "y": Prediction(-20.0, 0.01)}
    arms = [Arm(one.id, prediction, one.trials, one.successes) for one in (same, other)]
    spreads = dict.fromkeys("xy", SPREADS["ctr"])
    sums = decided(*arms, worth={"x": 1.0, "y": 1.0}, spreads=spreads)
    alone = decided(*arms, worth={"x": 1.0, "y": 0.0}, spreads=spreads)
    for first, second in zip(sums.arms, alone.arms, strict=True):
        assert first.mean == pytest.approx(second.mean, rel=1e-3)
        assert first.chance_best == pytest.approx(second.chance_best, abs=0.01)
        assert first.lower == pytest.approx(second.lower, rel=0.02)


# === What is bad, or hardly anything ===


@pytest.mark.parametrize(
    ("arms", "changes", "text"),
    [
        ([arm("a", 10, 11)], {}, r"arms\[0\]\.counts\[ctr\]\.successes: .*trials, 10\. .*11"),
        ([arm("a"), arm("b", -1)], {}, r"arms\[1\]\.counts\[ctr\]\.trials: .*from 0 to .*-1"),
        ([arm("a", 1e16, 1)], {}, r"arms\[0\]\.counts\[ctr\]\.trials: .*from 0 to 9.*1e\+16"),
        ([arm("a", math.nan)], {}, r"arms\[0\]\.counts\[ctr\]\.trials: .*nan"),
        ([arm("a", math.inf, 1)], {}, r"arms\[0\]\.counts\[ctr\]\.trials: .*inf"),
        ([arm("a"), arm("a")], {}, r"arms\[1\]\.id: expected an id of its own"),
        ([], {}, r"arms: expected 1 to 1000 arms. Received: 0"),
        ([arm("a")], {"tolerance": 0}, r"tolerance: expected a share between 0 and 1"),
        ([arm("a")], {"horizon": -5}, r"horizon: .*at least 0. Received: -5"),
        ([arm("a")], {"worth": {"ctr": 0}}, r"values: expected 1 to 3 targets .* Received: 0"),
        ([arm("a")], {"worth": {"ctr": -1}}, r"values\[ctr\]: .*at least 0. Received: -1"),
    ],
)
def test_bad_input_is_refused_with_its_place(arms, changes, text):
    with pytest.raises(DecisionError, match=text):
        decided(*arms, **changes)


def test_control_counts_in_groups_that_have_it_and_a_single_group_must():
    assert decided(arm("a"), arm("b"), control="c").arms[0].chance_above_control is None
    with pytest.raises(DecisionError, match=r"control: expected the id .*'a'.*Received: 'c'"):
        check_group(Group("group", [arm("a")]), asked(control="c"))


def test_before_the_first_count_each_gets_its_chance_unless_a_horizon_is_given():
    arms = (arm("a"), arm("b", rate=0.02))
    decision = decided(*arms)
    assert decision.status is Status.OPEN
    assert [one.share for one in decision.arms] == pytest.approx(
        [one.chance_best for one in decision.arms], abs=1e-3
    )
    assert decided(*arms, horizon=100).best.share > 0.95


def test_enormous_counts_are_answered_like_any_other():
    tie = decided(arm("a", 1e12, 1.5e10), arm("b", 1e12, 1.5e10), tolerance=1e-5)
    assert tie.status is Status.TIE
    assert tie.best.chance_best == pytest.approx(0.5, abs=0.01)
    open_still = decided(arm("a", 1e12, 1.5e10), arm("b", 1e12, 1.51e10), arm("c", 100, 2))
    assert open_still.status is Status.OPEN
    assert open_still.arms[2].chance_best > 0.05


def test_arm_with_all_the_traffic_settles_nothing():
    decision = decided(arm("a", 1e6, 15_000), arm("b"), arm("c", 1, 1))
    assert decision.status is Status.OPEN
    assert DecisionWarning.ARMS_UNTRIED in decision.warnings
    assert all(one.share > 0.02 for one in decision.arms)


def test_too_many_arms_are_refused():
    with pytest.raises(DecisionError, match=r"expected 1 to 1000 arms\. Received: 1001"):
        decided(*(arm(str(place)) for place in range(MAX_ARMS + 1)))


def test_one_arm_has_nothing_to_choose():
    decision = decided(arm("a", 100, 2))
    assert decision.status is Status.OPEN
    assert decision.arms[0].share == pytest.approx(1)
    assert DecisionWarning.ONE_ARM in decision.warnings


def test_no_counts_at_all_settle_nothing():
    decision = decided(arm("a"), arm("b"))
    assert decision.status is Status.OPEN
    assert DecisionWarning.NO_COUNTS in decision.warnings
    assert [one.chance_best for one in decision.arms] == pytest.approx([0.5, 0.5])


def test_one_arm_with_all_the_traffic_is_no_leader():
    decision = decided(arm("a", 1e6, 30_000, rate=0.015), arm("b", rate=0.005), arm("c", 1, 0))
    assert decision.status is Status.OPEN
    assert DecisionWarning.ARMS_UNTRIED in decision.warnings


def test_thousand_arms_are_answered_in_bounded_memory():
    arms = [arm(f"arm {place}", 1_000, 10 + place % 7) for place in range(MAX_ARMS)]
    decision = decided(*arms, control="arm 3")
    assert sum(one.chance_best for one in decision.arms) == pytest.approx(1)
    assert sum(one.share for one in decision.arms) == pytest.approx(1)


def test_all_successes_and_none_are_answered():
    decision = decided(arm("a", 50, 50), arm("b", 50, 0))
    assert decision.leader == "a"
    assert all(0 < one.lower <= one.mean <= one.upper < 1 for one in decision.arms)


COUNTS = st.tuples(st.integers(0, 10**7), st.floats(0, 1)).map(
    lambda pair: (float(pair[0]), math.floor(pair[0] * pair[1]))
)
ARMS = st.lists(st.tuples(COUNTS, st.floats(1e-5, 0.9)), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(  # an arm hardly tried beside one that is known: its nodes lie far outside any logit
    arms=[((17.0, 14), 0.5), ((3986.0, 1993), 0.5)],
    spread=Spread(1.0, 1.0),
    aim=Aim.EARN,
    horizon=0.0,
)
@given(
    arms=ARMS,
    spread=st.builds(Spread, st.floats(0.02, 3), st.floats(0.02, 2)),
    aim=st.sampled_from(Aim),
    horizon=st.none() | st.floats(0, 1e9),
)
def test_every_answer_is_a_possible_one(arms, spread, aim, horizon):
    group = [
        arm(str(place), trials, successes, rate)
        for place, ((trials, successes), rate) in enumerate(arms)
    ]
    decision = decided(*group, spreads={"ctr": spread}, aim=aim, horizon=horizon, control="0")
    figures = decision.arms
    assert sum(one.chance_best for one in figures) == pytest.approx(1, abs=1e-6)
    assert sum(one.share for one in figures) == pytest.approx(1, abs=1e-6)
    assert decision.relative_loss == min(one.relative_loss for one in figures)
    for one in figures:
        assert 0 <= one.lower <= one.mean <= one.upper <= 1
        assert 0 <= one.chance_best <= 1 + 1e-9
        assert 0 <= one.share <= 1 + 1e-9
        assert 0 <= one.relative_loss <= 1
        assert one.chance_above_control is None or 0 <= one.chance_above_control <= 1


def test_same_input_gives_the_same_answer_whatever_stands_beside_it():
    groups = [
        Group(str(n), [arm(str(k), 100.0 * (n + k), n + k) for k in range(2 + n % 3)])
        for n in range(40)
    ]
    together = list(decide(groups, asked()))
    assert [one.group for one in together] == [group.name for group in groups]
    for number in (0, 7, 39):
        [alone] = decide([groups[number]], asked())
        for first, second in zip(alone.arms, together[number].arms, strict=True):
            assert first.mean == pytest.approx(second.mean, rel=1e-9)
            assert first.chance_best == pytest.approx(second.chance_best, rel=1e-9)
            assert first.share == pytest.approx(second.share, rel=1e-9)
