"""The effects planted in the simulation: which traits of a creative change its rates, how much.

A trait is a number that can be seen in the pixels or read in the words. Each effect is linear in
logits and centred on the trait's average in the sample, so that a part averages about zero.
"""

from dataclasses import dataclass
from enum import StrEnum

from adscore.sample.banner import BannerDesign
from adscore.sample.headline import Headline


class Part(StrEnum):
    """Where a planted effect lives."""

    IMAGE = "image"
    HEADLINE = "headline"
    INTERACTION = "interaction"


@dataclass(frozen=True)
class Effect:
    """One planted effect.

    Attributes:
        trait: Key into `traits`.
        part: What a model must look at to find it.
        click: Logits of the click-through rate for one unit of the trait.
        conversion: Logits of conversions per click for one unit of the trait.
        centre: The trait's average over many creatives.
        meaning: The trait in words.
    """

    trait: str
    part: Part
    click: float
    conversion: float
    centre: float
    meaning: str


# Strengths: sized so that the creative term spreads by about 0.4 logits inside a campaign, nearly
# half of its variance in the image alone, a quarter in the headline alone. The image needs more: a
# network that learns from pixels has only some 900 examples to find it in.
PLANTED_EFFECTS: tuple[Effect, ...] = (
    Effect("strong_button", Part.IMAGE, 0.34, 0.00, 0.50, "button in a contrasting colour"),
    Effect("price_badge", Part.IMAGE, 0.20, 0.15, 0.50, "price badge drawn"),
    Effect("product_scale", Part.IMAGE, 0.40, 0.00, 0.75, "product size, 0.5 small to 1.0 large"),
    Effect("cluttered", Part.IMAGE, -0.26, -0.12, 0.50, "rays and confetti behind the content"),
    Effect("warm", Part.IMAGE, 0.28, 0.00, 0.50, "warm background, not a cool one"),
    Effect("discount", Part.HEADLINE, 0.26, 0.15, 0.35, "percentage off in the headline"),
    Effect("urgency", Part.HEADLINE, 0.24, 0.00, 0.35, "time or stock is said to be short"),
    Effect("question", Part.HEADLINE, -0.20, 0.00, 0.25, "headline opens with a question"),
    Effect("figure", Part.HEADLINE, 0.16, 0.00, 0.30, "a number that is no discount"),
    Effect("social_proof", Part.HEADLINE, 0.18, 0.10, 0.25, "others are said to like it"),
    Effect("strong_verb", Part.HEADLINE, 0.14, 0.00, 0.375, "opens with an order to act"),
    Effect("words", Part.HEADLINE, -0.02, 0.00, 9.0, "each word of the headline"),
    Effect(
        "badge_with_discount", Part.INTERACTION, 0.28, 0.10, 0.175, "price badge and discount meet"
    ),
    Effect(
        "names_drawn_product", Part.INTERACTION, 0.22, 0.25, 0.41, "headline names what is drawn"
    ),
)


@dataclass(frozen=True)
class CreativeEffect:
    """A creative's planted effects in logits, by part, and their sum without any campaign effect.

    Attributes:
        image: From the pixels alone.
        headline: From the words alone.
        interaction: From the two together.
        conversion: On conversions per click, all parts together.
    """

    image: float
    headline: float
    interaction: float
    conversion: float

    @property
    def click(self) -> float:
        """The creative term: logits of the click-through rate, relative to an average creative."""
        return self.image + self.headline + self.interaction


def traits(banner: BannerDesign, headline: Headline) -> dict[str, float]:
    """Every trait that has a planted effect; yes and no are 1.0 and 0.0."""
    return {
        "strong_button": float(banner.strong_button),
        "price_badge": float(banner.price_badge),
        "product_scale": banner.product_scale,
        "cluttered": float(banner.cluttered),
        "warm": float(banner.warm),
        "discount": float(headline.discount),
        "urgency": float(headline.urgency),
        "question": float(headline.question),
        "figure": float(headline.figure),
        "social_proof": float(headline.social_proof),
        "strong_verb": float(headline.strong_verb),
        "words": float(headline.words),
        "badge_with_discount": float(banner.price_badge and headline.discount),
        "names_drawn_product": float(headline.named == banner.product),
    }


def planted_effect(banner: BannerDesign, headline: Headline) -> CreativeEffect:
    """The planted effects of one creative."""
    values = traits(banner, headline)
    click = dict.fromkeys(Part, 0.0)
    conversion = 0.0
    for effect in PLANTED_EFFECTS:
        offset = values[effect.trait] - effect.centre
        click[effect.part] += effect.click * offset
        conversion += effect.conversion * offset
    return CreativeEffect(
        image=click[Part.IMAGE],
        headline=click[Part.HEADLINE],
        interaction=click[Part.INTERACTION],
        conversion=conversion,
    )
