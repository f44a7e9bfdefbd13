"""Figures of headline-image agreement: does a headline find its image among those of others?"""

from collections.abc import Sequence

import numpy as np

from adscore.evaluation.retrieval import AgreementMetrics, evaluate_agreement
from adscore.preparation import PreparedCreative
from adscore.scorer import Scorer

# Every headline is compared with every image: beyond these, a random part of the rows is.
MOST_ROWS = 5_000


def agreement_figures(
    scorer: Scorer, creatives: Sequence[PreparedCreative], seed: int = 0
) -> AgreementMetrics:
    """Compares every headline with every image; creatives of one headline match all its images.

    Args:
        scorer: A model that was trained for it.
        creatives: Creatives of which some have headline and image.
        seed: Decides which are taken, where there are too many.
    """
    pairs = [
        (creative.headline, creative.image)
        for creative in creatives
        if creative.headline is not None and creative.image is not None
    ]
    if len(pairs) > MOST_ROWS:
        taken = np.random.default_rng(seed).choice(len(pairs), MOST_ROWS, replace=False)
        pairs = [pairs[row] for row in np.sort(taken)]
    if not pairs:
        return AgreementMetrics(None, None, None, None)
    headlines, images = zip(*pairs, strict=True)
    similarity = scorer.match(headlines, images)
    _, name = np.unique([headline.text for headline in headlines], return_inverse=True)
    return evaluate_agreement(similarity, np.argwhere(name[:, None] == name))
