"""One budget of time for all that a call does."""

import time

from adscore_client._exceptions import DeadlineExceededError


class Deadline:
    """The end of a call, by the monotonic clock: setting the wall clock does not move it."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._end = time.monotonic() + timeout_seconds

    @property
    def timeout_seconds(self) -> float:
        """The whole budget."""
        return self._timeout_seconds

    @property
    def left_seconds(self) -> float:
        """What is left of it, 0 or more."""
        return max(0.0, self._end - time.monotonic())

    def remaining_seconds(self, creative_id: str = "") -> float:
        """Returns what is left, above 0.

        Raises:
            DeadlineExceededError: Nothing is left. gRPC would not say so in every case: it may
                send a call without time, and even return its answer.
        """
        remaining = self.left_seconds
        if not remaining:
            raise DeadlineExceededError(
                f"Expected an answer within {self._timeout_seconds:g} s. Received: none, as "
                "the time was up before the call was sent; reading images counts. Pass a longer "
                "timeout_seconds, or the bytes of images",
                timeout_seconds=self._timeout_seconds,
                retryable=True,
                creative_id=creative_id,
            )
        return remaining
