"""Decides which creative of a group to run, from predictions and live counts, with its certainty.

`posterior` computes each rate's posterior by quadrature, and `beliefs` that of a value of several
rates; `comparison` finds the best arm, `split` the shares of the next traffic, and `status` whether
the question is settled. `figures` does all of it for many groups on every core; `decision`
translates it to and from words.
"""

from adscore.decision.decision import (
    ArmDecision,
    Decision,
    DecisionWarning,
    TargetDecision,
    decide,
)
from adscore.decision.figures import Aim
from adscore.decision.groups import (
    MAX_ARMS,
    MAX_LOGIT,
    TOLERANCE,
    Arm,
    DecisionSettings,
    Group,
    Prediction,
    check_group,
)
from adscore.decision.posterior import Evidence, Posterior, find_posterior, sloped
from adscore.decision.status import Status

__all__ = [
    "MAX_ARMS",
    "MAX_LOGIT",
    "TOLERANCE",
    "Aim",
    "Arm",
    "ArmDecision",
    "Decision",
    "DecisionSettings",
    "DecisionWarning",
    "Evidence",
    "Group",
    "Posterior",
    "Prediction",
    "Status",
    "TargetDecision",
    "check_group",
    "decide",
    "find_posterior",
    "sloped",
]
