"""Headlines from a small grammar, with the traits the simulation rewards or punishes."""

from dataclasses import dataclass

import numpy as np

from adscore.sample.catalogue import Product
from adscore.sample.seeds import happens, pick

_STRONG_VERBS = ("Get", "Grab", "Try", "Own", "Claim")
_SOFT_VERBS = ("Meet", "Discover", "Introducing", "Explore", "Say hello to")
_QUESTIONS_NAMED = ("Looking for {product}?", "Need {product}?", "Still without {product}?")
_QUESTIONS_OPEN = ("Ready for an upgrade?", "Why settle for less?", "Isn't it time for a change?")
_OPEN_OBJECTS = (
    "your new favourite",
    "something better",
    "the one you will keep",
    "a small luxury",
)
_FIGURES = ("{n} colours", "{n}-year warranty", "{n} reasons to switch", "{n} ways to use it")
_FIGURE_VALUES = (3, 4, 5, 7, 9, 10)
_PROOFS = ("Loved by thousands", "Our best seller", "Rated best by readers", "The crowd favourite")
_DISCOUNTS = ("{n}% off", "Save {n}%", "Now {n}% less", "{n}% discount")
_DISCOUNT_VALUES = (10, 15, 20, 25, 30, 40, 50)
_URGENCIES = ("Today only", "Ends Sunday", "Last chance", "While stocks last", "Hurry")


@dataclass(frozen=True)
class HeadlineStyle:
    """What one campaign's headlines have in common.

    Attributes:
        product: What the campaign advertises.
        companion: What the same brand sells beside it; some headlines name it instead.
        title_case: Whether The Brand Writes Like This.
    """

    product: Product
    companion: Product
    title_case: bool


@dataclass(frozen=True)
class Headline:
    """A headline and its traits.

    Attributes:
        text: The words.
        named: The product the words name; None where they name none.
        discount: Offers a percentage off.
        urgency: Says that time or stock is short.
        question: Opens with a question.
        figure: Holds a number that is no discount.
        social_proof: Says that others like it.
        strong_verb: Opens with an order to act.
    """

    text: str
    named: Product | None
    discount: bool
    urgency: bool
    question: bool
    figure: bool
    social_proof: bool
    strong_verb: bool

    @property
    def words(self) -> int:
        """Number of words, separated by blanks."""
        return len(self.text.split())


def write_headline(style: HeadlineStyle, rng: np.random.Generator) -> Headline:
    """Draw the traits independently, then write words that show them."""
    named = _draw_named(style, rng)
    question = happens(rng, 0.25)
    strong_verb = happens(rng, 0.5) and not question
    figure, social_proof = happens(rng, 0.3), happens(rng, 0.25)
    discount, urgency = happens(rng, 0.35), happens(rng, 0.35)

    parts = [_question(named, rng) if question else _statement(named, strong_verb, rng)]
    if social_proof:
        parts.append(pick(rng, _PROOFS))
    if figure:
        parts.append(pick(rng, _FIGURES).format(n=pick(rng, _FIGURE_VALUES)))
    if discount:
        parts.append(pick(rng, _DISCOUNTS).format(n=pick(rng, _DISCOUNT_VALUES)))
    if urgency:
        parts.append(pick(rng, _URGENCIES))
    text = _join(parts)
    return Headline(
        text=_title_case(text) if style.title_case else text,
        named=named,
        discount=discount,
        urgency=urgency,
        question=question,
        figure=figure,
        social_proof=social_proof,
        strong_verb=strong_verb,
    )


def _draw_named(style: HeadlineStyle, rng: np.random.Generator) -> Product | None:
    share = rng.random()
    if share < 0.5:
        return style.product
    return style.companion if share < 0.7 else None


def _question(named: Product | None, rng: np.random.Generator) -> str:
    if named is None:
        return pick(rng, _QUESTIONS_OPEN)
    noun = f"{pick(rng, named.adjectives)} {pick(rng, named.nouns)}"
    return pick(rng, _QUESTIONS_NAMED).format(product=_with_article(noun))


def _statement(named: Product | None, strong_verb: bool, rng: np.random.Generator) -> str:
    verb = pick(rng, _STRONG_VERBS if strong_verb else _SOFT_VERBS)
    if named is None:
        return f"{verb} {pick(rng, _OPEN_OBJECTS)}"
    clause = f"{verb} the {pick(rng, named.adjectives)} {pick(rng, named.nouns)}"
    return f"{clause} {pick(rng, named.benefits)}" if happens(rng, 0.5) else clause


def _with_article(noun: str) -> str:
    if noun.endswith(("shoes", "sneakers", "headphones")):
        return noun
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _join(parts: list[str]) -> str:
    """One line of copy: "Need a mug? Our best seller, 30% off. Today only"."""
    opening, *rest = parts
    if not rest:
        return opening
    tail = ". ".join(rest)
    return f"{opening} {tail}" if opening.endswith("?") else f"{opening}. {tail}"


def _title_case(text: str) -> str:
    # Not str.title(): it would write "Isn'T" and "Easy-Care".
    return " ".join(word[0].upper() + word[1:] for word in text.split(" "))
