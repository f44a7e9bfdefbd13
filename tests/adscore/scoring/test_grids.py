import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adscore.creative import Creative, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring import grids as combinations
from adscore.scoring.scorer import Scorer


def grid_of(scorer: Scorer, headlines: list[str], images: list[bytes], **context: str) -> Any:
    return scorer.score_combinations(
        [scorer.preparer.required_headline(headline) for headline in headlines],
        [scorer.preparer.required_image(image) for image in images],
        scorer.preparer.context(context),
    )


def test_a_cell_is_the_score_of_its_headline_and_image(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    headlines = [creative.headline for creative in creatives[:3]]
    images = [creative.image for creative in creatives[10:15]]
    grid = grid_of(scorer, headlines, images).targets["ctr"]
    pairs = [Creative(headline, image) for headline in headlines for image in images]
    for figure in ("mean", "lower", "upper", "percentile"):
        single = [getattr(score.targets["ctr"], figure) for score in scorer.score(pairs)]
        assert getattr(grid, figure).shape == (3, 5)
        np.testing.assert_allclose(getattr(grid, figure).ravel(), single, rtol=1e-4)


def test_a_grid_larger_than_a_block_is_whole(
    scorer: Scorer, creatives: list[Creative], monkeypatch: pytest.MonkeyPatch
) -> None:
    headlines = [creative.headline for creative in creatives[:4]]
    images = [creative.image for creative in creatives[:5]]
    whole = grid_of(scorer, headlines, images).targets["ctr"].mean
    monkeypatch.setattr(combinations, "BLOCK_PAIRS", 3)
    np.testing.assert_allclose(
        grid_of(scorer, headlines, images).targets["ctr"].mean, whole, rtol=1e-4
    )


def test_warnings_stand_with_the_part_that_they_are_of(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64 * 16 + 1, 64)).save(file, "PNG")
    headlines = [creatives[0].headline, "shoes and more " * 60]
    grid = grid_of(scorer, headlines, [creatives[0].image, file.getvalue()])
    assert grid.headline_warnings[0] == ()
    assert Warning.HEADLINE_TRUNCATED in grid.headline_warnings[1]
    assert Warning.IMAGE_DOWNSCALED in grid.image_warnings[1]
    assert grid.image_warnings[0] == ()
    assert grid.warnings == ()


def test_a_context_name_that_the_model_does_not_read_is_refused(
    scorer: Scorer, creatives: list[Creative]
) -> None:
    with pytest.raises(InvalidCreativeError) as caught:
        grid_of(scorer, [creatives[0].headline], [creatives[0].image], moon="full")
    assert caught.value.reason is Reason.CONTEXT_NAME_UNKNOWN
