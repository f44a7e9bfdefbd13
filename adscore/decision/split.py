"""Splits the next traffic of a group, from the belief about its arms.

To earn, an arm's share is the chance that it will look best in the end. The remaining traffic,
r trials per arm, can resolve a part f^2 of what is unknown about an arm,

    f^2 = r / (r + patience / (variance of the logit * rate * (1 - rate)))

so that its posterior means will end up distributed like the posterior itself, pulled to its mean by
f. With much traffic to come this is Thompson sampling (1933); with none, the arm with the highest
mean gets everything.
"""

import numpy as np
from numpy.typing import NDArray

from adscore.decision.beliefs import Belief
from adscore.decision.comparison import chance_best

Array = NDArray[np.float64]

# The traffic to come is divided by this. Chosen by replaying tests that the model had not seen,
# see docs/deciding.md.
PATIENCE = 4.0
# A pull of zero would make a density vanish.
_MIN_PULL = 1e-3
# In a split to learn, the share that goes to arms by their chance to be best; the rest goes to
# their challengers.
_LEADER_SHARE = 0.5


def split_to_earn(belief: Belief, left: Array) -> Array:
    """Shares that earn the most over the remaining traffic.

    Args:
        belief: Belief about the arms.
        left: Trials still to come for each group, (g,).

    Returns:
        Shares, (g, a); they sum to 1.
    """
    arms = belief.mean().shape[1]
    counted_on = np.repeat(left[:, None] / (arms * PATIENCE), arms, axis=1)
    pull = np.sqrt(belief.resolved(counted_on))
    return chance_best(belief.tables(np.maximum(pull, _MIN_PULL)))


def split_to_learn(chances: Array) -> Array:
    """Shares that identify the best arm soonest: top-two Thompson sampling with averaged draws.

    Russo (2016), "Simple Bayesian algorithms for best arm identification"; Jourdan et al. (2023),
    arXiv 2305.14704. Half of the traffic goes to each arm by its chance to be best; the other half
    by its chance to be best among the arms that are left when the drawn one is removed.

    Args:
        chances: Chance of each arm to be best, (g, a).

    Returns:
        Shares, (g, a); they sum to 1.
    """
    if chances.shape[1] == 1:
        return np.ones_like(chances)
    # Keep the proportions of the others when one arm's chance nears 1.
    kept = np.clip(chances, 1e-12, None)
    odds = kept / np.maximum(1 - kept, 1e-12)
    challenger = kept * (odds.sum(axis=1, keepdims=True) - odds)
    challenger /= challenger.sum(axis=1, keepdims=True)
    shares = _LEADER_SHARE * chances + (1 - _LEADER_SHARE) * challenger
    normed: Array = shares / shares.sum(axis=1, keepdims=True)
    return normed
