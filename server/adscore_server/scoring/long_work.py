"""Work that takes long: it waits for its pixels, then for a thread, and meanwhile holds neither."""

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
    """Where work is done that takes long, such as large images, so that no worker waits for it.

    Args:
        threads: Work that is done at once, at least 1.
        max_calls: Calls that wait for them at once, at least 1.
    """

    def __init__(self, threads: int, max_calls: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "long-work", give_way)
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._calls = 0

    def enter(self, call: Call) -> None:
        """Lets a call in, which must `leave`.

        Raises:
            OverloadedError: Too many calls wait.
        """
        with self._lock:
            if self._calls >= self._max_calls:
                raise OverloadedError(call.places.retry_seconds() if call.places else 1.0)
            self._calls += 1

    def leave(self) -> None:
        """A call is answered."""
        with self._lock:
            self._calls -= 1

    def do(self, step: Step) -> None:
        """Does a step of a call that was let in."""
        with contextlib.suppress(RuntimeError):  # the server has stopped, nobody waits any more
            self._threads.submit(step)

    def decode(self, call: Call, claim: PixelClaim, step: Step) -> None:
        """Does a step once its pixels are granted, which are given back after it.

        Where gRPC is done with the call before that, as it is at the call's deadline, the claim is
        given up, and the step is called at once; so it must ask first whether its call is wanted.

        Args:
            call: Whose step it is.
            claim: Of its pixels.
            step: Is called once; must not raise.
        """
        waiting = _WaitingStep(call, claim, step)
        call.when_gone(waiting.give_up)
        claim.when_granted(lambda: self.do(waiting.run))

    def shutdown(self, *, wait: bool) -> None:
        """Ends its threads."""
        self._threads.shutdown(wait=wait, cancel_futures=not wait)


class _WaitingStep:
    """A step that is done when its turn comes, or when its caller goes: whichever comes first."""

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
        """Nobody waits for it any more."""
        if self._begin():
            self._claim.release()
            self._step()

    def _begin(self) -> bool:
        try:
            return self._waits.pop()
        except IndexError:
            return False
