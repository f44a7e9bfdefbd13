"""Which scores count when it is told where they fall."""

import math

from adscore_server.monitoring.score_distribution import ScoreDistributions


def test_score_without_a_percentile_does_not_count() -> None:
    scores = ScoreDistributions()
    scores.add("sample", "1", [("ctr", math.nan), ("cvr", 50.0)])
    assert list(scores.snapshot()) == [("sample", "1", "cvr")]
