"""Rules of the headline."""

from collections.abc import Mapping

from adscore.checks.headline import display_width, repeated_share
from adscore.checks.kinds.kind import Fault, Kind, Limit, Subject


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
