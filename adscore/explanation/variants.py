"""The variants of a creative that an explanation compares."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from adscore.bundle import Manifest
from adscore.creative import Creative
from adscore.errors import InvalidCreativeError, InvalidQuestionError, Reason, cut
from adscore.explanation.question import Box, WhatIf
from adscore.explanation.result import ElementKind, IdeaKind
from adscore.explanation.words import Span
from adscore.scoring.preparation import PreparedHeadline, Preparer, context_ids

GivenT = TypeVar("GivenT")
PartT = TypeVar("PartT")

# Limit on values tried over all context names; one name may have a thousand.
MAX_CONTEXT_VALUES = 128


@dataclass(frozen=True, slots=True)
class Variant:
    """A creative with one part changed.

    Attributes:
        kind: Kind of change.
        what: The change, in words.
        position: See `Idea`.
        headline: The changed headline; None if nothing is left of it.
        file: The other image, as an encoded file.
        box: The removed element.
        context_ids: The changed context.
        context: Name and value of the changed context.
    """

    kind: IdeaKind
    what: str
    position: int = 0
    headline: PreparedHeadline | None = None
    file: bytes | None = field(default=None, repr=False)
    box: Box | None = None
    context_ids: tuple[int, ...] | None = None
    context: tuple[str, str] = ("", "")


def without_spans(
    kind: IdeaKind, creative: Creative, spans: Sequence[Span], preparer: Preparer
) -> Iterator[Variant]:
    """The headline without each of its words or phrases."""
    for position, span in enumerate(spans):
        what = f'leave out "{cut(span.text)}"'
        headline = _prepared_or_none(span.cut_from(creative.headline), preparer)
        yield Variant(kind, what, position, headline=headline)


def _prepared_or_none(headline: str, preparer: Preparer) -> PreparedHeadline | None:
    try:
        return preparer.headline(headline)
    except InvalidCreativeError as error:
        if error.reason is Reason.HEADLINE_MISSING:  # no other word is left
            return None
        raise


def with_swaps(creative: Creative, what_if: WhatIf, preparer: Preparer) -> Iterator[Variant]:
    """The headline with a word replaced by another.

    Raises:
        InvalidQuestionError: The headline lacks the word, or nothing would be left.
    """
    for position, (word, replacement) in enumerate(what_if.swaps):
        path = f"swaps[{position}]"
        if not word.strip() or word not in creative.headline:
            raise InvalidQuestionError(
                path,
                Reason.WORD_NOT_FOUND,
                f"expected a word of the headline. Received: {cut(word)!r}",
            )
        if not replacement.strip():
            raise InvalidQuestionError(
                path,
                Reason.WORD_NOT_FOUND,
                f"expected what would stand in the place of {cut(word)!r}. Received: nothing",
            )
        text = creative.headline.replace(word, replacement, 1)
        headline = required(preparer.required_headline, text, path)
        what = f'"{cut(replacement)}" instead of "{cut(word)}"'
        yield Variant(IdeaKind.SWAP_WORD, what, position, headline=headline)


def other_headlines(what_if: WhatIf, preparer: Preparer) -> Iterator[Variant]:
    """Variants with each of the other headlines.

    Raises:
        InvalidQuestionError: A headline cannot be scored.
    """
    for position, text in enumerate(what_if.headlines):
        headline = required(preparer.required_headline, text, f"headlines[{position}]")
        what = f'the headline "{cut(text)}"'
        yield Variant(IdeaKind.HEADLINE, what, position, headline=headline)


def other_images(what_if: WhatIf) -> Iterator[Variant]:
    """Variants with each of the other images."""
    for position, data in enumerate(what_if.images):
        name = what_if.image_names[position] if what_if.image_names else str(position + 1)
        yield Variant(IdeaKind.IMAGE, f"the image {cut(name)}", position, file=data)


def without_elements(boxes: Sequence[tuple[ElementKind, Box]]) -> Iterator[Variant]:
    """The banner without each of its elements."""
    for position, (kind, box) in enumerate(boxes):
        name = "text" if kind is ElementKind.TEXT else "element"
        what = f"leave out the {name} at {box.left}, {box.top}"
        yield Variant(IdeaKind.DROP_ELEMENT, what, position, box=box)


def other_contexts(creative: Creative, manifest: Manifest) -> Iterator[Variant]:
    """Variants with other values from training, for each context that the creative has."""
    vocabulary = manifest.preprocessing.context
    left = MAX_CONTEXT_VALUES
    for name, values in vocabulary.items():
        own = creative.context.get(name, "")
        for value in values[:left] if own else ():
            if value == own:
                continue
            left -= 1
            ids = context_ids({**creative.context, name: value}, vocabulary)
            what = f"{name}: {cut(value)}"
            yield Variant(IdeaKind.CONTEXT, what, context_ids=ids, context=(name, value))


def required(prepare: Callable[[GivenT], PartT], given: GivenT, path: str) -> PartT:
    """Prepares a part of the question; an error names its place in the question."""
    try:
        return prepare(given)
    except InvalidCreativeError as error:
        text = str(error).removeprefix(f"{error.field}: ")
        raise InvalidQuestionError(path, error.reason, text) from error
