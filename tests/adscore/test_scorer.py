from adscore.creative import Creative
from adscore.scorer import Scorer


def test_scores_are_rates_inside_their_interval(scorer: Scorer, creatives: list[Creative]) -> None:
    for score in scorer.score(creatives):
        ctr = score.targets["ctr"]
        assert 0 < ctr.lower < ctr.mean < ctr.upper < 1
        assert 0 <= ctr.percentile <= 100
