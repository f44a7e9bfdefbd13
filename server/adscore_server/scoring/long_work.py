"""Slow work: it waits for its pixels, then for a thread, and holds neither while it waits."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from adscore.scoring.pixel_budget import PixelClaim
from adscore_server.calls.call import Call
from adscore_server.calls.priority import give_way
from adscore_server.errors import OverloadedError

Step = Callable[[], Any]


class LongWork:
    """Runs slow work, such as decoding large images, so that no worker waits for it.

    Args:
        threads: Steps that run at once, at least 1.
        max_calls: Calls that may wait at once, at least 1.
    """

    def __init__(self, threads: int, max_calls: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "long-work", give_way)
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._calls = 0

    def enter(self, call: Call) -> None:
        """Admits a call, which must `leave` later.

        Raises:
            OverloadedError: Too many calls wait.
        """
        with self._lock:
            if self._calls >= self._max_calls:
                raise OverloadedError(call.places.retry_seconds() if call.places else 1.0)
            self._calls += 1

    def leave(self) -> None:
        """Releases the place of an answered call."""
        with self._lock:
            self._calls -= 1

    def do(self, step: Step) -> None:
        """Runs a step of an admitted call."""
        with contextlib.suppress(RuntimeError):  # the server has stopped, so no caller waits
            self._threads.submit(step)

    def decode(self, call: Call, claim: PixelClaim, step: Step) -> None:
        """Runs a step once its pixels are granted, and releases them afterwards.

        If gRPC is done with the call before that, for instance at its deadline, the claim is
        released and the step runs at once; so a step must first check whether its call is wanted.

        Args:
            call: The call of the step.
            claim: Its claim of pixels.
            step: Called once; must not raise.
        """
        waiting = _WaitingStep(call, claim, step)
        call.when_gone(waiting.give_up)
        claim.when_granted(lambda: self.do(waiting.run))

    def shutdown(self, *, wait: bool) -> None:
        """Ends its threads."""
        self._threads.shutdown(wait=wait, cancel_futures=not wait)


class _WaitingStep:
    """A step that runs when its turn comes or its caller leaves, whichever is first."""

    def __init__(self, call: Call, claim: PixelClaim, step: Step) -> None:
        self._call, self._claim, self._step = call, claim, step
        self._waits = [True]

    def run(self) -> None:
        """Its turn has come."""
        if self._begin():
            self._call.forget(self.give_up)
            try:
                self._step()
            finally:
                self._claim.release()

    def give_up(self) -> None:
        """Its caller no longer waits."""
        if self._begin():
            self._claim.release()
            self._step()

    def _begin(self) -> bool:
        try:
            return self._waits.pop()
        except IndexError:
            return False
