"""A model that was trained with context and agreement, through a live server and the client."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adscore.creative import Creative, Warning
from adscore.scoring.scorer import Scorer
from adscore_client import Client, InvalidCreativeError

pytestmark = pytest.mark.slow

PLACEMENTS = ("feed", "sidebar")


@pytest.fixture(scope="module")
def trained(aligned_model: Path) -> Scorer:
    return Scorer.open(aligned_model)


@pytest.fixture
def client(start_server: Any, trained: Scorer) -> Iterator[Client]:
    with Client(start_server(trained).address, timeout_seconds=60) as client:
        yield client


def test_context_moves_the_score_of_a_served_creative(
    client: Client, trained: Scorer, creatives: list[Creative]
) -> None:
    assert client.model().limits.context_names == ("placement",)
    for creative in creatives[:4]:
        feed, sidebar = (
            client.score(creative.headline, creative.image, context={"placement": placement})
            for placement in PLACEMENTS
        )
        assert feed.targets["ctr"].mean > 1.5 * sidebar.targets["ctr"].mean
        placed = dataclasses.replace(creative, context={"placement": "feed"})
        [local] = trained.score([placed])
        assert feed.targets["ctr"].mean == pytest.approx(local.targets["ctr"].mean, rel=1e-5)


def test_absent_and_unknown_context_are_scored_with_a_warning(
    client: Client, creatives: list[Creative]
) -> None:
    one = creatives[0]
    absent = client.score(one.headline, one.image)
    unknown = client.score(one.headline, one.image, context={"placement": "billboard"})
    assert absent.targets["ctr"] == unknown.targets["ctr"]
    empty = client.score(one.headline, one.image, context={"placement": ""})
    known = client.score(one.headline, one.image, context={"placement": "feed"})
    assert absent.warnings == empty.warnings == (*known.warnings, Warning.MISSING_CONTEXT)
    assert unknown.warnings == (*known.warnings, Warning.UNKNOWN_CONTEXT)
    grid = client.score_combinations([one.headline], [one.image])
    assert Warning.MISSING_CONTEXT in grid.scores[0][0].warnings
    with pytest.raises(InvalidCreativeError, match="moon"):
        client.score(one.headline, one.image, context={"moon": "full"})


def test_match_of_an_aligned_model_is_what_every_score_says_of_its_pair(
    client: Client, trained: Scorer, creatives: list[Creative]
) -> None:
    some = creatives[:5]
    match = client.match([c.headline for c in some], [c.image for c in some])
    matrix = np.array(match.agreement)
    assert matrix.shape == (5, 5)
    assert np.ptp(matrix) > 0
    scores = [client.score(c.headline, c.image) for c in some]
    assert [score.agreement for score in scores] == pytest.approx(matrix.diagonal(), abs=1e-5)
    texts = [trained.preparer.required_headline(c.headline) for c in some]
    images = [trained.preparer.required_image(c.image) for c in some]
    np.testing.assert_allclose(matrix, trained.match(texts, images), atol=1e-5)
    best = np.argsort(-matrix, axis=1, kind="stable")
    assert [match.images_for(row) for row in range(5)] == list(map(tuple, best))
