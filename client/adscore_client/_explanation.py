"""Explanations: the questions, the answer, and both on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adscore_client._convert import add_parts, fill_creative, text_to_wire, warnings_from_wire
from adscore_client._creative import Creative, ImageInput, image_file_name
from adscore_client._exceptions import WrongTypeError
from adscore_client._image_reader import ImageReader
from adscore_client._results import OpenEnum, Result, Warning
from adscore_protos.v1 import scoring_pb2

Box = tuple[int, int, int, int]

_SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Elements and alternatives to ask about; at most 64 items in all.

        WhatIf(boxes=[(20, 180, 140, 220)], headlines=["Free returns on all shoes"])

    Attributes:
        boxes: Elements of the banner as ``(left, top, right, bottom)``, in pixels of the upright
            image; right and bottom are exclusive.
        find_text: Whether the server also finds the text on the banner and treats it as
            elements.
        swaps: Words of the headline and their replacements.
        headlines: Other headlines.
        images: Other banners, each as for ``Client.score``.
    """

    boxes: Sequence[Box] = ()
    find_text: bool = False
    swaps: Sequence[tuple[str, str]] = ()
    headlines: Sequence[str] = ()
    images: Sequence[ImageInput] = field(default=(), repr=False)


NOTHING = WhatIf()


class ElementKind(OpenEnum):
    """The origin of an element of a banner."""

    BOX = "BOX"
    """The caller, who drew a box."""
    TEXT = "TEXT"
    """The server, which found text."""


class IdeaKind(OpenEnum):
    """What an idea changes."""

    DROP_WORD = "DROP_WORD"
    """A word is left out."""
    DROP_PHRASE = "DROP_PHRASE"
    """A phrase is left out."""
    SWAP_WORD = "SWAP_WORD"
    """A word becomes another, one of ``WhatIf.swaps``."""
    HEADLINE = "HEADLINE"
    """Another headline, one of ``WhatIf.headlines``."""
    DROP_ELEMENT = "DROP_ELEMENT"
    """An element of the banner is left out."""
    IMAGE = "IMAGE"
    """Another banner, one of ``WhatIf.images``."""
    CONTEXT = "CONTEXT"
    """Another value of a context that was seen in training."""


@dataclass(frozen=True, slots=True)
class Parts(Result):
    """What each part of a creative adds to the logit of its rate.

    Attributes:
        headline: The headline; None if absent.
        image: The image; None if absent.
        context: Each context for which the creative has a value, by name.
    """

    headline: float | None
    image: float | None
    context: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class WordEffect(Result):
    """The effect of a word or a phrase.

    Attributes:
        text: The word or phrase, as the headline has it.
        start: Where it starts in the headline, in characters from 0.
        end: Where it ends: ``headline[start:end] == text``.
        effect: Change of the logit, compared with the headline without it.
    """

    text: str
    start: int
    end: int
    effect: float


@dataclass(frozen=True, slots=True)
class ElementEffect(Result):
    """The effect of an element of the banner.

    Attributes:
        kind: Its origin.
        box: Its box, as in ``WhatIf.boxes``.
        effect: Change of the logit, compared with the banner without it.
    """

    kind: ElementKind
    box: Box
    effect: float


@dataclass(frozen=True, slots=True)
class Idea(Result):
    """A change to the caller's own material that the model would reward.

    Attributes:
        kind: What is changed.
        what: The change, in English.
        effect: Change of the logit of the rate, above 0.
        lower: Lower end of the 90 % interval of the change, above 0.
        upper: Upper end of it.
        position: Index, from 0, of the changed part or its replacement: in ``words``, ``phrases``,
            ``elements``, ``WhatIf.swaps``, ``WhatIf.headlines`` or ``WhatIf.images``.
        context_name: Name of the context that is changed; empty if the idea changes no context.
        context_value: Its new value.
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
class Explanation(Result):
    """What the model's prediction of one rate reacts to, which is not what causes clicks.

    Base, parts, remainder and effects are logits: ``math.exp(effect)`` is an odds ratio, and
    ``base`` + all parts + ``remainder`` is the logit of ``mean``.

    Attributes:
        target: Name of the target.
        mean: Expected rate in the average campaign, from 0 to 1.
        lower: Lower end of the 90 % interval of the rate.
        upper: Upper end of it.
        base: Logit of the average creative of the training.
        parts: What headline, image and context add.
        remainder: The difference between the logit and the sum of base and parts.
        warnings: Reasons to trust it less, as in the score.
        words: The words of the headline, in their order.
        elements: The boxes that were passed, in order, then the text that was found.
        ideas: Changes that would raise the rate, best first.
        creative_id: Id of the creative, as passed; may be empty.
        model: Name of the model.
        model_version: Version of that model.
        phrases: The phrases into which punctuation splits the headline, in order; empty if there is
            only one.
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
    elements: tuple[ElementEffect, ...] = ()
    ideas: tuple[Idea, ...] = ()
    creative_id: str = ""
    model: str = ""
    model_version: str = ""
    phrases: tuple[WordEffect, ...] = ()


# === Request ===


def fill_request(
    wire: scoring_pb2.ExplainRequest, creative: Creative, what_if: WhatIf, reader: ImageReader
) -> dict[str, str]:
    """Puts the creative and the questions about it into a request.

    Args:
        wire: The message to fill.
        creative: What the caller passed.
        what_if: Likewise.
        reader: Reads the images; its limit is that of the request.

    Returns:
        Paths of the images that come from files, by field, e.g. ``"images[5]"``.

    Raises:
        TypeError: A part is of the wrong type.
        InvalidCreativeError: A part cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    fill_creative(wire.creative, creative, reader)
    for position, box in enumerate(what_if.boxes):
        wire.boxes.append(_box_to_wire(box, f"boxes[{position}]"))
    wire.find_text = what_if.find_text
    for position, (word, replacement) in enumerate(what_if.swaps):
        path = f"swaps[{position}]"
        wire.swaps.add(word=text_to_wire(word, path), replacement=text_to_wire(replacement, path))
    files = add_parts(wire, what_if.headlines, what_if.images, reader)
    if name := image_file_name(creative.image):
        files["image"] = name
    return files


def _box_to_wire(box: Any, path: str) -> scoring_pb2.Box:
    try:
        sides = dict(zip(_SIDES, box, strict=True))
        return scoring_pb2.Box(**sides)
    except (TypeError, ValueError) as exc:  # ValueError: not four, or beyond 32 bits
        raise WrongTypeError(
            f"{path}: expected left, top, right and bottom in whole pixels. Received: {box!r:.80}",
            field=path,
        ) from exc


# === Answer ===

_ELEMENT_KINDS = {scoring_pb2.ElementKind.Value(f"ELEMENT_KIND_{one}"): one for one in ElementKind}
_IDEA_KINDS = {scoring_pb2.IdeaKind.Value(f"IDEA_KIND_{one}"): one for one in IdeaKind}


def explanation_from_wire(wire: scoring_pb2.Explanation) -> Explanation:
    """Converts an explanation."""
    return Explanation(
        target=wire.target,
        mean=wire.mean,
        lower=wire.lower,
        upper=wire.upper,
        base=wire.base,
        parts=Parts(
            wire.headline if wire.HasField("headline") else None,
            wire.image if wire.HasField("image") else None,
            dict(wire.context),
        ),
        remainder=wire.remainder,
        warnings=warnings_from_wire(wire.warnings),
        words=tuple(map(_word_from_wire, wire.words)),
        phrases=tuple(map(_word_from_wire, wire.phrases)),
        elements=tuple(map(_element_from_wire, wire.elements)),
        ideas=tuple(map(_idea_from_wire, wire.ideas)),
        creative_id=wire.creative_id,
        model=wire.model,
        model_version=wire.model_version,
    )


def _word_from_wire(wire: scoring_pb2.WordEffect) -> WordEffect:
    return WordEffect(wire.text, wire.start, wire.end, wire.effect)


def _element_from_wire(wire: scoring_pb2.ElementEffect) -> ElementEffect:
    box = (wire.box.left, wire.box.top, wire.box.right, wire.box.bottom)
    kind = _ELEMENT_KINDS.get(wire.kind) or ElementKind(f"UNRECOGNISED_{wire.kind}")
    return ElementEffect(kind, box, wire.effect)


def _idea_from_wire(wire: scoring_pb2.Idea) -> Idea:
    return Idea(
        kind=_IDEA_KINDS.get(wire.kind) or IdeaKind(f"UNRECOGNISED_{wire.kind}"),
        what=wire.what,
        effect=wire.effect,
        lower=wire.lower,
        upper=wire.upper,
        position=wire.position,
        context_name=wire.context_name,
        context_value=wire.context_value,
    )
