import pytest

from adscore.report.words import share_below


@pytest.mark.parametrize(
    ("percentile", "said"), [(100.0, "100"), (99.9, "99"), (83.6, "84"), (0.2, "0")]
)
def test_a_creative_that_some_are_above_is_not_above_all(percentile: float, said: str) -> None:
    assert share_below(percentile) == said
