"""What is known of the arms of a group -> how to split its next traffic.

To earn, an arm gets the chance that it will look best in the end. What is left of the traffic, r
trials an arm, can resolve a part of what is unknown of it,

    f^2 = r / (r + patience / (variance of the logit * rate * (1 - rate)))

so that its posterior mean will end up spread like the posterior itself, pulled to its mean by f.
With much traffic to come this is Thompson sampling (1933), with none the arm of the highest mean.
"""

import numpy as np
from numpy.typing import NDArray

from adscore.decision.beliefs import Belief
from adscore.decision.comparison import chance_best

Array = NDArray[np.float64]

# How much of the traffic to come is counted on: chosen in replays of tests that the model had not
# seen, see docs/deciding.md.
PATIENCE = 4.0
# A pull of zero would leave no density.
_MIN_PULL = 1e-3
# Of the traffic of a split to learn, what the likeliest best arm gets and what its challengers
# share.
_LEADER_SHARE = 0.5


def split_to_earn(belief: Belief, left: Array) -> Array:
    """Shares that earn the most over what is left.

    Args:
        belief: What is known of the arms.
        left: Trials still to come for each group, (g,).

    Returns:
        Shares, (g, a); they sum to 1.
    """
    arms = belief.mean().shape[1]
    counted_on = np.repeat(left[:, None] / (arms * PATIENCE), arms, axis=1)
    pull = np.sqrt(belief.resolved(counted_on))
    return chance_best(belief.tables(np.maximum(pull, _MIN_PULL)))


def split_to_learn(chances: Array) -> Array:
    """Shares that name the best arm soonest: top-two Thompson sampling, its draws averaged.

    Russo (2016), "Simple Bayesian algorithms for best arm identification"; Jourdan et al. (2023),
    arXiv 2305.14704. One half goes to an arm as often as it is best, the other as often as it is
    best among those that are left when another one is taken away.

    Args:
        chances: Chance of each arm to be best, (g, a).

    Returns:
        Shares, (g, a); they sum to 1.
    """
    if chances.shape[1] == 1:
        return np.ones_like(chances)
    # As one arm's chance nears 1, those of the others keep their proportions.
    kept = np.clip(chances, 1e-12, None)
    odds = kept / np.maximum(1 - kept, 1e-12)
    challenger = kept * (odds.sum(axis=1, keepdims=True) - odds)
    challenger /= challenger.sum(axis=1, keepdims=True)
    shares = _LEADER_SHARE * chances + (1 - _LEADER_SHARE) * challenger
    normed: Array = shares / shares.sum(axis=1, keepdims=True)
    return normed
