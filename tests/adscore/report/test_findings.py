"""The verdict: what decides, what adds nothing, and when nothing can be said."""

import pytest

from adscore.evaluation.bootstrap import Estimate, Ranking
from adscore.report.findings import verdict

SURE = Estimate(0.71, 0.68, 0.74)
MUCH, SOME, NONE = Estimate(0.24, 0.2, 0.3), Estimate(0.04, 0.02, 0.06), Estimate(0, -0.01, 0.01)
OPEN, FEW, WORSE = (
    Estimate(0.03, -0.04, 0.1),
    Estimate(0.01, -0.02, 0.04),
    Estimate(-0.03, -0.05, -0.01),
)


def say(value=SURE, metric="pairwise_accuracy", contexts=("format",), **gains):
    return verdict(Ranking(metric, value, gains), contexts, "campaign")


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        (
            {"context": MUCH, "headline": NONE},
            "The format decides; the headline adds nothing here.",
        ),
        ({"image": MUCH, "headline": SOME}, "The image decides; the headline adds a little."),
        ({"image": MUCH, "headline": MUCH}, "The image and the headline decide."),
        (
            {"image": MUCH, "headline": NONE, "context": NONE},
            "The image decides; the headline and the format add nothing here.",
        ),
        ({"image": MUCH, "headline": WORSE}, "The image decides; the headline misleads."),
        (
            {"image": MUCH, "headline": FEW},
            "The image decides; the headline adds little, if anything.",
        ),
        (
            {"image": OPEN, "headline": NONE},
            "No part by itself can be shown to decide; the headline adds nothing here; the image "
            "may add something, which takes more cases to tell.",
        ),
    ],
)
def test_the_verdict_names_what_decides_and_what_does_not(gains, expected):
    assert say(**gains) == expected


def test_several_contexts_are_named():
    assert say(contexts=("ad_format", "placement"), context=MUCH, headline=NONE).startswith(
        "The context (ad format, placement) decides"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Estimate(0.52, 0.47, 0.57), "It cannot tell which of these creatives does better."),
        (Estimate(0.38, 0.3, 0.45), "It ranks these creatives worse than a coin."),
        (Estimate(0.9), "Too few campaigns to say how well it ranks."),
    ],
)
def test_a_ranking_that_is_not_above_chance_has_no_part_that_decides(value, expected):
    assert say(value, image=MUCH) == expected


def test_a_model_of_one_part_is_judged_by_its_ranking():
    assert say() == "It picks the better creative 71.0% of the time (68.0% to 74.0%)."
    assert say(Estimate(0.53, 0.51, 0.55)).startswith("It is hardly better than a coin")


def test_nothing_to_rank_is_said():
    assert verdict(None, (), "campaign").startswith("Nothing was observed")
