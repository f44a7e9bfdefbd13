"""Rules of what is on a banner, most of them of its text."""

from collections.abc import Mapping, Sequence

from adscore.checks.contrast import MAX_RATIO, share_apart
from adscore.checks.findings import Box
from adscore.checks.image import BannerImage
from adscore.checks.kinds.kind import Fault, Kind, Limit, Subject, as_number
from adscore.checks.text import Line, covered_share


def _find_blank(limit: Limit, subject: Subject) -> Fault | None:
    share = share_apart(subject.banner.pixels)
    if share >= limit["min_share"]:
        return None
    return Fault("The image is blank, or nearly so: check the file", f"{share:.2%} of it")


def _in_file(image: BannerImage, lines: Sequence[Line]) -> tuple[Box, ...]:
    return tuple(Box(*(side / image.scale for side in line.ink)) for line in lines)


def _find_coverage(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    height, width = image.pixels.shape[:2]
    share = covered_share(image.lines, width, height)
    if share <= limit["max_share"]:
        return None
    return Fault(
        "Much of the banner is text: say less on it, and more in the headline",
        f"{share:.0%} of the image",
        _in_file(image, image.lines),
    )


def _css_pixels(image: BannerImage, line: Line, shown_width: int | None) -> float:
    width: int = image.pixels.shape[1]
    return line.height * (shown_width or image.width) / width


def _find_height(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    heights = [(_css_pixels(image, line, subject.shown_width), line) for line in image.lines]
    small = [(height, line) for height, line in heights if height < limit["min_pixels"]]
    if not small:
        return None
    lowest = min(height for height, _ in small)
    return Fault(
        "Text is too small to read as the banner is shown: draw it larger, or leave it out",
        f"{lowest:.1f} pixels",
        _in_file(image, [line for _, line in small]),
    )


def _find_contrast(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    faint = []
    for line in image.lines:
        is_large = _css_pixels(image, line, subject.shown_width) >= limit["large_pixels"]
        asked = limit["min_ratio_large" if is_large else "min_ratio"]
        if line.contrast < asked:
            faint.append((line.contrast, asked, line))
    if not faint:
        return None
    lowest = min(contrast for contrast, _, _ in faint)
    return Fault(
        "Text is hard to tell from its ground: darken one, or lighten the other",
        f"{lowest:.1f} to 1 at the least",
        _in_file(image, [line for _, _, line in faint]),
    )


_SIDES = ("top", "bottom", "left", "right")


def _find_unsafe(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    if (
        "for_ratio" in limit
        and abs(image.width / image.height / as_number(limit["for_ratio"]) - 1) > 0.05
    ):
        return None
    height, width = image.pixels.shape[:2]
    top, bottom, left, right = (limit.get(side, 0.0) for side in _SIDES)
    kept = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    # A pixel of anti-aliasing is no text.
    cut = [
        line
        for line in image.lines
        if line.ink.left < kept[0] - 1
        or line.ink.top < kept[1] - 1
        or line.ink.right > kept[2] + 1
        or line.ink.bottom > kept[3] + 1
    ]
    if not cut:
        return None
    words = ", ".join(repr(line.text) for line in cut[:3] if line.text)
    count = f"{len(cut)} {'lines' if len(cut) > 1 else 'line'} of text"
    return Fault(
        "The placement lays its own controls over this text: move it towards the middle",
        f"{count} there: {words}" if words else f"{count} there",
        _in_file(image, cut),
    )


def _expected_safe(limit: Limit) -> str:
    parts = [f"{limit[side]:.0%} at the {side}" for side in _SIDES if side in limit]
    return f"no text in the outer {', '.join(parts)}"


BANNER_KINDS: Mapping[str, Kind] = {
    "image-blank": Kind(
        lambda limit: f"{limit['min_share']:.1%} of the image or more that stands out",
        _find_blank,
        "image",
    ),
    "text-coverage": Kind(
        lambda limit: f"text on at most {limit['max_share']:.0%} of the image",
        _find_coverage,
        "text",
    ),
    "text-height": Kind(
        lambda limit: f"letters at least {limit['min_pixels']} pixels high as they are shown",
        _find_height,
        "text",
    ),
    "text-contrast": Kind(
        lambda limit: (
            f"a contrast of at least {limit['min_ratio']} to 1, of {limit['min_ratio_large']} to 1 "
            f"for large text (black on white has {MAX_RATIO})"
        ),
        _find_contrast,
        "text",
    ),
    "safe-area": Kind(_expected_safe, _find_unsafe, "text"),
}
