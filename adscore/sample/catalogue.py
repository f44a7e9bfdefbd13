"""What the simulated advertisers sell, their colours and the banner sizes they buy.

Every brand and product here is invented.
"""

from dataclasses import dataclass

Colour = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""


@dataclass(frozen=True)
class Product:
    """Something to advertise.

    Attributes:
        shape: Name of the drawing in `shapes.py`.
        nouns: What a headline calls it.
        adjectives: Words that fit before a noun.
        benefits: Clauses that fit after a noun.
        slogans: Short copy painted on the banner; it names no product.
        prices: Lowest and highest price in whole dollars.
    """

    shape: str
    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    benefits: tuple[str, ...]
    slogans: tuple[str, ...]
    prices: tuple[int, int]


@dataclass(frozen=True)
class Ground:
    """A banner's background, a vertical gradient."""

    top: Colour
    bottom: Colour


@dataclass(frozen=True)
class PaletteFamily:
    """The colours of one brand: two grounds that share every other colour.

    Attributes:
        warm: Ground of the warm variant.
        cool: Ground of the cool variant.
        ink: Text on either ground.
        accent: Fill of a high-contrast button.
        badge: Fill of a price badge.
        product: Main colour of the drawn product.
    """

    warm: Ground
    cool: Ground
    ink: Colour
    accent: Colour
    badge: Colour
    product: Colour


def _colour(code: str) -> Colour:
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def _family(warm: str, cool: str, ink: str, accent: str, badge: str, product: str) -> PaletteFamily:
    warm_top, warm_bottom = map(_colour, warm.split())
    cool_top, cool_bottom = map(_colour, cool.split())
    return PaletteFamily(
        warm=Ground(warm_top, warm_bottom),
        cool=Ground(cool_top, cool_bottom),
        ink=_colour(ink),
        accent=_colour(accent),
        badge=_colour(badge),
        product=_colour(product),
    )


IAB_SIZES: dict[tuple[int, int], float] = {
    (300, 250): 0.26,
    (336, 280): 0.17,
    (300, 600): 0.15,
    (970, 250): 0.13,
    (160, 600): 0.10,
    (728, 90): 0.09,
    (320, 100): 0.06,
    (320, 50): 0.04,
}
"""Display sizes of the Interactive Advertising Bureau, (width, height) in pixels, and how often a
campaign buys each."""

PALETTE_FAMILIES: tuple[PaletteFamily, ...] = (
    _family("FFF1E0 FFD3AE", "E6F4FF BBDDF9", "22304A", "E8472B", "1F4FA8", "2E6FB7"),
    _family("FFF4D6 FFDD85", "E3FAF1 A9E6D1", "1E3A34", "0B7459", "D9412F", "D9743A"),
    _family("FFEAE4 FFBFAF", "ECEBFF C6C8FA", "33244F", "6A2FC2", "C9302C", "C8436B"),
    _family("83331F 4A1710", "1A3B5D 0B1E33", "FFF6E9", "FFB52E", "FFF3DC", "E9A06B"),
    _family("9A4214 5A2207", "12524F 072E33", "FDF7EC", "FFD23F", "E8F1F2", "F0C9A0"),
    _family("E2582B B93A1B", "1E7FC2 115A96", "FFFFFF", "FFE14D", "FFFFFF", "F7D9B5"),
    _family("FBEFE3 EDCDAC", "E9F3F0 BAD6CE", "2B2B2B", "1D1D1F", "C8442C", "8A5A3B"),
    _family("842838 4C1120", "30307E 17174A", "FFF3F0", "7CF2C4", "FFD166", "F28FAD"),
)

BRANDS: tuple[str, ...] = (
    "Halvora", "Brinmark", "Tivello", "Osterly", "Kestrane", "Quillow", "Marrowby", "Ferncast",
    "Solvette", "Dunmere", "Pellaro", "Wickstad", "Larkenby", "Orvanne", "Tamsley", "Novarre",
)  # fmt: skip

CALLS_TO_ACTION: tuple[str, ...] = ("Shop now", "Buy now", "See more", "Order now", "Get yours")

PRODUCT_LINES: tuple[tuple[Product, Product], ...] = (
    (
        Product(
            shape="mug",
            nouns=("mug", "coffee cup"),
            adjectives=("stoneware", "handmade", "cosy"),
            benefits=("for slow mornings", "that keeps coffee hot", "for every kitchen"),
            slogans=("Slow mornings, warm hands", "Made for the first sip", "Pour. Pause. Enjoy."),
            prices=(9, 29),
        ),
        Product(
            shape="bottle",
            nouns=("water bottle", "flask"),
            adjectives=("insulated", "leakproof", "steel"),
            benefits=("for long hikes", "that keeps drinks cold", "for every commute"),
            slogans=("Stay cool all day", "Fill it. Take it. Go.", "Fresh, wherever you are"),
            prices=(12, 39),
        ),
    ),
    (
        Product(
            shape="headphones",
            nouns=("headphones", "headset"),
            adjectives=("wireless", "noise-cancelling", "featherlight"),
            benefits=("for deep focus", "with a battery that lasts", "for every playlist"),
            slogans=("Hear what matters", "Turn the world down", "Your sound, anywhere"),
            prices=(49, 249),
        ),
        Product(
            shape="watch",
            nouns=("watch", "wristwatch"),
            adjectives=("slim", "titanium", "classic"),
            benefits=("for every occasion", "that runs for years", "with a sapphire face"),
            slogans=("Time, well kept", "Every second counts", "Simple. Precise. Yours."),
            prices=(79, 299),
        ),
    ),
    (
        Product(
            shape="backpack",
            nouns=("backpack", "rucksack"),
            adjectives=("weatherproof", "roomy", "everyday"),
            benefits=("for work and weekends", "that fits it all", "built to travel"),
            slogans=("Pack less, go further", "Ready when you are", "Carry it all, lightly"),
            prices=(39, 149),
        ),
        Product(
            shape="sneaker",
            nouns=("sneakers", "running shoes"),
            adjectives=("cushioned", "lightweight", "flexible"),
            benefits=("for long runs", "that feel like air", "for road and trail"),
            slogans=("Run a little further", "Light on your feet", "Find your stride"),
            prices=(49, 159),
        ),
    ),
    (
        Product(
            shape="lamp",
            nouns=("lamp", "reading light"),
            adjectives=("dimmable", "warm", "minimal"),
            benefits=("for late readers", "that sets the mood", "for every corner"),
            slogans=("A softer evening", "Light that feels like home", "Glow up the room"),
            prices=(29, 119),
        ),
        Product(
            shape="plant",
            nouns=("house plant", "potted plant"),
            adjectives=("easy-care", "leafy", "air-cleaning"),
            benefits=("for busy people", "that thrives in shade", "delivered with its pot"),
            slogans=("Bring the outside in", "Let your home breathe", "Greener by Friday"),
            prices=(15, 59),
        ),
    ),
)
"""Pairs of products that one brand sells side by side."""
