"""Checks of what the caller passes, but for creatives."""

from dataclasses import dataclass

from adscore_protos.v1 import scoring_pb2

# Some 30 years. With 300, which stand for "for ever" as well, gRPC counts past its own end of
# time and gives up at once.
MAX_TIMEOUT_SECONDS = 1e9


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model that a call asks for, as on the wire: empty means the default or the newest."""

    model: str
    model_version: str

    @classmethod
    def of(cls, model: object, model_version: object) -> "ModelChoice":
        """Returns the checked choice.

        Raises:
            TypeError: One of the two is no str.
        """
        return cls(_check_name(model, "model"), _check_name(model_version, "model_version"))

    def replace(self, model: str | None, model_version: str | None) -> "ModelChoice":
        """Returns the choice of one call; None leaves what this one says.

        The version says something of its own model alone, so that with another model comes
        the newest version unless one is given.
        """
        if model is None:
            version = self.model_version if model_version is None else model_version
            return ModelChoice.of(self.model, version)
        return ModelChoice.of(model, "" if model_version is None else model_version)

    @property
    def request_bytes(self) -> int:
        """Bytes that the choice takes of a request."""
        return scoring_pb2.ScoreRequest(
            model=self.model, model_version=self.model_version
        ).ByteSize()


def check_timeout(timeout_seconds: object) -> float:
    """Returns the timeout.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0, or beyond what gRPC can count.
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
        TypeError: It is no int.
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
