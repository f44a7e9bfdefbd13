"""What to explain beyond the creative itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from adscore.errors import InvalidQuestionError, Reason

# Boxes, swaps, headlines and images per question: each costs an encoding.
MAX_WHAT_IFS = 64


class Box(NamedTuple):
    """A rectangle of an image, in pixels of the upright image.

    Attributes:
        left: First column, from 0.
        top: First row, from 0.
        right: Column after the last one.
        bottom: Row after the last one.
    """

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The caller's own variants and elements to explain.

    Attributes:
        boxes: Elements of the banner.
        find_text: Whether to look for text on the banner, as further elements.
        swaps: Words of the headline, each with its replacement.
        headlines: Other headlines.
        images: Other banners, as encoded files.
        image_names: Their names; numbers from 1 by default.
    """

    boxes: Sequence[Box] = ()
    find_text: bool = False
    swaps: Sequence[tuple[str, str]] = ()
    headlines: Sequence[str] = ()
    images: Sequence[bytes] = field(default=(), repr=False)
    image_names: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of each kind, by name."""
        names = ("boxes", "swaps", "headlines", "images")
        return {name: len(getattr(self, name)) for name in names}

    @property
    def count(self) -> int:
        """Number of all kinds together."""
        return sum(self.counts.values())

    def check_count(self) -> None:
        """Raises InvalidQuestionError if there are more than `MAX_WHAT_IFS`."""
        counts = self.counts
        if self.count > MAX_WHAT_IFS:
            raise InvalidQuestionError(
                max(counts, key=counts.__getitem__),
                Reason.BATCH_TOO_LARGE,
                f"expected at most {MAX_WHAT_IFS} boxes, swaps, headlines and images together. "
                f"Received: {', '.join(f'{count} {name}' for name, count in counts.items())}",
            )


NOTHING = WhatIf()
