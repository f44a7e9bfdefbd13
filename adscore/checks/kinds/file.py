"""Rules of the file: pixels, shape, format and weight."""

import math
from collections.abc import Mapping, Sequence

from adscore.checks.image import BannerImage
from adscore.checks.kinds.kind import Fault, Kind, Limit, Subject, as_number


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
    # Sides are whole pixels: half of one more or less is no other shape.
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
