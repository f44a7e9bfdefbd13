"""What an explanation may be asked beside the creative itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from adscore.errors import InvalidQuestionError, Reason

# Boxes, swaps, headlines and images of one question: each costs an encoding.
MAX_WHAT_IFS = 64


class Box(NamedTuple):
    """A rectangle of an image, in pixels of the upright image.

    Attributes:
        left: First column, from 0.
        top: First row, from 0.
        right: Column behind the last one.
        bottom: Row below the last one.
    """

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The caller's own material that an explanation looks at.

    Attributes:
        boxes: Elements of the banner.
        find_text: Whether text is looked for on the banner, for more elements.
        swaps: Words of the headline, each with what could stand in its place.
        headlines: Other headlines.
        images: Other banners, encoded.
        image_names: What to call them; their numbers, from 1, unless given.
    """

    boxes: Sequence[Box] = ()
    find_text: bool = False
    swaps: Sequence[tuple[str, str]] = ()
    headlines: Sequence[str] = ()
    images: Sequence[bytes] = field(default=(), repr=False)
    image_names: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many of each it holds, by name."""
        names = ("boxes", "swaps", "headlines", "images")
        return {name: len(getattr(self, name)) for name in names}

    @property
    def count(self) -> int:
        """How many it holds in all."""
        return sum(self.counts.values())

    def check_count(self) -> None:
        """Raises InvalidQuestionError where it holds more than `MAX_WHAT_IFS`."""
        counts = self.counts
        if self.count > MAX_WHAT_IFS:
            raise InvalidQuestionError(
                max(counts, key=counts.__getitem__),
                Reason.BATCH_TOO_LARGE,
                f"expected at most {MAX_WHAT_IFS} boxes, swaps, headlines and images together. "
                f"Received: {', '.join(f'{count} {name}' for name, count in counts.items())}",
            )


NOTHING = WhatIf()
