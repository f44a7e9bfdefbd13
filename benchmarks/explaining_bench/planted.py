"""Creatives of the sample that no model has seen, with what was planted in them."""

import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from adscore.creative import Creative
from adscore.explanation import Box, Idea, IdeaKind, WordEffect
from adscore.explanation.words import split_phrases, split_words
from adscore.sample.banner import draw_banner
from adscore.sample.canvas import FontBook
from adscore.sample.catalogue import Product
from adscore.sample.effects import PLANTED_EFFECTS, planted_effect
from adscore.sample.headline import Headline, HeadlineStyle
from adscore.sample.layout import arrange
from adscore.sample.seeds import Stream, generator
from adscore.sample.simulation import SimulatedCreative, SimulationSettings, simulate_log

# The phrases of adscore.sample.headline, in any case.
_PHRASES = {
    "discount": r"\d+% off|save \d+%|now \d+% less|\d+% discount",
    "urgency": r"today only|ends sunday|last chance|while stocks last|hurry",
    "question": r"^(?:(?:looking for|need|still without) .*?\?|ready for an upgrade\?|"
    r"why settle for less\?|isn't it time for a change\?)",
    "figure": r"\d+ colours|\d+-year warranty|\d+ reasons to switch|\d+ ways to use it",
    "social_proof": r"loved by thousands|our best seller|rated best by readers|the crowd favourite",
    "strong_verb": r"^(?:get|grab|try|own|claim)\b",
}
STRONG = ("discount", "urgency", "question")  # planted with 0.2 logits or more
ELEMENTS = ("badge", "button", "product")


@dataclass(frozen=True)
class Planted:
    """A creative and its truth.

    Attributes:
        simulated: The truth.
        seed: Of its sample.
        creative: What a model sees.
        boxes: Where its elements are; a banner may lack a badge.
    """

    simulated: SimulatedCreative
    seed: int
    creative: Creative
    boxes: dict[str, Box]

    def redrawn(self, without: Collection[str]) -> Creative:
        """The creative whose banner was drawn without some elements."""
        image = _drawn(self.simulated, self.seed, without)
        return replace(self.creative, image=image)


def planted_creatives(creatives: int, campaigns: int, seed: int) -> list[Planted]:
    """A sample in memory; banners are PNG files, so that redrawing changes nothing else."""
    found = []
    for simulated in simulate_log(creatives, campaigns, seed, SimulationSettings()):
        headline = simulated.headline
        style = simulated.campaign.headline_style
        assert read_headline(headline.text, style) == headline, headline.text
        image = _drawn(simulated, seed, ())
        creative = Creative(headline.text, image, simulated.creative_id)
        found.append(Planted(simulated, seed, creative, _boxes(simulated)))
    return found


def _drawn(simulated: SimulatedCreative, seed: int, without: Collection[str]) -> bytes:
    rng = generator(seed, Stream.CLUTTER, *simulated.position)
    file = io.BytesIO()
    draw_banner(simulated.banner, FontBook(), rng, without).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _boxes(simulated: SimulatedCreative) -> dict[str, Box]:
    design = simulated.banner
    layout = arrange(design.size, design.mirrored)
    boxes = {"button": layout.button, "product": layout.product.square(design.product_scale)}
    if design.price_badge:
        boxes["badge"] = layout.badge.square(1.1)
    width, height = design.size
    return {
        name: Box(
            max(0, int(box.left)),
            max(0, int(box.top)),
            min(width, -int(-box.right // 1)),
            min(height, -int(-box.bottom // 1)),
        )
        for name, box in boxes.items()
    }


# === Headlines ===


def read_headline(text: str, style: HeadlineStyle) -> Headline:
    """The traits of a headline that may have lost a word: a trait is there while its phrase is."""
    found = {name: bool(_match(name, text)) for name in _PHRASES}
    found["strong_verb"] &= not found["question"]
    return Headline(text=text, named=_named(text, style), **found)


def phrase(trait: str, text: str) -> tuple[int, int]:
    """Where the phrase of a trait stands in a headline."""
    match = _match(trait, text)
    assert match
    return match.span()


def without_phrases(headline: Headline) -> dict[str, str]:
    """The headline without the phrase of each of its traits, by trait, as if it had none."""
    left = {}
    for name in _PHRASES:
        if getattr(headline, name):
            start, end = phrase(name, headline.text)
            rest = re.sub(
                r"^[ .]+|(?<=[.?]) ?\.(?= )", "", headline.text[:start] + headline.text[end:]
            )
            left[name] = re.sub(r"[ .]+$", "", rest)
    return left


def dealt_evenly(headline: Headline) -> list[WordEffect]:
    """What each word would do if every planted effect were shared by the words of its phrase."""
    spans = split_words(headline.text)
    effects = dict.fromkeys(spans, 0.0)
    clicks = {effect.trait: effect.click for effect in PLANTED_EFFECTS}
    for name in _PHRASES:
        if getattr(headline, name):
            start, end = phrase(name, headline.text)
            inside = [span for span in spans if start <= span.start and span.end <= end]
            for span in inside:
                effects[span] += clicks[name] / len(inside)
    return [WordEffect(span.text, span.start, span.end, effects[span]) for span in spans]


def _match(trait: str, text: str) -> re.Match[str] | None:
    return re.search(_PHRASES[trait], text, re.IGNORECASE)


def _named(text: str, style: HeadlineStyle) -> Product | None:
    for product in (style.product, style.companion):
        if any(noun.lower() in text.lower() for noun in product.nouns):
            return product
    return None


# === Ideas ===


def planted_gain(own: Planted, idea: Idea, others: Sequence[Planted]) -> float:
    """What an idea does to the planted logits of the click-through rate.

    Args:
        own: The creative.
        idea: The change, where the boxes that were asked about are `own.boxes`.
        others: Whose headlines and images were.
    """
    banner, headline = own.simulated.banner, own.simulated.headline
    before = planted_effect(banner, headline).click
    match idea.kind:
        case IdeaKind.HEADLINE:
            headline = others[idea.position].simulated.headline
        case IdeaKind.IMAGE:
            banner = others[idea.position].simulated.banner
        case IdeaKind.DROP_WORD | IdeaKind.DROP_PHRASE:
            split = split_words if idea.kind is IdeaKind.DROP_WORD else split_phrases
            text = split(headline.text)[idea.position].cut_from(headline.text)
            text = " ".join(text.split())
            headline = read_headline(text, own.simulated.campaign.headline_style)
        case IdeaKind.DROP_ELEMENT:
            name = list(own.boxes)[idea.position]
            change = {"badge": {"price_badge": False}, "button": {"strong_button": False}}
            banner = replace(banner, **change.get(name, {"product_scale": 0.0}))
    return planted_effect(banner, headline).click - before
