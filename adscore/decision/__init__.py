"""Predicted prior and live counts -> which creative of a group to run, and how sure that is.

`posterior` finds what is known of each rate, by quadrature, and `beliefs` of the value of several;
`comparison` finds which arm is best, `split` shares of the next traffic, `status` whether the
question is settled; `figures` does all of it for many groups on every core, `decision` in words.
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
