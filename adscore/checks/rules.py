"""The rules of placements, from one YAML file per platform in this package."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from adscore.checks.findings import Severity
from adscore.errors import AdscoreError, did_you_mean

# Keys in the data of a rule that are not part of its limit.
_NOT_LIMITS = ("rule", "severity", "source")
_EVERYWHERE = "all.yaml"
# Characters of an unknown name that are processed: anyone may have written it.
_MAX_NAME = 80


class UnknownPlacementError(AdscoreError):
    """An unknown placement; the message suggests the nearest one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule is published.

    Attributes:
        title: Publisher and title.
        address: URL.
        date: When it was written or archived, as YYYY, YYYY-MM or YYYY-MM-DD; empty if the copy has
            no date.
        confirmed: Whether it was read on the platform's own site, or in a full copy of its page.
    """

    title: str
    address: str
    date: str = ""
    confirmed: bool = True

    def __str__(self) -> str:
        """The source as findings show it."""
        date = f", {self.date}" if self.date else ""
        return f"{self.title}{date} ({self.address}){'' if self.confirmed else ', unconfirmed'}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a placement.

    Attributes:
        name: Name of its kind, see `adscore.checks.kinds`.
        severity: Consequence of breaking it; unconfirmed rules are warnings.
        limit: Numbers of the rule, by the names that its kind uses.
        source: Where it is published.
    """

    name: str
    severity: Severity
    limit: Mapping[str, Any]
    source: Source


@dataclass(frozen=True, slots=True)
class Placement:
    """A place where ads run.

    Attributes:
        name: Name, e.g. ``"meta-feed"``.
        platform: Platform that sells it.
        title: Display name.
        rules: Its rules, including those that hold everywhere.
        shown_width: Displayed width of images in CSS pixels; None if they are shown at their own
            size.
    """

    name: str
    platform: str
    title: str
    rules: tuple[Rule, ...]
    shown_width: int | None = None


@functools.cache
def placements() -> Mapping[str, Placement]:
    """All placements by name, ordered by platform and name."""
    folder = resources.files(__package__).joinpath("placements")
    everywhere = yaml.safe_load(folder.joinpath(_EVERYWHERE).read_text("utf-8"))
    general = _rules(everywhere["rules"], _sources(everywhere))
    found: dict[str, Placement] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml") and file.name != _EVERYWHERE:
            found |= _placements(yaml.safe_load(file.read_text("utf-8")), general)
    return found


def find_placement(name: str) -> Placement:
    """Finds a placement by name.

    Raises:
        UnknownPlacementError: There is no such placement.
    """
    known = placements()
    if name in known:
        return known[name]
    shown = name[:_MAX_NAME]
    hint = did_you_mean(shown.casefold(), known, alike=0.5) or "."
    raise UnknownPlacementError(
        f"expected one of the placements {', '.join(known)}. Received: {shown!r}{hint}"
    )


def _placements(data: Mapping[str, Any], general: Iterable[Rule]) -> dict[str, Placement]:
    sources = _sources(data)
    found = {}
    for name, placement in data["placements"].items():
        own = _rules(placement["rules"], sources)
        names = {rule.name for rule in own}
        rest = tuple(rule for rule in general if rule.name not in names)
        found[name] = Placement(
            name, data["platform"], placement["title"], own + rest, placement.get("shown_width")
        )
    return found


def _sources(data: Mapping[str, Any]) -> dict[str, Source]:
    return {
        name: Source(**{**source, "date": str(source.get("date", ""))})
        for name, source in data["sources"].items()
    }


def _rules(data: Iterable[Mapping[str, Any]], sources: Mapping[str, Source]) -> tuple[Rule, ...]:
    rules = []
    for rule in data:
        source = sources[rule["source"]]
        usual = Severity.ERROR if source.confirmed else Severity.WARNING
        limit = {name: value for name, value in rule.items() if name not in _NOT_LIMITS}
        severity = Severity(rule.get("severity", usual))
        rules.append(Rule(rule["rule"], severity, limit, source))
    return tuple(rules)
