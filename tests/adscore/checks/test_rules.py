import re

import pytest

from adscore.checks.findings import Severity
from adscore.checks.kinds import KINDS, expected
from adscore.checks.rules import UnknownPlacementError, find_placement, placements


@pytest.mark.parametrize("placement", placements().values(), ids=placements())
def test_every_rule_can_be_read_and_said_in_words(placement):
    names = [rule.name for rule in placement.rules]
    assert len(set(names)) == len(names)
    for rule in placement.rules:
        assert rule.name in KINDS
        assert expected(rule)
        assert rule.source.title
        assert re.fullmatch(r"|20\d\d(-\d\d(-\d\d)?)?", rule.source.date)


@pytest.mark.parametrize("placement", placements().values(), ids=placements())
def test_what_no_platform_was_read_for_refuses_nothing(placement):
    for rule in placement.rules:
        assert rule.source.confirmed or rule.severity is Severity.WARNING


def test_placements_of_all_platforms_are_there():
    platforms = {placement.platform for placement in placements().values()}
    assert platforms >= {"IAB", "Google", "Meta", "LinkedIn", "TikTok", "Microsoft"}


def test_unknown_placement_is_told_the_nearest():
    with pytest.raises(UnknownPlacementError, match=r"Did you mean 'meta-stories'\?"):
        find_placement("meta-story")


def test_placement_that_is_like_none_gets_no_guess():
    with pytest.raises(UnknownPlacementError) as caught:
        find_placement("\N{ZERO WIDTH JOINER}" * 1_000)
    assert "Did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_name_of_any_length_is_refused_at_once():
    with pytest.raises(UnknownPlacementError) as caught:
        find_placement("meta-" * 3_000_000)
    assert len(str(caught.value)) < 2_000
