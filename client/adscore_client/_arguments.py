"""The options of a call: checks, the choice of model, and the deadline."""

import time
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from adscore_client._exceptions import DeadlineExceededError
from adscore_protos.v1 import scoring_pb2

# About 30 years. With 300, gRPC's clock overflows and the call fails at once.
MAX_TIMEOUT_SECONDS = 1e9


class CallOptions(TypedDict, total=False):
    """The options of a call; one that is absent or None takes the client's value.

    Attributes:
        timeout_seconds: How long the call may take, all attempts and the reading of images
            included, in seconds, above 0.
        model: Name of a model other than the client's; its newest version is used unless one
            is given.
        model_version: Version of the model, e.g. ``"3"``.
    """

    timeout_seconds: float | None
    model: str | None
    model_version: str | None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model of a call, as on the wire: empty means the default or the newest.

    Attributes:
        model: Its name.
        model_version: Its version.
        request_bytes: Bytes that the choice takes in a request.
    """

    model: str
    model_version: str
    request_bytes: int

    @classmethod
    def of(cls, model: object, model_version: object) -> "ModelChoice":
        """Returns the checked choice.

        Raises:
            TypeError: One of the two is not a str.
        """
        name, version = _check_name(model, "model"), _check_name(model_version, "model_version")
        request = scoring_pb2.ScoreRequest(model=name, model_version=version)
        return cls(name, version, request.ByteSize())

    def replace(self, model: str | None, model_version: str | None) -> "ModelChoice":
        """Returns the choice for one call; None keeps the current value.

        A version belongs to its model, so another model means its newest version unless one is
        given.
        """
        if model is None:
            return self if model_version is None else ModelChoice.of(self.model, model_version)
        return ModelChoice.of(model, "" if model_version is None else model_version)


class Deadline:
    """The deadline of a call, on the monotonic clock, which a change of wall time does not move.

    Attributes:
        timeout_seconds: The whole timeout.
    """

    __slots__ = ("_end", "timeout_seconds")

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._end = time.monotonic() + timeout_seconds

    @property
    def left_seconds(self) -> float:
        """The time left, 0 or more."""
        return max(0.0, self._end - time.monotonic())

    def remaining_seconds(self, creative_id: str = "") -> float:
        """Returns the time left, above 0.

        Raises:
            DeadlineExceededError: No time is left. gRPC does not always notice: it may send a
                call without time left, and even return its answer.
        """
        remaining = self.left_seconds
        if not remaining:
            raise DeadlineExceededError(
                f"Expected an answer within {self.timeout_seconds:g} s. Received: none, as "
                "the time was up before the call was sent; reading images counts. Pass a longer "
                "timeout_seconds, or the bytes of images",
                timeout_seconds=self.timeout_seconds,
                retryable=True,
                creative_id=creative_id,
            )
        return remaining


class Options(NamedTuple):
    """The checked options of one call.

    Attributes:
        choice: The model.
        deadline: Starts when the method is called, so that reading images counts.
    """

    choice: ModelChoice
    deadline: Deadline


def check_timeout(timeout_seconds: object) -> float:
    """Returns the timeout.

    Raises:
        TypeError: It is not a number.
        ValueError: It is not above 0, or exceeds what gRPC supports.
    """
    if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, int | float):
        raise TypeError(
            f"timeout_seconds: expected a number of seconds. Received: {timeout_seconds!r}"
        )
    if not 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS:
        raise ValueError(
            f"timeout_seconds: expected seconds above 0 and at most {MAX_TIMEOUT_SECONDS:g}. "
            f"Received: {timeout_seconds!r}"
        )
    return float(timeout_seconds)


def check_count(count: object, name: str, minimum: int, maximum: int) -> int:
    """Returns the number.

    Raises:
        TypeError: It is not an int.
        ValueError: It is below the minimum or above the maximum.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name}: expected int. Received: {count!r}")
    if not minimum <= count <= maximum:
        raise ValueError(f"{name}: expected {minimum:,} to {maximum:,}. Received: {count:,}")
    return count


def _check_name(value: object, name: str) -> str:
    if not isinstance(value, str):
        example = "'3'" if name == "model_version" else "'banners'"
        raise TypeError(f"{name}: expected str, e.g. {example}. Received: {value!r}")
    return value
