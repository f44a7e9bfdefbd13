"""How many creatives a second each caller may send."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from adscore_server.calls.creative_count import count_creatives
from adscore_server.calls.current import current_call
from adscore_server.calls.handlers import Behaviour, behaviour_of, replaced
from adscore_server.calls.observation import OWN_METHODS
from adscore_server.errors import RateLimitedError

if TYPE_CHECKING:
    from adscore_server.calls.handlers import Handler

# A stream that waits looks this often whether its client is still there.
_LOOK_SECONDS = 0.5


class TokenBucket:
    """Fills at a rate, up to one second's worth; whoever finds it not empty may take any amount.

    What is taken beyond its content is a debt that later callers wait for. So a batch larger
    than a second's worth passes, and the rate still holds over time.

    Args:
        rate: What flows in, a second; above 0.
        clock: Seconds that never go back.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._level = rate
        self._filled_at = clock()

    def take(self, amount: int) -> float:
        """Takes an amount, or nothing.

        Returns:
            0 where it was taken, else after how many seconds it will be worth trying again.
        """
        now = self._clock()
        self._level = min(self._rate, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._level <= 0:
            # A little more than nothing must be there, hence never a wait of 0.
            return max(-self._level / self._rate, 0.001)
        self._level -= amount
        return 0.0


class RateLimiter:
    """One bucket for each caller; safe to use from many threads.

    Args:
        creatives_per_second: The rate of each.
        clock: Seconds that never go back.
    """

    def __init__(
        self, creatives_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = creatives_per_second
        self._clock = clock
        self._lock = threading.Lock()
        # By name of a token: there are as many as the operator made.
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, caller: str, creatives: int) -> float:
        """As of `TokenBucket.take`, of the bucket of a caller."""
        with self._lock:
            bucket = self._buckets.get(caller)
            if bucket is None:
                bucket = self._buckets[caller] = TokenBucket(self._rate, self._clock)
            return bucket.take(creatives)

    @property
    def creatives_per_second(self) -> float:
        """The rate of each caller."""
        return self._rate


class RateLimitInterceptor(grpc.ServerInterceptor):
    """Refuses calls of a caller beyond the limit, and slows the caller's streams down to it.

    Its errors are for the interceptor of calls to put into a status, so it stands inside it.

    Args:
        limiter: The limit.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Runs as a call arrives, before it waits for a thread."""
        handler = continuation(handler_call_details)
        if handler is None or not str(handler_call_details.method).startswith(OWN_METHODS):
            return handler
        limit = self._slowed if handler.request_streaming else self._limited
        return replaced(handler, limit(behaviour_of(handler), current_call().caller))

    def _limited(self, behaviour: Behaviour, caller: str) -> Behaviour:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            creatives = count_creatives(request)
            if creatives and (wait := self._limiter.take(caller, creatives)):
                raise RateLimitedError(self._limiter.creatives_per_second, wait)
            return behaviour(request, context)

        return answer

    def _slowed(self, behaviour: Behaviour, caller: str) -> Behaviour:
        def paced(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            for request in requests:
                while wait := self._limiter.take(caller, count_creatives(request)):
                    if not context.is_active():
                        return
                    time.sleep(min(wait, _LOOK_SECONDS))
                yield request

        return lambda requests, context: behaviour(paced(requests, context), context)
