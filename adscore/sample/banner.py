"""Draws one banner: ground, clutter, product, badge, copy and call to action."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from adscore.sample.canvas import Canvas, FontBook, blend, readable_on
from adscore.sample.catalogue import CALLS_TO_ACTION, Colour, Ground, PaletteFamily, Product
from adscore.sample.layout import Box, Layout, arrange
from adscore.sample.seeds import happens, pick
from adscore.sample.shapes import draw_product

_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)
_CONFETTI_PIECES = 46
_RAYS = 18


@dataclass(frozen=True)
class BannerStyle:
    """What one campaign's banners have in common.

    Attributes:
        brand: The advertiser's name.
        product: What the campaign advertises.
        companion: What the same brand sells beside it; some banners show it instead.
        price: Whole dollars.
        palette: The brand's colours.
        sizes: The sizes bought, (width, height) in pixels.
    """

    brand: str
    product: Product
    companion: Product
    price: int
    palette: PaletteFamily
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class BannerDesign:
    """One banner, decided but not drawn.

    Attributes:
        style: The campaign's style.
        size: Width and height in pixels.
        product: The product drawn.
        product_scale: Its size, from 0.5 to 1.0 of the room there is.
        strong_button: Whether the button has a contrasting colour, and not nearly the ground's.
        price_badge: Whether the price is shown.
        cluttered: Whether rays and confetti fill the ground.
        warm: Whether the ground is the family's warm one.
        mirrored: See `layout.arrange`.
        slogan: The copy painted on it.
        call_to_action: The button's label.
    """

    style: BannerStyle
    size: tuple[int, int]
    product: Product
    product_scale: float
    strong_button: bool
    price_badge: bool
    cluttered: bool
    warm: bool
    mirrored: bool
    slogan: str
    call_to_action: str

    @property
    def ground(self) -> Ground:
        """The background chosen from the palette."""
        return self.style.palette.warm if self.warm else self.style.palette.cool


def design_banner(style: BannerStyle, rng: np.random.Generator) -> BannerDesign:
    """Draw the traits independently of each other and of the headline."""
    return BannerDesign(
        style=style,
        size=pick(rng, style.sizes),
        product=style.companion if happens(rng, 0.3) else style.product,
        product_scale=float(rng.uniform(0.5, 1.0)),
        strong_button=happens(rng, 0.5),
        price_badge=happens(rng, 0.5),
        cluttered=happens(rng, 0.5),
        warm=happens(rng, 0.5),
        mirrored=happens(rng, 0.5),
        slogan=pick(rng, style.product.slogans),
        call_to_action=pick(rng, CALLS_TO_ACTION),
    )


def draw_banner(
    design: BannerDesign,
    fonts: FontBook,
    rng: np.random.Generator,
    without: Collection[str] = (),
) -> Image.Image:
    """The banner as an RGB image of the design's size.

    Args:
        design: What is drawn.
        fonts: Those of its copy.
        rng: Scatters the confetti, and nothing else.
        without: What is left out of ``"product"``, ``"badge"`` and ``"button"``.
    """
    layout = arrange(design.size, design.mirrored)
    canvas = Canvas(design.size, design.ground, fonts)
    if design.cluttered:
        _draw_rays(canvas, design, layout)
        _draw_confetti(canvas, design, layout, rng)
    if "product" not in without:
        _draw_product(canvas, design, layout)
    if design.price_badge and "badge" not in without:
        _draw_badge(canvas, design, layout)
    _draw_copy(canvas, design, layout)
    if "button" not in without:
        _draw_button(canvas, design, layout)
    return canvas.finish()


def _draw_rays(canvas: Canvas, design: BannerDesign, layout: Layout) -> None:
    x, y = layout.product.centre
    reach = math.hypot(*design.size)
    fill = blend(_middle(design.ground), design.style.palette.ink, 0.13)
    for ray in range(_RAYS):
        start, end = (2 * math.pi * (ray + width) / _RAYS for width in (0.0, 0.5))
        edge = [(x + reach * math.cos(a), y + reach * math.sin(a)) for a in (start, end)]
        canvas.polygon([(x, y), *edge], fill)


def _draw_confetti(
    canvas: Canvas, design: BannerDesign, layout: Layout, rng: np.random.Generator
) -> None:
    palette, (width, height) = design.style.palette, design.size
    unit = math.sqrt(width * height) * 0.026
    keep_clear = (layout.brand, layout.slogan, layout.button)
    colours = (palette.accent, palette.badge, palette.product)
    for _ in range(_CONFETTI_PIECES):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius, turn = unit * rng.uniform(0.5, 1.1), rng.uniform(0, 2 * math.pi)
        fill, kind = pick(rng, colours), pick(rng, ("disc", "ring", "triangle"))
        box = Box(x - radius, y - radius, x + radius, y + radius)
        if any(box.overlaps(taken, margin=unit / 2) for taken in keep_clear):
            continue
        if kind == "disc":
            canvas.ellipse(box, fill)
        elif kind == "ring":
            canvas.ring(box, fill, radius * 0.45)
        else:
            corners = [turn + 2 * math.pi * corner / 3 for corner in range(3)]
            points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in corners]
            canvas.polygon(points, fill)


def _draw_product(canvas: Canvas, design: BannerDesign, layout: Layout) -> None:
    square = layout.product.square(design.product_scale)
    halo = blend(_middle(design.ground), _WHITE, 0.6 if _is_light(design.ground) else 0.2)
    canvas.ellipse(square, halo)
    inner = square.square(0.8)
    shadow = Box(
        inner.left + 0.1 * inner.width, inner.bottom - 0.06 * inner.height,
        inner.right - 0.1 * inner.width, inner.bottom + 0.05 * inner.height,
    )  # fmt: skip
    canvas.ellipse(shadow, blend(halo, _BLACK, 0.18))
    draw_product(design.product.shape, canvas, inner, design.style.palette.product)


def _draw_badge(canvas: Canvas, design: BannerDesign, layout: Layout) -> None:
    fill = design.style.palette.badge
    ink = readable_on(fill)
    canvas.ellipse(layout.badge.square(1.1), _middle(design.ground))
    canvas.ellipse(layout.badge, fill)
    inside = layout.badge.square(0.78)
    canvas.text(
        f"${design.style.price}", inside, ink,
        max_size=0.5 * layout.badge.height, centred=True, weight=0.03,
    )  # fmt: skip


def _draw_copy(canvas: Canvas, design: BannerDesign, layout: Layout) -> None:
    ink = design.style.palette.ink
    quiet = blend(ink, _middle(design.ground), 0.25)
    canvas.text(
        design.style.brand, layout.brand, quiet,
        max_size=layout.brand.height * 0.84, centred=layout.centred,
    )  # fmt: skip
    canvas.text(
        design.slogan, layout.slogan, ink,
        max_size=layout.slogan_size, centred=layout.centred, weight=0.02,
    )  # fmt: skip


def _draw_button(canvas: Canvas, design: BannerDesign, layout: Layout) -> None:
    palette, box = design.style.palette, layout.button
    if design.strong_button:
        fill, ink = palette.accent, readable_on(palette.accent)
    else:
        fill, ink = blend(_middle(design.ground), palette.ink, 0.12), palette.ink
    canvas.rounded(box, 0.28 * box.height, fill)
    label = Box(box.left + 0.1 * box.width, box.top, box.right - 0.1 * box.width, box.bottom)
    canvas.text(
        design.call_to_action, label, ink, max_size=0.46 * box.height, centred=True, weight=0.02
    )


def _middle(ground: Ground) -> Colour:
    return blend(ground.top, ground.bottom, 0.5)


def _is_light(ground: Ground) -> bool:
    return readable_on(_middle(ground)) != _WHITE
