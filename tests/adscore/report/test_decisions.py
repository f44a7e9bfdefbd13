"""Cards of decisions: what they say, and that the picture shows what is known."""

from dataclasses import replace

import pytest

from adscore.bundle import Spread
from adscore.decision import Arm, DecisionSettings, Group, Prediction, decide
from adscore.report.decisions import Seen, decision_card
from adscore.report.hills import posterior_chart
from adscore.report.words import chance, whole_percent


def decided(*counts, tolerance=0.01, worth=None):
    worth = worth or {"ctr": 1.0}
    arms = [
        Arm(
            name,
            {target: Prediction.of_rate(0.015) for target in worth},
            dict.fromkeys(worth, trials),
            dict.fromkeys(worth, successes),
        )
        for name, (trials, successes) in zip("abcdefghijklmnop", counts, strict=False)
    ]
    spreads = dict.fromkeys(worth, Spread(0.6, 0.25))
    settings = DecisionSettings(worth, spreads, tolerance=tolerance)
    [decision] = decide([Group("spring", arms)], settings)
    return decision


def card_of(*counts, **options):
    return decision_card(decided(*counts, **options), ("ctr",), {})


def test_leader_is_named_with_what_would_change_it_and_the_rest_is_switched_off():
    card = card_of((30_000, 420), (30_000, 640))
    assert card.verdict.startswith("Run b: it is the best with a chance of")
    assert card.next_step.startswith("a rising above")
    assert card.action == "Now: give more to b; switch off a."
    assert [one.advice for one in card.arms] == ["give more", "switch off"]


def test_tie_is_said_as_a_tie():
    card = card_of((4e6, 60_000), (4e6, 60_040), tolerance=0.02)
    assert card.verdict.startswith("A tie")
    assert card.action == ""
    assert {one.advice for one in card.arms} == {"keep"}


def test_open_group_says_how_much_more_traffic_may_settle_it():
    card = card_of((2_000, 30), (2_000, 38))
    assert card.verdict.startswith("Not settled. b is ahead")
    assert "more impressions of each would show whether b" in card.next_step
    assert card.arms[0].observed == pytest.approx(38 / 2_000)


def test_one_creative_and_no_counts_are_no_verdict():
    assert "alone" in card_of((100, 2)).verdict
    card = card_of((0, 0), (0, 0))
    assert card.arms[0].observed is None
    assert card.verdict.startswith("Nothing was counted yet")
    assert card.action == "Now: split the first traffic as below."


def test_creatives_are_called_by_their_headlines():
    decision = decided((30_000, 420), (30_000, 640))
    card = decision_card(decision, ("ctr",), {("spring", "b"): Seen("Buy one")})
    assert card.verdict.startswith("Run “Buy one”: it is the best")


def test_many_creatives_without_traffic_are_folded_away():
    card = card_of((30_000, 640), *[(30_000, 420)] * 13)
    assert len(card.arms) == 8
    assert [one.advice for one in card.folded] == ["switch off"] * 6
    assert card.action == "Now: give more to a; switch off b, c and 11 more."
    assert card.how_many == "The 10 highest of 14."


def test_values_are_written_as_numbers():
    decision = decided((1_000, 15), (1_000, 20), worth={"ctr": 1.0, "sales": 30.0})
    [first, _] = decision_card(decision, ("ctr", "sales"), {}).arms
    assert "%" not in first.rates


def test_picture_names_creatives_by_what_tells_them_apart():
    decision = decided((1_000, 15), (1_000, 20))
    arms = [replace(arm, id=f"70200000000{arm.id}") for arm in decision.arms]
    chart = posterior_chart(replace(decision, arms=arms), ("ctr",))
    assert [name for _, name in chart.plot.y_axis.ticks] == ["...000000b", "...000000a"]


def test_picture_has_a_hill_for_each_arm_up_to_its_room():
    chart = posterior_chart(decided((1_000, 15), (1_000, 20), (5_000, 40)), ("ctr",))
    assert sum(mark.kind == "model-area" for mark in chart.marks) == 3
    assert [row[0] for row in chart.rows] == ["b", "a", "c"]
    many = posterior_chart(decided(*[(1_000, 15)] * 14), ("ctr",))
    assert sum(mark.kind == "model-area" for mark in many.marks) == 10


def test_values_are_drawn_as_numbers():
    decision = decided((1_000, 15), (1_000, 20), worth={"ctr": 1.0, "sales": 30.0})
    chart = posterior_chart(decision, ("ctr", "sales"))
    assert "value" in chart.plot.x_axis.label
    assert "%" not in chart.plot.x_axis.ticks[1][1]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.9999, ">99%"), (1, "100%")],
)
def test_what_is_nearly_certain_does_not_look_certain(share, text):
    assert whole_percent(share) == text


def test_no_chance_is_said_to_be_none_or_all():
    assert (chance(0), chance(1), chance(0.5)) == ("<1%", ">99%", "50%")
