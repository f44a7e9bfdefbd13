"""Figures of headline-image agreement: does a headline find its image among those of others?"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from adscore.evaluation.retrieval import AgreementMetrics, evaluate_agreement
from adscore.scoring.preparation import PreparedCreative
from adscore.scoring.scorer import Scorer

# Every headline is compared with every image: beyond these, a random part of the rows is.
MOST_ROWS = 5_000


def compared_rows(rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """Those of some rows that are compared: all, or a random part of too many, in order."""
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def agreement_figures(scorer: Scorer, creatives: Iterable[PreparedCreative]) -> AgreementMetrics:
    """Compares every headline with every image; creatives of one headline match all its images.

    Args:
        scorer: A model that was trained for it.
        creatives: Creatives of which some have headline and image, not more than `MOST_ROWS`.
    """
    pairs = [
        (creative.headline, creative.image)
        for creative in creatives
        if creative.headline is not None and creative.image is not None
    ]
    if not pairs:
        return AgreementMetrics(None, None, None, None)
    headlines, images = zip(*pairs, strict=True)
    similarity = scorer.match(headlines, images)
    _, name = np.unique([headline.text for headline in headlines], return_inverse=True)
    return evaluate_agreement(similarity, np.argwhere(name[:, None] == name))
