"""The report of an explanation: the banner with its elements, its words, and their effects."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adscore.creative import Creative
from adscore.explanation import Box, Explanation
from adscore.report.page import render, write_page
from adscore.report.scores import WARNINGS
from adscore.report.thumbnails import thumbnail_uri
from adscore.scoring.image_file import open_image
from adscore.scoring.scorer import Scorer

IMAGE_SIDE = 720  # longer side as displayed, in pixels
# Scale of all effects, in logits: the strongest effect, or this if all are weaker.
_MIN_SCALE = 0.1


@dataclass(frozen=True, slots=True)
class Bar:
    """An effect as a bar to the left or right of the middle.

    Attributes:
        name: Name of the part.
        effect: Effect, in logits.
        left: Start of the bar, in per cent of the width.
        width: Length of the bar, in per cent of the width.
    """

    name: str
    effect: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the headline: a word with its effect, or the text between two words.

    Attributes:
        text: Text of the part.
        effect: Effect in logits; None between words.
        strength: Strength of its colour, from 0 to 1.
    """

    text: str
    effect: float | None
    strength: float


@dataclass(frozen=True, slots=True)
class Area:
    """An element on the banner.

    Attributes:
        number: Number of the element, from 1.
        effect: Effect, in logits.
        box: Left, top, width and height, in per cent of the banner's size.
    """

    number: int
    effect: float
    box: tuple[float, float, float, float]


def write_explanation_report(
    path: Path, explanation: Explanation, creative: Creative, scorer: Scorer
) -> None:
    """Writes the report of one creative; replaces an existing file.

    Args:
        path: File to write.
        explanation: The explanation of its score.
        creative: The creative.
        scorer: The model.

    Raises:
        OSError: The file cannot be written.
    """
    page = render(
        "explanation.html.jinja",
        creative=creative,
        explanation=explanation,
        model=f"{scorer.name} version {scorer.version}",
        average=1 / (1 + math.exp(-explanation.base)),
        parts=_bars(_named_parts(explanation)),
        phrases=_bars([(phrase.text, phrase.effect) for phrase in explanation.phrases]),
        pieces=list(_pieces(creative.headline, explanation)),
        elements=_bars(
            [
                (f"{number} {element.kind.lower()}", element.effect)
                for number, element in enumerate(explanation.elements, 1)
            ]
        ),
        picture=thumbnail_uri(creative.image, scorer.limits, IMAGE_SIDE),
        areas=_areas(creative.image, explanation, scorer),
        warnings=WARNINGS,
    )
    write_page(path, page)


def _named_parts(explanation: Explanation) -> list[tuple[str, float]]:
    parts = explanation.parts
    named = [("headline", parts.headline), ("image", parts.image), *parts.context.items()]
    effects = [(name, effect) for name, effect in named if effect is not None]
    return [*effects, ("not in the parts", explanation.remainder)]


def _bars(effects: Sequence[tuple[str, float]]) -> list[Bar]:
    scale = _scale([effect for _, effect in effects])
    return [_bar(name, effect, scale) for name, effect in effects]


def _bar(name: str, effect: float, scale: float) -> Bar:
    reach = 50 * effect / scale
    return Bar(name, effect, 50 + min(reach, 0), abs(reach))


def _scale(effects: Sequence[float]) -> float:
    return max([_MIN_SCALE, *map(abs, effects)])


def _pieces(headline: str, explanation: Explanation) -> Iterator[Piece]:
    scale = _scale([word.effect for word in explanation.words])
    end = 0
    for word in explanation.words:
        if word.start > end:
            yield Piece(headline[end : word.start], None, 0)
        yield Piece(word.text, word.effect, abs(word.effect) / scale)
        end = word.end
    if end < len(headline):
        yield Piece(headline[end:], None, 0)


def _areas(image: bytes, explanation: Explanation, scorer: Scorer) -> list[Area]:
    if not explanation.elements:
        return []
    size = open_image(image, scorer.limits).upright_size
    return [
        Area(number, element.effect, _share_of(element.box, size))
        for number, element in enumerate(explanation.elements, 1)
    ]


def _share_of(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = (100 / side for side in size)
    return (
        box.left * width,
        box.top * height,
        (box.right - box.left) * width,
        (box.bottom - box.top) * height,
    )
