"""The result of an explanation. Effects are in logits: for a rate p, log(p / (1 - p))."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from adscore.creative import Warning
from adscore.explanation.question import Box


class ElementKind(StrEnum):
    """How an element was found; values are wire names without prefix."""

    BOX = "BOX"
    TEXT = "TEXT"


class IdeaKind(StrEnum):
    """What an idea changes; values are wire names without prefix."""

    DROP_WORD = "DROP_WORD"
    DROP_PHRASE = "DROP_PHRASE"
    SWAP_WORD = "SWAP_WORD"
    HEADLINE = "HEADLINE"
    DROP_ELEMENT = "DROP_ELEMENT"
    IMAGE = "IMAGE"
    CONTEXT = "CONTEXT"


@dataclass(frozen=True, slots=True)
class Parts:
    """What each part of a creative adds, in logits.

    Attributes:
        headline: Effect of the headline; None if absent.
        image: Effect of the image; None if absent.
        context: By name, the effect of each context with a value; names that form one part are
            joined by ``", "``.
    """

    headline: float | None
    image: float | None
    context: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Sum of all parts."""
        return (self.headline or 0.0) + (self.image or 0.0) + sum(self.context.values())


@dataclass(frozen=True, slots=True)
class WordEffect:
    """Effect of a word or phrase.

    Attributes:
        text: The word or phrase, as in the headline.
        start: Start in the original headline, in characters from 0.
        end: End: ``headline[start:end] == text``.
        effect: Change of the logit compared with the headline without it.
    """

    text: str
    start: int
    end: int
    effect: float


@dataclass(frozen=True, slots=True)
class ElementEffect:
    """Effect of an element of the banner.

    Attributes:
        kind: How it was found.
        box: Its box.
        effect: Change of the logit compared with the banner without it.
    """

    kind: ElementKind
    box: Box
    effect: float


@dataclass(frozen=True, slots=True)
class Idea:
    """A change that the model would reward.

    Attributes:
        kind: Kind of change.
        what: The change, in words.
        effect: Change of the rate's logit, above 0.
        lower: Lower end of the 90 % interval of the change, above 0.
        upper: Upper end of the 90 % interval of the change.
        position: Index of what is changed or inserted, from 0: in the words, elements, swaps,
            headlines or images.
        context_name: Name of the changed context; empty if none.
        context_value: The context's other value.
    """

    kind: IdeaKind
    what: str
    effect: float
    lower: float
    upper: float
    position: int = 0
    context_name: str = ""
    context_value: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a predicted rate.

    ``base`` + all parts + ``remainder`` is the logit of ``mean``.

    Attributes:
        target: Name of the target.
        mean: Expected rate in the average campaign, from 0 to 1.
        lower: Lower end of the 90 % interval of the rate.
        upper: Upper end of it.
        base: Logit of the average creative of the training with the same parts.
        parts: What headline, image and context add.
        remainder: The rest: the rate is a mean over an ensemble, so logits do not add up exactly.
        warnings: Warnings of the score.
        words: Words of the headline, in order.
        phrases: Phrases of the headline, as split by punctuation; empty if there is only one.
        elements: The requested boxes, then the text found.
        ideas: Changes that would raise the rate, the best first.
    """

    target: str
    mean: float
    lower: float
    upper: float
    base: float
    parts: Parts
    remainder: float
    warnings: tuple[Warning, ...] = ()
    words: tuple[WordEffect, ...] = ()
    phrases: tuple[WordEffect, ...] = ()
    elements: tuple[ElementEffect, ...] = ()
    ideas: tuple[Idea, ...] = ()
