"""What an explanation says. Effects are logits: of a rate p, log(p / (1 - p))."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from adscore.creative import Warning
from adscore.explanation.question import Box


class ElementKind(StrEnum):
    """Who found an element; the values are the wire's names without their prefix."""

    BOX = "BOX"
    TEXT = "TEXT"


class IdeaKind(StrEnum):
    """What an idea changes; the values are the wire's names without their prefix."""

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
        headline: None where the creative has none.
        image: Likewise.
        context: By name, for each name that the creative has a value of; several names joined by
            ``", "`` where they are one part.
    """

    headline: float | None
    image: float | None
    context: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Their sum."""
        return (self.headline or 0.0) + (self.image or 0.0) + sum(self.context.values())


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What a word or a phrase does.

    Attributes:
        text: The word or phrase, as the headline has it.
        start: Where it starts in the headline as given, in characters from 0.
        end: Where it ends: ``headline[start:end] == text``.
        effect: Change of the logit by it, against the headline without.
    """

    text: str
    start: int
    end: int
    effect: float


@dataclass(frozen=True, slots=True)
class ElementEffect:
    """What an element of the banner does.

    Attributes:
        kind: Who found it.
        box: Where it is.
        effect: Change of the logit by it, against the banner with it blotted out.
    """

    kind: ElementKind
    box: Box
    effect: float


@dataclass(frozen=True, slots=True)
class Idea:
    """A change that the model would reward.

    Attributes:
        kind: What is changed.
        what: The change in words.
        effect: Change of the logit of the rate, above 0.
        lower: Lower end of the 90 % interval of the change, above 0.
        upper: Upper end of it.
        position: Place, from 0, of what is changed or comes instead: among the words, elements,
            swaps, headlines or images.
        context_name: Name of the context that is changed; empty where it is none.
        context_value: Its other value.
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
    """What the prediction of one rate is made of.

    ``base`` + all parts + ``remainder`` is the logit of ``mean``.

    Attributes:
        target: Name of the target.
        mean: Expected rate in the average campaign, from 0 to 1.
        lower: Lower end of the 90 % interval of the rate.
        upper: Upper end of it.
        base: Logit of the average creative of the training with the same parts.
        parts: What headline, image and context add.
        remainder: What they do not add up to, since the rate is a mean over an ensemble.
        warnings: Those of the score.
        words: The words of the headline, in their order.
        phrases: What punctuation parts the headline into, likewise; none of a single phrase.
        elements: The boxes that were asked about, then the text that was found.
        ideas: What would raise the rate, the best first.
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
