"""The Python client of adscore: predicts how an ad creative will perform.

from adscore_client import Client

with Client("127.0.0.1:50051") as client:
    score = client.score("Save 20 % on running shoes", "banners/shoes.png")
    print(score.targets["ctr"])
"""

from adscore_client._client import Client
from adscore_client._creative import Creative
from adscore_client._exceptions import (
    AccessError,
    AdscoreError,
    AuthenticationError,
    CallCancelledError,
    ClientClosedError,
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
from adscore_client._results import (
    InputLimits,
    Match,
    Model,
    ModelState,
    Score,
    TargetScore,
    TrainingSummary,
    Warning,
)

__all__ = [
    "AccessError",
    "AdscoreError",
    "AuthenticationError",
    "CallCancelledError",
    "Client",
    "ClientClosedError",
    "Creative",
    "DeadlineExceededError",
    "FieldViolation",
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
    "PermissionDeniedError",
    "Score",
    "ServerError",
    "ServerUnavailableError",
    "TargetScore",
    "TrainingSummary",
    "UnsupportedError",
    "Warning",
]
