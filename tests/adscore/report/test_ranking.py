"""Places inside groups, and which creatives cannot be told apart."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.report.ranking import APART, chance_ahead, places_in_groups, tie_sentence, tiers

RATES = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0)), max_size=12
)


def falling(rows):
    """Means in falling order, inside intervals of their own."""
    ordered = sorted((sorted(row) for row in rows), key=lambda row: -row[1])
    lower, mean, upper = np.array(ordered).reshape(-1, 3).T
    return mean, lower, upper


@given(st.lists(st.tuples(st.integers(0, 3), st.one_of(st.just(np.nan), st.floats(0, 1)))))
def test_places_are_those_of_each_group_highest_first(rows):
    group = np.array([g for g, _ in rows], np.int64)
    value = np.array([v for _, v in rows], float)
    places = places_in_groups(value, group)
    for number in range(4):
        inside = np.flatnonzero(group == number)
        assert sorted(places[inside]) == list(range(len(inside)))
        ordered = value[inside[np.argsort(places[inside])]]
        scored = ordered[~np.isnan(ordered)]
        assert list(scored) == sorted(scored, reverse=True)
        assert np.isnan(ordered[len(scored) :]).all()


@given(RATES, st.none() | st.floats(0.01, 5))
def test_tiers_follow_each_other_and_begin_where_the_first_is_told_apart(rows, residual):
    mean, lower, upper = falling(rows)
    found = tiers(mean, lower, upper, residual)
    assert [place for tier in found for place in tier] == list(range(len(rows)))
    for tier in found:
        chances = chance_ahead(mean, lower, upper, residual, tier.start)
        assert (chances[: len(tier) - 1] < APART).all()
        if tier.stop < len(rows):
            assert chances[len(tier) - 1] >= APART


def test_the_chance_is_that_of_two_normal_logits():
    mean = np.array([0.2, 0.1])
    # Intervals of one standard deviation of 0.5 in logits.
    width = 1.6448536 * 0.5
    centre = np.log(mean / (1 - mean))
    lower, upper = (1 / (1 + np.exp(-(centre + sign * width))) for sign in (-1, 1))
    drawn = np.random.default_rng(0).normal(centre, 0.5, (400_000, 2))
    expected = (drawn[:, 0] > drawn[:, 1]).mean()
    assert chance_ahead(mean, lower, upper, None, 0)[0] == pytest.approx(expected, abs=0.005)
    # The spread inside a group, where it is known, whatever the intervals hold beside it.
    assert chance_ahead(mean, lower, upper, 0.5, 0)[0] == pytest.approx(expected, abs=0.005)
    assert chance_ahead(mean, mean, mean, 0.5, 0)[0] == pytest.approx(expected, abs=0.005)


def test_creatives_that_their_intervals_tie_are_told_apart_by_the_spread_inside_the_group():
    mean, lower, upper = np.array([0.03, 0.02]), np.array([0.01, 0.005]), np.array([0.06, 0.05])
    assert tiers(mean, lower, upper) == [range(2)]
    assert tiers(mean, lower, upper, 0.2) == [range(1), range(1, 2)]


def test_equal_scores_are_never_told_apart():
    mean = np.full(4, 0.01)
    assert tiers(mean, mean, mean) == [range(4)]


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ((), ""),
        ((1,), ""),
        ((4,), "These four cannot be told apart."),
        ((1, 3), "The first is ahead of the others."),
        ((2, 1), "The first two cannot be told apart; the others are behind the first."),
        ((12, 1), "The first 12 cannot be told apart; the others are behind the first."),
    ],
)
def test_ties_are_said_as_ties(sizes, sentence):
    ends = np.cumsum([0, *sizes]).tolist()
    assert tie_sentence([range(*ends) for ends in pairwise(ends)]) == sentence
