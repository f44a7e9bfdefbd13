"""Figures of headline-image agreement: does a headline find its image among those of others?"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from adscore.evaluation.retrieval import AgreementMetrics, evaluate_agreement
from adscore.image import Pixels
from adscore.scorer import Scorer

# Every headline is compared with every image: beyond these, a random part of the rows is.
MOST_ROWS = 5_000


def compared_rows(rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """Those of some rows that are compared: all, or a random part of too many, in order."""
    if len(rows) <= MOST_ROWS:
        return rows
    taken = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False)
    return np.sort(taken)


def agreement_figures(
    scorer: Scorer, headlines: Sequence[str], images: Iterable[Pixels]
) -> AgreementMetrics:
    """Compares every headline with every image; creatives of one headline match all its images.

    Args:
        scorer: A model that was trained for it.
        headlines: Prepared headlines.
        images: Prepared images, one for each headline; looked at once, a batch at a time.
    """
    if not headlines:
        return AgreementMetrics(None, None, None, None)
    similarity = scorer.match(headlines, images)
    _, name = np.unique(headlines, return_inverse=True)
    return evaluate_agreement(similarity, np.argwhere(name[:, None] == name))
