"""How far long work is: told by what works, shown by whoever listens."""

from collections.abc import Callable


class Progress:
    """Is told how far long work is; this one shows nothing.

    To tell is cheap: an inner loop may do so at each step.
    """

    def __call__(self, stage: str) -> None:
        """A stage begins, such as ``"reading 900 creatives"``."""

    def advance(self, share: float | None, what: str = "") -> None:
        """The stage has come so far.

        Args:
            share: How much of it is done, from 0 to 1; None where that is unknown.
            what: The same in words, such as ``"epoch 3 of at most 40"``.
        """


SILENT = Progress()


class StageCallback(Progress):
    """Tells a function the stages alone.

    Args:
        callback: Called with the name of each stage as it begins.
    """

    def __init__(self, callback: Callable[[str], None]) -> None:
        self._callback = callback

    def __call__(self, stage: str) -> None:
        """A stage begins."""
        self._callback(stage)


def as_progress(callback: Callable[[str], None]) -> Progress:
    """What callers give, a `Progress` or a function of a stage's name, as a `Progress`."""
    return callback if isinstance(callback, Progress) else StageCallback(callback)
