"""Every kind of rules, by the names in the data."""

from collections.abc import Mapping

from adscore.checks.kinds.animation import ANIMATION_KINDS
from adscore.checks.kinds.banner import BANNER_KINDS
from adscore.checks.kinds.file import FILE_KINDS
from adscore.checks.kinds.headline import HEADLINE_KINDS
from adscore.checks.kinds.kind import Kind, Limit, Subject
from adscore.checks.rules import Rule


def _nothing(_: Limit, __: Subject) -> None:
    """What is looked for elsewhere."""


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
    """What a rule asks for, in words."""
    return KINDS[rule.name].expected(rule.limit)
