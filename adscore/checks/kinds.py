"""All kinds of rules, with what they expect and find; `KINDS` has them by name."""

import math
from collections.abc import Mapping, Sequence

from adscore.checks.contrast import MAX_RATIO, share_apart
from adscore.checks.findings import Box
from adscore.checks.headline import display_width, repeated_share
from adscore.checks.image import BannerImage
from adscore.checks.kind import Fault, Kind, Limit, Subject, as_number
from adscore.checks.rules import Rule
from adscore.checks.text import Line, covered_share

# === The file: pixels, shape, format and weight ===


def _listed(sizes: Sequence[Sequence[int]]) -> str:
    return " or ".join(f"{width} x {height}" for width, height in sizes)


def _nearest(image: BannerImage, sizes: Sequence[Sequence[int]]) -> Sequence[int]:
    """The size whose shape is nearest to the image's; a height of 0 fits any shape."""
    shape = image.width / image.height
    return min(sizes, key=lambda size: abs(math.log(shape * size[1] / size[0])) if size[1] else 0)


def _find_size(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    there = (image.width, image.height)
    scales = limit.get("scales", [1])
    for width, height in limit["sizes"]:
        if there in [(width * scale, height * scale) for scale in scales]:
            return None
    return Fault("Draw the banner in a size that the placement takes", _pixels(image))


def _expected_size(limit: Limit) -> str:
    scales = [f"{scale}" for scale in limit.get("scales", [1]) if scale != 1]
    times = f", or {' or '.join(scales)} times that" if scales else ""
    return f"{_listed(limit['sizes'])} pixels{times}"


def _pixels(image: BannerImage) -> str:
    return f"{image.width} x {image.height} pixels"


def _find_min_size(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    width, height = _nearest(image, limit["sizes"])
    if image.width >= width and image.height >= height:
        return None
    return Fault("The image is too small: export it larger, and do not scale it up", _pixels(image))


def _find_max_size(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    width, height = _nearest(image, limit["sizes"])
    if image.width <= width and image.height <= height:
        return None
    return Fault("The image is too large: scale it down", _pixels(image))


def _find_ratio(limit: Limit, subject: Subject) -> Fault | None:
    image = subject.banner
    # Sides are whole pixels, so allow half a pixel of difference.
    shape, half = image.width / image.height, 0.5 / min(image.width, image.height)
    slack = 1 + limit["tolerance"] + half
    if "from" in limit:
        fits = as_number(limit["from"]) / slack <= shape <= as_number(limit["to"]) * slack
    else:
        fits = any(1 / slack <= shape / as_number(one) <= slack for one in limit["ratios"])
    if fits:
        return None
    return Fault(
        "Crop or lay out the image anew in a shape that the placement takes",
        f"{shape:.2f}:1 ({_pixels(image)})",
    )


def _expected_ratio(limit: Limit) -> str:
    tolerance = f" (within {limit['tolerance']:.0%})"
    if "from" in limit:
        return f"a shape from {limit['from']} to {limit['to']}{tolerance}"
    return f"a shape of {' or '.join(limit['ratios'])}{tolerance}"


def _find_format(limit: Limit, subject: Subject) -> Fault | None:
    kind = subject.banner.format
    if kind in limit["formats"]:
        return None
    return Fault(f"Save the image as {limit['formats'][0]}", kind)


def _find_bytes(limit: Limit, subject: Subject) -> Fault | None:
    size = len(subject.banner.data)
    if size <= limit["max"]:
        return None
    return Fault("The file is too heavy: compress it more, or use fewer colours", f"{size:,} bytes")


FILE_KINDS: Mapping[str, Kind] = {
    "image-size": Kind(_expected_size, _find_size, "image"),
    "image-min-size": Kind(
        lambda limit: f"at least {_listed(limit['sizes']).replace(' x 0', ' wide')} pixels",
        _find_min_size,
        "image",
    ),
    "image-max-size": Kind(
        lambda limit: f"at most {_listed(limit['sizes'])} pixels", _find_max_size, "image"
    ),
    "image-ratio": Kind(_expected_ratio, _find_ratio, "image"),
    "image-formats": Kind(lambda limit: " or ".join(limit["formats"]), _find_format, "image"),
    "image-bytes": Kind(lambda limit: f"at most {limit['max']:,} bytes", _find_bytes, "image"),
}


# === Animation ===


def _find_animation(_: Limit, subject: Subject) -> Fault | None:
    animation = subject.banner.animation
    if not animation.moves:
        return None
    return Fault("Save a single frame: animation is not shown", f"{animation.frames} frames")


def _find_seconds(limit: Limit, subject: Subject) -> Fault | None:
    animation = subject.banner.animation
    # Delays are in hundredths of a second.
    if animation.seconds <= limit["max"] + 0.01:
        return None
    if math.isinf(animation.seconds):
        rounds = max(1, int(limit["max"] // max(animation.round_seconds, 0.01)))
        return Fault(
            f"The animation never stops: let it play {rounds} {'times' if rounds > 1 else 'time'}",
            f"a loop of {animation.round_seconds:.1f} seconds without end",
        )
    received = f"{animation.seconds:.1f} seconds"
    return Fault("The animation is too long: shorten it, or play it less often", received)


def _find_frames(limit: Limit, subject: Subject) -> Fault | None:
    frames = subject.banner.animation.frames
    if frames <= limit["max"]:
        return None
    return Fault("The animation has too many frames: leave some out", f"{frames} frames")


def _find_speed(limit: Limit, subject: Subject) -> Fault | None:
    speed = subject.banner.animation.frames_per_second
    if speed <= limit["max"] + 0.01:
        return None
    return Fault("The animation is too fast: show each frame longer", f"{speed:.1f} a second")


ANIMATION_KINDS: Mapping[str, Kind] = {
    "animation": Kind(lambda _: "a single frame", _find_animation, "image"),
    "animation-seconds": Kind(
        lambda limit: f"at most {limit['max']} seconds, all rounds together",
        _find_seconds,
        "image",
    ),
    "animation-frames": Kind(lambda limit: f"at most {limit['max']} frames", _find_frames, "image"),
    "animation-speed": Kind(
        lambda limit: f"at most {limit['max']} frames a second", _find_speed, "image"
    ),
}


# === Content of the banner, mostly text ===


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
    # Ignore a pixel of anti-aliasing.
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


# === The headline ===


def _find_width(limit: Limit, subject: Subject) -> Fault | None:
    width = display_width(subject.headline)
    if width <= limit["max"]:
        return None
    wide = " (Chinese, Japanese and Korean characters and emoji take two)"
    note = wide if width > len(subject.headline) else ""
    return Fault("The headline is too long: it is refused, or shown cut", f"{width} columns{note}")


def _find_characters(limit: Limit, subject: Subject) -> Fault | None:
    count = len(subject.headline)
    maximum = limit.get("max", limit.get("max_characters"))
    if count <= maximum:
        return None
    return Fault("The headline is too long: shorten it", f"{count:,} characters")


def _find_repeated(limit: Limit, subject: Subject) -> Fault | None:
    share = repeated_share(subject.headline, subject.said)
    if share < limit["min_share"]:
        return None
    return Fault(
        "The banner says what the headline says: use one of them to say something more",
        f"{share:.0%} of its words",
    )


HEADLINE_KINDS: Mapping[str, Kind] = {
    "headline-width": Kind(
        lambda limit: f"at most {limit['max']} columns", _find_width, "headline"
    ),
    "headline-characters": Kind(
        lambda limit: f"at most {limit['max']} characters", _find_characters, "headline"
    ),
    "headline-length": Kind(
        lambda limit: f"at most {limit['max_characters']:,} characters",
        _find_characters,
        "headline",
    ),
    "headline-repeated": Kind(
        lambda limit: f"less than {limit['min_share']:.0%} of the headline's words on the banner",
        _find_repeated,
        "headline",
    ),
}


# === All kinds, by their name in the data ===


def _nothing(_: Limit, __: Subject) -> None:
    """For rules that are checked elsewhere."""


_ELSEWHERE = {
    "image-readable": Kind(lambda _: "an image file that can be read", _nothing, "image"),
    "near-duplicate": Kind(lambda _: "creatives that differ to the eye", _nothing, "several"),
}
KINDS: Mapping[str, Kind] = {
    **FILE_KINDS,
    **ANIMATION_KINDS,
    **BANNER_KINDS,
    **HEADLINE_KINDS,
    **_ELSEWHERE,
}


def expected(rule: Rule) -> str:
    """What a rule expects, in words."""
    return KINDS[rule.name].expected(rule.limit)
