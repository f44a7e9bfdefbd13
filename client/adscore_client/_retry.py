"""When a call is made again, and after how long: for gRPC's own retries and for streams."""

import grpc

from adscore_client._exceptions import AdscoreError

# Scoring changes nothing on the server, so what may have been done already may be done again.
RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

MAX_ATTEMPTS = 5  # gRPC's own limit: it takes more for this
INITIAL_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 2.0
BACKOFF_MULTIPLIER = 2.0
_JITTER = 0.2  # as gRPC: clients that failed together do not come back together


class Attempts:
    """The attempts at a stream since its last answer."""

    def __init__(self) -> None:
        self._failed = 0

    def answered(self) -> None:
        """Tells that the stream works: what fails later starts anew."""
        self._failed = 0

    def next_delay_seconds(self, error: AdscoreError, remaining_seconds: float) -> float:
        """Returns how long to wait before the next attempt.

        Args:
            error: Why the last one failed.
            remaining_seconds: What is left of the time for all attempts.

        Raises:
            AdscoreError: The error itself, where no further attempt is to be made.
        """
        import random  # a caller whose calls succeed never pays for it

        self._failed += 1
        backoff = INITIAL_BACKOFF_SECONDS * BACKOFF_MULTIPLIER ** (self._failed - 1)
        delay = min(backoff, MAX_BACKOFF_SECONDS) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        if error.retry_after_seconds is not None:
            delay = error.retry_after_seconds
        is_worth_it = error.retryable and error.code in RETRIED
        if not is_worth_it or self._failed >= MAX_ATTEMPTS or delay >= remaining_seconds:
            raise error
        return delay
