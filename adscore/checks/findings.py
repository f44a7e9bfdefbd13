"""What a check says of creatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Severity(StrEnum):
    """What breaking a rule means; the values are those of `check --json`."""

    ERROR = "error"  # the platform refuses the creative, or shows it cut
    WARNING = "warning"  # it runs, and is likely to do worse or to reach fewer people


class Box(NamedTuple):
    """A part of an image, in pixels from its upper left corner, upright."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a creative breaks.

    Attributes:
        rule: Stable name of the rule.
        severity: What breaking it means.
        message: What is wrong and what to do, for a person.
        expected: What the rule asks for.
        received: What the creative has.
        source: Where the rule stands.
        boxes: Where on the image; empty where it is of no part of it.
    """

    rule: str
    severity: Severity
    message: str
    expected: str
    received: str
    source: str
    boxes: tuple[Box, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON has it; boxes where there are any."""
        plain: dict[str, Any] = {
            "rule": self.rule,
            "severity": self.severity.value,
            "message": self.message,
            "expected": self.expected,
            "received": self.received,
            "source": self.source,
        }
        if self.boxes:
            plain["boxes"] = [[round(side, 1) for side in box] for box in self.boxes]
        return plain


@dataclass(frozen=True, slots=True)
class CheckedCreative:
    """What was found of one creative.

    Attributes:
        id: Its id.
        findings: Errors first.
    """

    id: str
    findings: tuple[Finding, ...] = ()

    @property
    def may_run(self) -> bool:
        """Whether it has no error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    def with_findings(self, more: Sequence[Finding]) -> "CheckedCreative":
        """The same with further findings."""
        every = (*self.findings, *more)
        return CheckedCreative(self.id, tuple(sorted(every, key=lambda one: one.severity)))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found of some creatives.

    Attributes:
        placement: Name of the placement whose rules were used.
        creatives: One for each creative, in their order.
        not_checked: What could not be checked and why, a text each.
    """

    placement: str
    creatives: tuple[CheckedCreative, ...]
    not_checked: tuple[str, ...] = ()

    def to_dict(self) -> Mapping[str, Any]:
        """The report as `check --json` writes it."""
        return {
            "placement": self.placement,
            "creatives": [
                {"id": one.id, "findings": [finding.to_dict() for finding in one.findings]}
                for one in self.creatives
            ],
            "not_checked": list(self.not_checked),
        }
