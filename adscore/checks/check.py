"""Checks creatives against the rules of a placement."""

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from adscore.checks.findings import CheckedCreative, CheckReport, Finding
from adscore.checks.fingerprint import Fingerprint, fingerprint
from adscore.checks.image import BannerImage
from adscore.checks.kind import Fault, Subject
from adscore.checks.kinds import KINDS, expected
from adscore.checks.rules import Placement, Rule
from adscore.checks.text import OcrMissingError
from adscore.cores import in_order
from adscore.creative import Creative, InputLimits
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.pixel_budget import PixelBudget

# Some platforms take files of up to 100 MiB, but here a banner has to be decoded.
LIMITS = InputLimits(max_image_bytes=32 * 1024 * 1024)
# A campaign combines an image with several headlines; each image is checked once.
_REMEMBERED_IMAGES = 128
# How many earlier creatives with the same headline a creative is compared with, the latest first.
_MAX_COMPARED = 1_000


@dataclass(frozen=True, slots=True)
class Checked:
    """Findings for a creative, and what it is compared by.

    Attributes:
        creative: The findings.
        headline: Its headline, normalised for comparison.
        fingerprint: Fingerprint of its image; None without a readable image.
    """

    creative: CheckedCreative
    headline: str
    fingerprint: Fingerprint | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """Results for an image, whatever the headline.

    Attributes:
        findings: Findings of the image's rules.
        lines: Lines of text on it.
        fingerprint: Fingerprint of the image; None if it is blank or broken.
    """

    findings: tuple[Finding, ...]
    lines: tuple[str, ...]
    fingerprint: Fingerprint | None


class Checker:
    """Checks creatives against the rules of one placement; safe to use from many threads.

    Args:
        placement: Placement whose rules are checked.
        limits: Limits on the file and image size.
        budget: Limits the pixels decoded at once; None creates one.

    Attributes:
        not_checked: What could not be checked so far, and why.
        budget: The budget in use.
    """

    def __init__(
        self,
        placement: Placement,
        limits: InputLimits = LIMITS,
        budget: PixelBudget | None = None,
    ) -> None:
        self.placement = placement
        self.not_checked: list[str] = []
        self._limits = limits
        self.budget = budget or PixelBudget(limits.max_image_pixels)
        self._rules = {rule.name: rule for rule in placement.rules}
        self._seen: OrderedDict[bytes, Future[_Seen]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, creative: Creative) -> Checked:
        """Checks one creative; faults become findings, never errors."""
        if not creative.image and not creative.headline.strip():
            return self.unreadable(creative, _nothing_given())
        seen = self._look(creative.image) if creative.image else None
        findings = list(seen.findings if seen else ())
        findings += self._about_headline(creative.headline, seen.lines if seen else ())
        checked = CheckedCreative(creative.id).with_findings(findings)
        headline = " ".join(creative.headline.split()).casefold()
        return Checked(checked, headline, seen.fingerprint if seen else None)

    def unreadable(self, creative: Creative, error: InvalidCreativeError) -> Checked:
        """The finding for a creative of which a part cannot be read."""
        found = CheckedCreative(creative.id, (self._unreadable(error),))
        return Checked(found, "", None)

    def compared(self, group: Sequence[Checked]) -> list[CheckedCreative]:
        """Findings for the creatives of one campaign, including near-duplicates among them.

        Compares only creatives with the same headline: one banner under two headlines is a test.
        """
        rule = self._rules.get("near-duplicate")
        if rule is None:
            return [one.creative for one in group]
        compared = []
        before: dict[str, deque[Checked]] = {}
        for one in group:
            others = before.setdefault(one.headline, deque(maxlen=_MAX_COMPARED))
            twin = next((other for other in others if _is_twin(one, other, rule)), None)
            others.append(one)
            fault = twin and Fault(
                "It differs too little from another creative to learn anything from both",
                f"almost the same as {twin.creative.id or 'one before it'}",
            )
            compared.append(one.creative.with_findings([_finding(rule, fault)] if fault else []))
        return compared

    # === One creative ===

    def _look(self, data: bytes) -> _Seen:
        """Results for an image, computed once; concurrent callers wait for them."""
        digest = hashlib.sha256(data).digest()
        with self._lock:
            is_new = digest not in self._seen
            seen = self._seen.setdefault(digest, Future())
            self._seen.move_to_end(digest)
            if len(self._seen) > _REMEMBERED_IMAGES:
                self._seen.popitem(last=False)
        if is_new:
            try:
                seen.set_result(self._look_at(data))
            except BaseException as error:  # waiting callers get the error; the next call retries
                with self._lock:
                    self._seen.pop(digest, None)
                seen.set_exception(error)
        return seen.result()

    def _look_at(self, data: bytes) -> _Seen:
        try:
            image = BannerImage(data, self._limits, self.budget)
            subject = Subject("", image, (), self.placement.shown_width)
            findings = self._found(subject, "image")
            mark = fingerprint(image.pixels)
        except InvalidCreativeError as error:
            return _Seen((self._unreadable(error),), (), None)
        if any(finding.rule == "image-blank" for finding in findings):
            return _Seen(tuple(findings), (), None)
        try:
            lines = tuple(line.text for line in image.lines)
        except OcrMissingError as error:
            self._note(str(error))
            return _Seen(tuple(findings), (), mark)
        return _Seen((*findings, *self._found(subject, "text")), lines, mark)

    def _about_headline(self, headline: str, lines: tuple[str, ...]) -> list[Finding]:
        if not headline:
            return []
        rule = self._rules["headline-length"]
        fault = KINDS[rule.name].find(rule.limit, Subject(headline, None, (), None))
        if fault is not None:  # text from anyone: do not process more of it
            return [_finding(rule, fault)]
        return self._found(Subject(headline, None, lines, None), "headline")

    def _found(self, subject: Subject, needs: str) -> list[Finding]:
        kinds = ((rule, KINDS[rule.name]) for rule in self.placement.rules)
        faults = (
            (rule, kind.find(rule.limit, subject)) for rule, kind in kinds if kind.needs == needs
        )
        return [_finding(rule, fault) for rule, fault in faults if fault is not None]

    def _unreadable(self, error: InvalidCreativeError) -> Finding:
        received = error.reason.replace("_", " ").lower()
        return _finding(self._rules["image-readable"], Fault(str(error), received))

    def _note(self, text: str) -> None:
        with self._lock:
            if text not in self.not_checked:
                self.not_checked.append(text)


def check_creatives(
    creatives: Iterable[Creative],
    placement: Placement,
    *,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> CheckReport:
    """Checks creatives of one campaign against the rules of a placement.

    Args:
        creatives: The creatives; near-duplicates are looked for among them.
        placement: Placement whose rules are checked.
        threads: Number of creatives checked at once.
        progress: Called after each creative with the number done.
    """
    checker = Checker(placement)
    group = []
    with ThreadPoolExecutor(threads, "check") as pool:
        for checked in in_order(pool, checker.check, creatives, 2 * threads):
            group.append(checked)
            progress(len(group))
    return CheckReport(placement.name, tuple(checker.compared(group)), tuple(checker.not_checked))


def _nothing_given() -> InvalidCreativeError:
    return InvalidCreativeError(
        "headline",
        Reason.HEADLINE_MISSING,
        "expected a headline, an image or both. Received: neither",
    )


def _is_twin(one: Checked, other: Checked, rule: Rule) -> bool:
    """Whether two creatives look the same."""
    if one.fingerprint is None or other.fingerprint is None:
        return False
    return one.fingerprint.is_near(other.fingerprint, rule.limit["max_distance"])


def _finding(rule: Rule, fault: Fault) -> Finding:
    return Finding(
        rule.name,
        rule.severity,
        fault.message,
        expected(rule),
        fault.received,
        str(rule.source),
        fault.boxes,
    )
