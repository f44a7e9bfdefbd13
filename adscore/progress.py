"""How far long work is: told by what works, shown by whoever listens."""


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
