"""Where things stand on a banner of a given size, in pixels from its top left corner."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; fractions of a pixel are allowed."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, (x, y)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def square(self, scale: float) -> "Box":
        """The largest centred square that fits, times a scale."""
        half = min(self.width, self.height) * scale / 2
        x, y = self.centre
        return Box(x - half, y - half, x + half, y + half)

    def mirrored(self, banner_width: float) -> "Box":
        """The box seen in a mirror that stands beside the banner."""
        return Box(banner_width - self.right, self.top, banner_width - self.left, self.bottom)

    def overlaps(self, other: "Box", margin: float = 0.0) -> bool:
        """Whether the two come nearer to each other than the margin, in pixels."""
        return (
            self.left < other.right + margin
            and other.left < self.right + margin
            and self.top < other.bottom + margin
            and other.top < self.bottom + margin
        )


@dataclass(frozen=True)
class Layout:
    """The boxes of a banner's parts.

    Attributes:
        brand: The advertiser's name.
        slogan: The short copy.
        button: The call to action.
        product: The drawn product, at its largest.
        badge: The price badge, a square that touches the product's corner.
        centred: Whether text is centred in its box and not set to the left.
        slogan_size: Largest font size of the slogan in pixels.
    """

    brand: Box
    slogan: Box
    button: Box
    product: Box
    badge: Box
    centred: bool
    slogan_size: float


def arrange(size: tuple[int, int], mirrored: bool) -> Layout:
    """The layout for a size, (width, height) in pixels.

    A mirrored banner swaps left and right, or product and slogan where the banner is a tower.
    """
    width, height = size
    if height > 1.5 * width:
        return _tower(width, height, product_first=mirrored)
    layout = _strip(width, height) if width > 2 * height else _block(width, height)
    return _mirror(layout, width) if mirrored else layout


def _block(width: float, height: float) -> Layout:
    margin = 0.07 * height
    middle = 0.48 * width
    product = Box(middle + margin / 2, margin, width - margin / 2, height - margin)
    return Layout(
        brand=Box(margin, margin, middle, margin + 0.09 * height),
        slogan=Box(margin, 0.22 * height, middle, 0.68 * height),
        button=Box(margin, 0.76 * height, middle, height - margin),
        product=product,
        badge=_badge(product, diameter=0.29 * height),
        centred=False,
        slogan_size=0.155 * height,
    )


def _tower(width: float, height: float, product_first: bool) -> Layout:
    margin = 0.08 * width
    slogan_height = 0.2 * height
    if product_first:
        product = Box(margin, 0.10 * height, width - margin, 0.57 * height)
        slogan_top = 0.62 * height
    else:
        slogan_top = 0.11 * height
        product = Box(margin, 0.35 * height, width - margin, 0.82 * height)
    button_height = min(0.09 * height, 0.3 * width)
    button_bottom = height - 1.3 * margin
    square = product.square(1.0)
    return Layout(
        brand=Box(margin, margin, width - margin, margin + 0.04 * height),
        slogan=Box(margin, slogan_top, width - margin, slogan_top + slogan_height),
        button=Box(margin, button_bottom - button_height, width - margin, button_bottom),
        product=product,
        badge=_badge(square, diameter=0.36 * width),
        centred=True,
        slogan_size=0.155 * max(width, 200),
    )


def _strip(width: float, height: float) -> Layout:
    margin = 0.08 * height
    product = Box(margin, margin, margin + 1.15 * height, height - margin)
    button_width = min(1.9 * height, 0.21 * width)
    button_height = min(0.52 * height, 0.34 * button_width)
    button_right = width - max(2 * margin, 0.02 * width)
    button_top = (height - button_height) / 2
    text_left = product.right + 0.32 * height
    text_right = button_right - button_width - 0.03 * width
    brand_height = max(0.12 * height, min(0.22 * height, 18.0))
    return Layout(
        brand=Box(text_left, 0.12 * height, text_right, 0.12 * height + brand_height),
        slogan=Box(text_left, 0.34 * height, text_right, 0.92 * height),
        button=Box(
            button_right - button_width, button_top, button_right, button_top + button_height
        ),
        product=product,
        badge=_badge(product, diameter=0.48 * height),
        centred=False,
        slogan_size=min(0.4 * height, 50),
    )


def _badge(product: Box, diameter: float) -> Box:
    """A square at the product's upper right corner, a little outside it but on the banner."""
    right = product.right + 0.1 * diameter
    top = max(product.top - 0.1 * diameter, 1.0)
    return Box(right - diameter, top, right, top + diameter)


def _mirror(layout: Layout, width: float) -> Layout:
    return Layout(
        brand=layout.brand.mirrored(width),
        slogan=layout.slogan.mirrored(width),
        button=layout.button.mirrored(width),
        product=layout.product.mirrored(width),
        badge=layout.badge.mirrored(width),
        centred=layout.centred,
        slogan_size=layout.slogan_size,
    )
