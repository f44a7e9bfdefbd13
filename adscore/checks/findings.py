"""Results of a check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Severity(StrEnum):
    """Consequence of breaking a rule; the values are those of `check --json`."""

    ERROR = "error"  # the platform refuses the creative, or shows it truncated
    WARNING = "warning"  # it runs, but is likely to do worse or reach fewer people


class Box(NamedTuple):
    """A part of an image, in pixels from the upper left corner of the upright image."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a creative breaks.

    Attributes:
        rule: Stable name of the rule.
        severity: Consequence of breaking it.
        message: What is wrong and what to do, for users.
        expected: What the rule asks for.
        received: What was found in the creative.
        source: Where the rule is published.
        boxes: Places on the image; empty if the finding is not about a part of it.
    """

    rule: str
    severity: Severity
    message: str
    expected: str
    received: str
    source: str
    boxes: tuple[Box, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The finding for JSON; has boxes only if there are any."""
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
    """Findings for one creative.

    Attributes:
        id: Id of the creative.
        findings: Findings, errors first.
    """

    id: str
    findings: tuple[Finding, ...] = ()

    @property
    def may_run(self) -> bool:
        """Whether there are no errors."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    def with_findings(self, more: Sequence[Finding]) -> "CheckedCreative":
        """A copy with further findings."""
        every = (*self.findings, *more)
        return CheckedCreative(self.id, tuple(sorted(every, key=lambda one: one.severity)))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Findings for several creatives.

    Attributes:
        placement: Name of the placement whose rules were used.
        creatives: One for each creative, in order.
        not_checked: What could not be checked, and why.
    """

    placement: str
    creatives: tuple[CheckedCreative, ...]
    not_checked: tuple[str, ...] = ()

    def to_dict(self) -> Mapping[str, Any]:
        """The report as in `check --json`."""
        return {
            "placement": self.placement,
            "creatives": [
                {"id": one.id, "findings": [finding.to_dict() for finding in one.findings]}
                for one in self.creatives
            ],
            "not_checked": list(self.not_checked),
        }
