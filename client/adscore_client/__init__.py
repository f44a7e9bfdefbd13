"""The Python client of adscore: predicts how an ad creative will perform.

from adscore_client import Client

with Client("127.0.0.1:50051") as client:
    score = client.score("Save 20 % on running shoes", "banners/shoes.png")
    print(score.targets["ctr"])
"""

from adscore_client._async_client import AsyncClient
from adscore_client._channel import Tls
from adscore_client._checks import (
    CheckedCreative,
    CheckReport,
    Finding,
    ImageBox,
    Placement,
    PlacementRule,
    Severity,
)
from adscore_client._client import Client
from adscore_client._creative import Creative
from adscore_client._decisions import (
    Aim,
    Arm,
    ArmDecision,
    ArmPrediction,
    Counts,
    Decision,
    DecisionStatus,
    DecisionWarning,
    TargetDecision,
    TargetPrediction,
)
from adscore_client._exceptions import (
    AccessError,
    AdscoreError,
    AuthenticationError,
    CallCancelledError,
    ClientClosedError,
    ClientUnusableError,
    DeadlineExceededError,
    FieldViolation,
    InvalidCreativeError,
    InvalidRequestError,
    MessageTooLargeError,
    ModelNotFoundError,
    ModelUnsupportedError,
    OverloadedError,
    PermissionDeniedError,
    ServerError,
    ServerUnavailableError,
    UnsupportedError,
)
from adscore_client._explanation import (
    ElementEffect,
    ElementKind,
    Explanation,
    Idea,
    IdeaKind,
    Parts,
    WhatIf,
    WordEffect,
)
from adscore_client._results import (
    Combination,
    Grid,
    InputLimits,
    Match,
    Model,
    ModelState,
    Score,
    TargetScore,
    TrainingSummary,
    Warning,
)
from adscore_client._tables import to_arrow, to_pandas

__all__ = [
    "AccessError",
    "AdscoreError",
    "Aim",
    "Arm",
    "ArmDecision",
    "ArmPrediction",
    "AsyncClient",
    "AuthenticationError",
    "CallCancelledError",
    "CheckReport",
    "CheckedCreative",
    "Client",
    "ClientClosedError",
    "ClientUnusableError",
    "Combination",
    "Counts",
    "Creative",
    "DeadlineExceededError",
    "Decision",
    "DecisionStatus",
    "DecisionWarning",
    "ElementEffect",
    "ElementKind",
    "Explanation",
    "FieldViolation",
    "Finding",
    "Grid",
    "Idea",
    "IdeaKind",
    "ImageBox",
    "InputLimits",
    "InvalidCreativeError",
    "InvalidRequestError",
    "Match",
    "MessageTooLargeError",
    "Model",
    "ModelNotFoundError",
    "ModelState",
    "ModelUnsupportedError",
    "OverloadedError",
    "Parts",
    "PermissionDeniedError",
    "Placement",
    "PlacementRule",
    "Score",
    "ServerError",
    "ServerUnavailableError",
    "Severity",
    "TargetDecision",
    "TargetPrediction",
    "TargetScore",
    "Tls",
    "TrainingSummary",
    "UnsupportedError",
    "Warning",
    "WhatIf",
    "WordEffect",
    "to_arrow",
    "to_pandas",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata  # which takes longer to import than all of this

        try:
            return metadata.version("adscore")
        except metadata.PackageNotFoundError:  # a checkout that is not installed
            return "unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
