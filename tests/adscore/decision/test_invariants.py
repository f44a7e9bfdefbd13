"""What must hold of every group, whatever its counts."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from adscore.bundle import Spread
from adscore.decision import Aim, Arm, DecisionSettings, Group, Prediction, decide

# What quadrature is off at most, see test_quadrature.py; rounding is far below it.
OFF = 2e-3
SETTINGS = st.builds(
    DecisionSettings,
    worth=st.just({"ctr": 1.0}),
    spreads=st.builds(
        Spread, st.floats(0.05, 1.5), st.floats(0.05, 1), st.floats(0, 1.5)
    ).map(lambda spread: {"ctr": spread}),
    aim=st.sampled_from(Aim),
    horizon=st.none() | st.floats(0, 1e7),
)  # fmt: skip


@st.composite
def arms(draw):
    trials = draw(st.integers(0, 3) | st.integers(0, 10**6))
    successes = draw(st.integers(0, max(1, trials // 20)))
    prediction = Prediction.of_rate(draw(st.floats(1e-3, 0.1)))
    return Arm("", {"ctr": prediction}, {"ctr": trials}, {"ctr": min(successes, trials)})


GROUPS = st.lists(arms(), min_size=2, max_size=6)
some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def decided(of, asked):
    named = [replace(arm, id=arm.id or str(place)) for place, arm in enumerate(of)]
    [decision] = decide([Group("group", named)], asked)
    return decision


def figures(arm):
    return [arm.mean, arm.lower, arm.upper, arm.chance_best, arm.relative_loss, arm.share]


@some
@given(group=GROUPS, asked=SETTINGS, data=st.data())
def test_order_of_the_arms_does_not_matter(group, asked, data):
    named = [replace(arm, id=str(place)) for place, arm in enumerate(group)]
    first = decided(named, asked)
    second = decided(data.draw(st.permutations(named)), asked)
    assert first.status == second.status
    of_second = {arm.id: arm for arm in second.arms}
    for arm in first.arms:
        assert figures(arm) == pytest.approx(figures(of_second[arm.id]), rel=1e-6, abs=1e-9)


@some
@given(group=GROUPS, asked=SETTINGS)
def test_chances_and_shares_sum_to_one(group, asked):
    decision = decided(group, asked)
    assert sum(arm.chance_best for arm in decision.arms) == pytest.approx(1)
    assert sum(arm.share for arm in decision.arms) == pytest.approx(1)


@some
@given(group=GROUPS, asked=SETTINGS)
def test_equal_arms_get_equal_answers(group, asked):
    decision = decided([*group, group[0]], asked)
    assert figures(decision.arms[0]) == pytest.approx(figures(decision.arms[-1]), rel=1e-9)


@some
@given(group=GROUPS, asked=SETTINGS)
def test_one_more_success_never_lowers_the_chance(group, asked):
    first = group[0]
    assume(first.successes["ctr"] < first.trials["ctr"])
    better = replace(first, successes={"ctr": first.successes["ctr"] + 1})
    before = decided(group, asked).arms[0]
    after = decided([better, *group[1:]], asked).arms[0]
    assert after.chance_best >= before.chance_best - OFF
    assert after.mean > before.mean * (1 - 1e-6)
    assert after.relative_loss <= before.relative_loss + OFF


@some
@given(group=GROUPS, asked=SETTINGS, worth=st.floats(1e-3, 1e4))
def test_worth_of_a_success_scales_the_value_alone(group, asked, worth):
    plain = decided(group, asked)
    scaled = decided(group, replace(asked, worth={"ctr": worth}))
    assert scaled.status == plain.status
    for one, other in zip(plain.arms, scaled.arms, strict=True):
        assert other.mean == pytest.approx(worth * one.mean)
        assert figures(other)[3:] == pytest.approx(figures(one)[3:], rel=1e-9, abs=1e-12)


def arm(trials, successes):
    return Arm("", {"ctr": Prediction.of_rate(0.0625)}, {"ctr": trials}, {"ctr": successes})


@some
@example(  # the last group needs more steps than the one before it
    groups=[[arm(0, 0), arm(0, 0), arm(211_993, 82)], [arm(0, 0), arm(0, 0), arm(1343, 0)]],
    asked=DecisionSettings({"ctr": 1.0}, {"ctr": Spread(1.0, 0.125, 0.0)}),
)
@given(groups=st.lists(GROUPS, min_size=2, max_size=5), asked=SETTINGS)
def test_groups_do_not_influence_each_other(groups, asked):
    named = [
        Group(str(number), [replace(arm, id=str(place)) for place, arm in enumerate(group)])
        for number, group in enumerate(groups)
    ]
    for group, together in zip(named, decide(named, asked), strict=True):
        [alone] = decide([group], asked)
        assert alone.status == together.status
        for one, other in zip(alone.arms, together.arms, strict=True):
            assert figures(one) == pytest.approx(figures(other), rel=1e-9, abs=1e-12)
