"""Waiting calls, in fair order between callers."""

from collections import deque

from adscore_server.calls.admission import caller_of
from adscore_server.calls.call import Call


class WaitingCalls:
    """A queue for each caller (see `admission.caller_of`), in order of arrival; callers take turns.

    So a caller who sends many or expensive calls makes others wait for one of them, not all.
    Not thread-safe.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[Call]] = {}  # the caller whose turn it is comes first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, call: Call) -> None:
        """Adds a new call."""
        self._lines.setdefault(caller_of(call), deque()).append(call)
        self._count += 1

    def first(self) -> Call:
        """The call whose turn it is; there must be one."""
        return next(iter(self._lines.values()))[0]

    def take(self) -> Call:
        """Removes the call whose turn it is; there must be one."""
        caller, line = next(iter(self._lines.items()))
        call = line.popleft()
        self._count -= 1
        del self._lines[caller]
        if line:
            self._lines[caller] = line  # behind all others
        return call

    def take_newest(self) -> Call:
        """Removes the newest call; there must be one."""
        call = max((line[-1] for line in self._lines.values()), key=lambda call: call.arrival)
        self.remove(call)
        return call

    def take_older(self, moment: float, keep: int) -> list[Call]:
        """Removes calls that arrived before a moment, oldest first.

        Args:
            moment: In seconds of the monotonic clock.
            keep: How many stay, however old they are.
        """
        old = [call for line in self._lines.values() for call in line if call.arrival < moment]
        old.sort(key=lambda call: call.arrival)
        taken = old[: max(0, self._count - keep)]
        for call in taken:
            self.remove(call)
        return taken

    def remove(self, call: Call) -> None:
        """Removes one call.

        Raises:
            ValueError: The call is not waiting.
        """
        caller = caller_of(call)
        line = self._lines.get(caller, deque())
        line.remove(call)
        self._count -= 1
        if not line:
            del self._lines[caller]
