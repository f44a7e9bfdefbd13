"""The exceptions that adscore raises for its callers to handle.

    AdscoreError
    ├── InvalidFieldError       something of which a part is at fault, with its name
    │   ├── InvalidCreativeError    a creative that cannot be scored
    │   └── InvalidQuestionError    a question about a creative that cannot be asked
    ├── UnanswerableError       a question that this model or installation has no answer to
    ├── TableError              a table of creatives that cannot be used, with the row or column
    │   └── BrokenRowsError     one of which some rows cannot be used
    ├── BundleError             a model folder that is not whole, changed, or of another format
    ├── SigningError            a key that cannot sign or verify
    ├── DecisionError           arms or settings that cannot be decided on, with the field at fault
    └── TrainingError           a table that is well formed but cannot be learned from

Each text says what was expected, what was received and, where there is one, what to do.
Wrong arguments from a programmer raise ``ValueError`` or ``TypeError`` as usual.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from enum import StrEnum


class AdscoreError(Exception):
    """Base class of every error that adscore raises on purpose."""


class Reason(StrEnum):
    """Stable names of the causes for which a creative is refused; they travel on the wire."""

    HEADLINE_MISSING = "HEADLINE_MISSING"
    HEADLINE_NOT_READ = "HEADLINE_NOT_READ"
    HEADLINE_TOO_LONG = "HEADLINE_TOO_LONG"
    HEADLINE_NOT_TEXT = "HEADLINE_NOT_TEXT"
    IMAGE_MISSING = "IMAGE_MISSING"
    IMAGE_NOT_READ = "IMAGE_NOT_READ"
    IMAGE_TOO_MANY_BYTES = "IMAGE_TOO_MANY_BYTES"
    IMAGE_TOO_MANY_PIXELS = "IMAGE_TOO_MANY_PIXELS"
    IMAGE_UNREADABLE = "IMAGE_UNREADABLE"
    CONTEXT_NAME_UNKNOWN = "CONTEXT_NAME_UNKNOWN"
    ID_TOO_LONG = "ID_TOO_LONG"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    BOX_OUTSIDE_IMAGE = "BOX_OUTSIDE_IMAGE"
    WORD_NOT_FOUND = "WORD_NOT_FOUND"
    TARGET_UNKNOWN = "TARGET_UNKNOWN"
    MODEL_WITHOUT_TARGETS = "MODEL_WITHOUT_TARGETS"
    TEXT_DETECTION_MISSING = "TEXT_DETECTION_MISSING"


class InvalidFieldError(AdscoreError):
    """Something of which a part is at fault.

    Attributes:
        field: That part.
        reason: Stable name of the cause.
    """

    def __init__(self, field: str, reason: Reason, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = reason


class InvalidCreativeError(InvalidFieldError):
    """A creative that cannot be scored, by ``"headline"``, ``"image"`` or ``"context[NAME]"``."""


class InvalidQuestionError(InvalidFieldError):
    """A question about a creative that cannot be asked, by its part, e.g. ``"boxes[2]"``."""


class UnanswerableError(AdscoreError):
    """A question that this model, or this installation, has no answer to.

    Attributes:
        reason: Stable name of the cause.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TableError(AdscoreError):
    """A table of creatives that cannot be used; the text names the file, row and column."""


class BrokenRowsError(TableError):
    """A table of which some rows cannot be used.

    Attributes:
        rows: Their numbers, from 0.
    """

    def __init__(self, message: str, rows: Collection[int]) -> None:
        super().__init__(message)
        self.rows = frozenset(rows)


class TrainingError(AdscoreError):
    """A table that is well formed but holds too little, or nothing, to learn from."""


class DecisionError(AdscoreError):
    """Arms of a group, or settings, that cannot be decided on.

    Attributes:
        field: The part at fault, e.g. ``"arms[2].counts[ctr].successes"`` or ``"tolerance"``.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class BundleError(AdscoreError):
    """A model folder that is not whole, was changed, or has a format this version cannot read."""


class SigningError(AdscoreError):
    """A key that cannot sign or verify; the text names its file."""


# Comparing takes time with the square of it.
_MAX_COMPARED = 80


def cut(text: object, characters: int = 80) -> str:
    """A value for an error's text, its end left out where it is long."""
    whole = str(text)
    return whole if len(whole) <= characters else f"{whole[: characters - 3]}..."


def did_you_mean(received: str, known: Iterable[str], *, alike: float = 0.6) -> str:
    """A question for the end of an error's text; empty where nothing that is known is near.

    Args:
        received: What is not known; of a long one, which may come from anyone, the start counts.
        known: What is.
        alike: From which ratio of `difflib` on, from 0 to 1.
    """
    near = get_close_matches(received[:_MAX_COMPARED], list(known), 1, alike)
    return f". Did you mean {cut(near[0])!r}?" if near else ""
