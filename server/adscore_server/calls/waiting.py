"""Calls that wait to be worked on: whose turn it is."""

from collections import deque

from adscore_server.calls.admission import caller_of
from adscore_server.calls.call import Call


class WaitingCalls:
    """Calls in order of arrival for each caller, see `admission.caller_of`; callers take turns.

    So a caller who sends many calls, or expensive ones, makes others wait for one, not for all.
    Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[Call]] = {}  # that of whose turn it is comes first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, call: Call) -> None:
        """Adds one that has just come."""
        self._lines.setdefault(caller_of(call), deque()).append(call)
        self._count += 1

    def first(self) -> Call:
        """The one whose turn it is, of at least one."""
        return next(iter(self._lines.values()))[0]

    def take(self) -> Call:
        """Takes out the one whose turn it is, of at least one."""
        caller, line = next(iter(self._lines.items()))
        call = line.popleft()
        self._count -= 1
        del self._lines[caller]
        if line:
            self._lines[caller] = line  # behind all others
        return call

    def take_newest(self) -> Call:
        """Takes out the one that came last, of at least one."""
        call = max((line[-1] for line in self._lines.values()), key=lambda call: call.arrival)
        self.remove(call)
        return call

    def take_older(self, moment: float, keep: int) -> list[Call]:
        """Takes out those that came before a moment, the oldest first.

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
        """Takes out one call.

        Raises:
            ValueError: It is not here.
        """
        caller = caller_of(call)
        line = self._lines.get(caller, deque())
        line.remove(call)
        self._count -= 1
        if not line:
            del self._lines[caller]
