"""One violation of each rule, planted in a banner of the sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from adscore.creative import Creative
from checking_bench.banners import Banner, encoded

GOOGLE, STORIES = "google-image-ad", "meta-stories"
_WORDS = ("Terms apply", "Only this week", "Order by noon", "New in store", "Ask us why")


@dataclass(frozen=True, slots=True)
class Case:
    """Creatives of which the last breaks a rule of a placement."""

    placement: str
    creatives: tuple[Creative, ...]


def placement_of(banner: Banner) -> str:
    """The placement that takes its size."""
    return "iab-mobile-banner" if banner.image.size == (320, 50) else GOOGLE


def _one(placement: str, data: bytes, headline: str = "") -> Case:
    return Case(placement, (Creative(headline, data),))


def _wrong_size(banner: Banner, rng: np.random.Generator) -> Case:
    width, height = banner.image.size
    size = (width - int(rng.integers(1, 9)), height + int(rng.integers(0, 9)))
    return _one(GOOGLE, encoded(banner.image.resize(size)))


def _too_heavy(banner: Banner, rng: np.random.Generator) -> Case:
    noise = rng.normal(0, 25, (*banner.image.size[::-1], 3))
    pixels = (np.asarray(banner.image) + noise).clip(0, 255).astype(np.uint8)
    data = encoded(Image.fromarray(pixels), "PNG")
    return _one(GOOGLE, data + bytes(max(0, 153_601 + int(rng.integers(0, 9_000)) - len(data))))


def _wrong_format(banner: Banner, _: np.random.Generator) -> Case:
    return _one(GOOGLE, encoded(banner.image, "WEBP"))


def _wrong_shape(banner: Banner, rng: np.random.Generator) -> Case:
    height = int(1_920 * rng.choice([0.5, 0.8, 0.95, 1.1]))
    return _one(STORIES, encoded(banner.image.resize((1_080, height))))


def _too_small(banner: Banner, rng: np.random.Generator) -> Case:
    side = int(rng.integers(150, 299))
    return _one("google-responsive-display", encoded(banner.image.resize((side, side))))


def _too_long(banner: Banner, rng: np.random.Generator) -> Case:
    frames = [banner.image.point(lambda v, n=n: min(255, v + 9 * n)) for n in range(4)]
    delay, loop = int(rng.integers(7_700, 20_000)), int(rng.integers(0, 2))
    moving = {"save_all": True, "append_images": frames[1:], "duration": delay, "loop": loop}
    data = encoded(frames[0], "GIF", **moving)
    return _one(GOOGLE, data)


def _long_headline(banner: Banner, rng: np.random.Generator) -> Case:
    wide = "夏のセール開催中今すぐお店へどうぞ"
    latin = (banner.creative.headline.text + " today and tomorrow")[: int(rng.integers(31, 40))]
    headline = wide[: int(rng.integers(16, 18))] if rng.random() < 0.5 else latin.ljust(31, "!")
    return Case("google-responsive-display", (Creative(headline, b""),))


def _blank(banner: Banner, rng: np.random.Generator) -> Case:
    ground = tuple(int(value) for value in rng.integers(0, 256, 3))
    image = Image.new("RGB", banner.image.size, ground)
    if rng.random() < 0.5:  # a speck does not help
        image.paste(tuple(255 - value for value in ground), (3, 3, 6, 6))
    return _one(GOOGLE, encoded(image))


def _story(banner: Banner) -> Image.Image:
    """A story without text, of the banner's colours."""
    blurred = banner.image.resize((1_080, 1_920)).filter(ImageFilter.GaussianBlur(60))
    return blurred.point(lambda value: value // 3)


def _write(
    image: Image.Image, rng: np.random.Generator, place: float, size: int, ink: tuple[int, ...]
) -> str:
    words = str(rng.choice(_WORDS))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    where = (image.width * rng.uniform(0.4, 0.6), image.height * place)
    pen.text(where, words, fill=ink, font=font, anchor="mm")
    return words


def _unsafe(banner: Banner, rng: np.random.Generator) -> Case:
    image = _story(banner)
    place = rng.uniform(0.03, 0.11) if rng.random() < 0.5 else rng.uniform(0.83, 0.97)
    _write(image, rng, float(place), 60, (255, 255, 255))
    return _one(STORIES, encoded(image))


def _tiny(banner: Banner, rng: np.random.Generator) -> Case:
    image = _story(banner)
    _write(image, rng, float(rng.uniform(0.3, 0.6)), int(rng.integers(14, 19)), (255, 255, 255))
    return _one(STORIES, encoded(image))


def _faint(_: Banner, rng: np.random.Generator) -> Case:
    grey = int(rng.integers(120, 240))
    image = Image.new("RGB", (300, 250), (grey, grey, grey))
    image.paste((200, 60, 30), (20, 20, 60, 60))
    lighter = int(grey * rng.uniform(0.62, 0.85))  # a contrast of 1.3 to 2.6
    _write(image, rng, 0.6, 24, (lighter, lighter, lighter))
    return _one(GOOGLE, encoded(image))


def _crowded(_: Banner, rng: np.random.Generator) -> Case:
    image = Image.new("RGB", (300, 250), (250, 248, 240))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(30)
    for number in range(7):
        words = " ".join(rng.choice(_WORDS, 2))[:19]
        pen.text((8, 4 + 35 * number), words, fill=(20, 20, 60), font=font)
    return _one("meta-feed", encoded(image.resize((1_080, 900))))


def _repeated(banner: Banner, _: np.random.Generator) -> Case:
    image = Image.new("RGB", (336, 280), (245, 246, 250))
    headline = banner.creative.headline.text
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    words = headline.split()
    lines = [" ".join(words[start : start + 2]) for start in range(0, len(words), 2)]
    for number, line in enumerate(lines[:8]):
        pen.text((20, 12 + 32 * number), line, fill=(20, 20, 60), font=font)
    return _one(GOOGLE, encoded(image), headline)


def _twin(banner: Banner, rng: np.random.Generator) -> Case:
    width, height = banner.image.size
    close = banner.image.resize((width * 2, height * 2)).resize((width, height))
    quality = int(rng.integers(60, 95))
    creatives = (
        Creative("The same", banner.encoded("PNG")),
        Creative("The same", encoded(close, quality=quality)),
    )
    return Case(placement_of(banner), creatives)


VIOLATIONS: Mapping[str, Callable[[Banner, np.random.Generator], Case]] = {
    "image-size": _wrong_size,
    "image-bytes": _too_heavy,
    "image-formats": _wrong_format,
    "image-ratio": _wrong_shape,
    "image-min-size": _too_small,
    "animation-seconds": _too_long,
    "headline-width": _long_headline,
    "image-blank": _blank,
    "safe-area": _unsafe,
    "text-height": _tiny,
    "text-contrast": _faint,
    "text-coverage": _crowded,
    "headline-repeated": _repeated,
    "near-duplicate": _twin,
}
