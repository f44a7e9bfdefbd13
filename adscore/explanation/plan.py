"""Explains a creative in steps, so that a server can interleave other work.

A plan first checks everything, then lists what must be encoded (the headline without each word,
the banner without each element, ...), and finally runs the head on all of it at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from adscore.creative import MIN_RATE, Creative, InputLimits
from adscore.errors import InvalidQuestionError, Reason, UnanswerableError, cut, did_you_mean
from adscore.explanation import variants
from adscore.explanation.elements import Canvas
from adscore.explanation.head import Change, Embedding, Head, Own
from adscore.explanation.parts import explain_parts
from adscore.explanation.question import NOTHING, Box, WhatIf
from adscore.explanation.result import (
    ElementEffect,
    ElementKind,
    Explanation,
    Idea,
    IdeaKind,
    WordEffect,
)
from adscore.explanation.text_boxes import MAX_TEXTS, find_text
from adscore.explanation.variants import Variant, required
from adscore.explanation.words import split_phrases, split_words
from adscore.scoring.image import ImageSize
from adscore.scoring.preparation import CheckedImage, PreparedHeadline, PreparedImage, ToDecode
from adscore.scoring.scorer import Scorer

MAX_IDEAS = 20
# Least effect of an idea, in logits, about 5 % of the odds.
MIN_IDEA = 0.05
# Kinds of ideas that leave out a part of the headline.
_OF_HEADLINE = (IdeaKind.DROP_WORD, IdeaKind.DROP_PHRASE)

Encoded = Own | Embedding | None


@dataclass(frozen=True, slots=True)
class CheckedPart(ToDecode):
    """A checked part at a place of a plan; the image is None for other parts.

    Attributes:
        place: Place in the plan, from 0.
    """

    place: int


@dataclass(frozen=True, slots=True)
class DecodedPart:
    """A part at a place of a plan, ready for its tower."""

    place: int
    part: PreparedHeadline | PreparedImage | None


def explain(
    scorer: Scorer, creative: Creative, what_if: WhatIf = NOTHING, target: str = ""
) -> Explanation:
    """Explains a score; deterministic. See `Plan`."""
    plan = Plan(scorer, creative, what_if, target)
    with plan.budget.claim(plan.pixels):
        plan.prepare()
    decoded = []
    for place in range(plan.count):
        checked = plan.check(place)
        with plan.budget.claim(checked.pixels):
            decoded.append(plan.decode(checked))
    return plan.finish(plan.work(decoded))


class Plan:
    """The steps of an explanation; `explain` shows their order.

    Args:
        scorer: The model.
        creative: The creative to explain.
        what_if: The caller's own variants.
        target: Name of the target; empty for the model's first.

    Attributes:
        budget: Budget from which to claim pixels before decoding images.
        pixels: Pixels to claim before `prepare`.
        takes_long: Whether `prepare` is too slow for others to wait.

    Raises:
        InvalidCreativeError: The creative cannot be scored.
        InvalidQuestionError: A part of the question is invalid.
        UnanswerableError: The model predicts no rate.
    """

    def __init__(
        self, scorer: Scorer, creative: Creative, what_if: WhatIf = NOTHING, target: str = ""
    ) -> None:
        what_if.check_count()
        self._scorer, self._target, self._what_if = scorer, _target(scorer, target), what_if
        preparer = scorer.preparer
        self._checked = preparer.check(creative)
        self._canvas = _canvas(scorer, creative.image, what_if)
        self._boxes = [(ElementKind.BOX, Box(*box)) for box in what_if.boxes]
        headline = creative.headline if self._checked.headline else ""
        self._spans = {
            IdeaKind.DROP_WORD: split_words(headline),
            IdeaKind.DROP_PHRASE: split_phrases(headline),
        }
        self._variants: list[Variant] = [
            *chain.from_iterable(
                variants.without_spans(kind, creative, spans, preparer)
                for kind, spans in self._spans.items()
            ),
            *variants.with_swaps(creative, what_if, preparer),
            *variants.other_headlines(what_if, preparer),
            *variants.other_images(what_if),
            *variants.other_contexts(creative, scorer.manifest),
        ]
        self.budget = preparer.budget
        self.pixels = max(self._checked.pixels, self._canvas.pixels if self._canvas else 0)
        self.takes_long = self._checked.takes_long or what_if.find_text

    def prepare(self) -> None:
        """Decodes the creative's image and, if asked, finds text on it.

        Raises:
            InvalidCreativeError: The image is broken.
            UnanswerableError: Text cannot be found on this installation.
        """
        self._prepared = self._scorer.preparer.decode(self._checked)
        if self._canvas is None:
            return
        self._canvas.decode()
        if self._what_if.find_text:
            self._boxes += [(ElementKind.TEXT, box) for box in find_text(self._canvas)]
        self._variants += variants.without_elements(self._boxes)

    @property
    def count(self) -> int:
        """Number of places, after `prepare`: the creative itself and every variant."""
        return 1 + len(self._variants)

    def check(self, place: int) -> CheckedPart:
        """Checks the part at a place.

        Raises:
            InvalidQuestionError: The image of the part cannot be decoded.
        """
        file = self._variants[place - 1].file if place else None
        if file is None:
            return CheckedPart(None, place)
        path = f"images[{self._variants[place - 1].position}]"
        image = required(self._scorer.preparer.check_image, file, path)
        if image is None:
            raise InvalidQuestionError(
                path, Reason.IMAGE_MISSING, "expected an encoded image. Received: 0 bytes"
            )
        return CheckedPart(image, place)

    def decode(self, checked: CheckedPart) -> DecodedPart:
        """Prepares a part for its tower.

        Raises:
            InvalidQuestionError: The image of the part is broken.
        """
        place, image = checked.place, checked.image
        if place == 0:
            return DecodedPart(place, None)
        variant = self._variants[place - 1]
        if isinstance(image, CheckedImage):
            path = f"images[{variant.position}]"
            return DecodedPart(place, required(self._scorer.preparer.decode_image, image, path))
        if variant.box is not None and self._canvas is not None:
            boxes = [box for _, box in self._boxes]
            return DecodedPart(place, PreparedImage(self._canvas.without(variant.box, boxes)))
        return DecodedPart(place, image or variant.headline)

    def work(self, decoded: Sequence[DecodedPart]) -> list[Encoded]:
        """Encodes the parts at some places as a batch.

        Returns:
            For place 0, what is known about the creative; for others, the embedding of the changed
            part, or None if the change needs no encoding.
        """
        graphs = self._scorer.graphs
        rows: dict[int, Own | Embedding] = {}
        headlines = {d.place: d.part for d in decoded if isinstance(d.part, PreparedHeadline)}
        images = {d.place: d.part for d in decoded if isinstance(d.part, PreparedImage)}
        if headlines:
            found = graphs.encode_headlines(list(headlines.values()))[0]
            rows |= dict(zip(headlines, found["embedding"], strict=True))
        if images:
            found = graphs.encode_images(list(images.values()))
            rows |= dict(zip(images, found["embedding"], strict=True))
        if any(one.place == 0 for one in decoded):
            rows[0] = self._own()
        return [rows.get(one.place) for one in decoded]

    def _own(self) -> Own:
        graphs = self._scorer.graphs
        encoded = graphs.encode([self._prepared])
        [score] = self._scorer.score_encoded([self._prepared], encoded)
        whole = None
        if self._canvas is not None:
            whole = graphs.encode_images([PreparedImage(self._canvas.whole)])["embedding"][0]
        return Own(encoded, score, whole)

    def finish(self, encoded: Sequence[Encoded]) -> Explanation:
        """Makes the explanation from the results of ``work`` for all places, in order."""
        own = encoded[0]
        assert isinstance(own, Own)
        rows = [None if isinstance(row, Own) else row for row in encoded[1:]]
        manifest = self._scorer.manifest
        head = Head(self._scorer.graphs, own, manifest.targets.index(self._target))
        changes = head.changes(list(zip(self._variants, rows, strict=True)))
        changed = list(zip(self._variants, changes, strict=True))
        base, parts = explain_parts(head, tuple(manifest.preprocessing.context))
        figures = own.score.targets[self._target]
        mean = min(max(figures.mean, MIN_RATE), 1 - MIN_RATE)
        return Explanation(
            target=self._target,
            mean=figures.mean,
            lower=figures.lower,
            upper=figures.upper,
            base=base,
            parts=parts,
            remainder=math.log(mean / (1 - mean)) - base - parts.total,
            warnings=own.score.warnings,
            words=self._word_effects(IdeaKind.DROP_WORD, changed),
            phrases=self._word_effects(IdeaKind.DROP_PHRASE, changed),
            elements=tuple(
                ElementEffect(kind, box, effect)
                for (kind, box), effect in zip(
                    self._boxes, _effects(IdeaKind.DROP_ELEMENT, changed), strict=True
                )
            ),
            ideas=tuple(_ideas(changed)),
        )

    def _word_effects(self, kind: IdeaKind, changed: "_Changed") -> tuple[WordEffect, ...]:
        effects = zip(self._spans[kind], _effects(kind, changed), strict=True)
        return tuple(WordEffect(span.text, span.start, span.end, value) for span, value in effects)


_Changed = Sequence[tuple[Variant, Change]]


def _effects(kind: IdeaKind, changed: _Changed) -> list[float]:
    """Effects of the parts left out by a kind of variant: the negative effect of leaving out."""
    return [-change.effect for variant, change in changed if variant.kind is kind]


def _ideas(changed: _Changed) -> list[Idea]:
    """Improvements, the best first, with the best value of each context name.

    Leaving out all of a headline is not an idea.
    """
    ideas: list[Idea] = []
    for variant, (effect, half_width) in sorted(changed, key=lambda one: -one[1].effect):
        name, value = variant.context
        is_known = bool(name) and any(idea.context_name == name for idea in ideas)
        nothing_left = variant.kind in _OF_HEADLINE and variant.headline is None
        if effect <= max(half_width, MIN_IDEA) or is_known or nothing_left:
            continue
        ends = (effect - half_width, effect + half_width)
        ideas.append(Idea(variant.kind, variant.what, effect, *ends, variant.position, name, value))
    return ideas[:MAX_IDEAS]


# === The question ===


def count_encodings(headline: str, what_if: WhatIf) -> int:
    """Estimates the number of encodings of an explanation, before anything is checked."""
    headline = headline[: InputLimits().max_headline_characters]
    spans = len(split_words(headline)) + len(split_phrases(headline))
    texts = MAX_TEXTS if what_if.find_text else 0
    return 1 + spans + texts + what_if.count


def _target(scorer: Scorer, target: str) -> str:
    names = scorer.manifest.targets
    if not names:
        raise UnanswerableError(
            Reason.MODEL_WITHOUT_TARGETS,
            f"expected a model that predicts a rate. Received: {scorer.name} version "
            f"{scorer.version}, which was trained for agreement alone",
        )
    if target and target not in names:
        raise InvalidQuestionError(
            "target",
            Reason.TARGET_UNKNOWN,
            f"expected one of {', '.join(names)}. Received: {cut(target)!r}"
            + did_you_mean(target, names),
        )
    return target or names[0]


def _canvas(scorer: Scorer, image: bytes, what_if: WhatIf) -> Canvas | None:
    """The banner, if elements are asked about; otherwise None."""
    if not what_if.boxes and not what_if.find_text:
        return None
    if not image:
        raise InvalidQuestionError(
            "boxes" if what_if.boxes else "find_text",
            Reason.IMAGE_MISSING,
            "expected an image to find elements on. Received: none",
        )
    read = ImageSize.of(scorer.manifest.preprocessing)
    canvas = Canvas(image, read, scorer.limits)
    canvas.check(what_if.boxes)
    return canvas
