"""What a kind of rules is, what it looks at and what it finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from adscore.checks.findings import Box
from adscore.checks.image import BannerImage

Limit: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is being checked.

    Attributes:
        headline: Its headline; empty where there is none.
        image: Its image; None where that is not looked at.
        said: Lines of text on its image.
        shown_width: CSS pixels that the image is wide as it is shown; None for its own width.
    """

    headline: str
    image: BannerImage | None
    said: tuple[str, ...]
    shown_width: int | None

    @property
    def banner(self) -> BannerImage:
        """Its image, where a rule asks for one."""
        assert self.image is not None
        return self.image


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong.

    Attributes:
        message: What, and what to do, for a person.
        received: What there is, in few words.
        boxes: Where, in pixels of the file.
    """

    message: str
    received: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rules.

    Attributes:
        expected: What a rule with a limit asks for.
        find: What is wrong with a subject; None where nothing is.
        needs: What it looks at: ``"image"``, ``"text"`` on it, ``"headline"``, or ``"several"``
            creatives, which are compared elsewhere.
    """

    expected: Callable[[Limit], str]
    find: Callable[[Limit, Subject], Fault | None]
    needs: str


def as_number(ratio: str) -> float:
    """A shape such as ``"16:9"``, as width over height."""
    width, height = ratio.split(":")
    return float(width) / float(height)
