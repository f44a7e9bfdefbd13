"""A kind of rules: what it needs, what it expects and how it finds faults."""

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
        headline: The headline; empty if absent.
        image: The image; None if it is not checked.
        said: Lines of text on the image.
        shown_width: Displayed width of the image in CSS pixels; None for its own width.
    """

    headline: str
    image: BannerImage | None
    said: tuple[str, ...]
    shown_width: int | None

    @property
    def banner(self) -> BannerImage:
        """The image, for rules that need one."""
        assert self.image is not None
        return self.image


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a creative.

    Attributes:
        message: What is wrong and what to do, for users.
        received: What was found, in a few words.
        boxes: Places, in pixels of the file.
    """

    message: str
    received: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rules.

    Attributes:
        expected: Describes what a rule with a given limit asks for.
        find: Finds a fault of a subject; None if there is none.
        needs: What it needs: ``"image"``, ``"text"`` on it, ``"headline"``, or ``"several"``
            creatives, which are compared elsewhere.
    """

    expected: Callable[[Limit], str]
    find: Callable[[Limit, Subject], Fault | None]
    needs: str


def as_number(ratio: str) -> float:
    """A ratio such as ``"16:9"``, as width over height."""
    width, height = ratio.split(":")
    return float(width) / float(height)
