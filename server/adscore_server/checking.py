"""CheckService: checks creatives against a placement, at lower priority than scoring."""

import functools
from collections.abc import Sequence

from google.protobuf.message import Message

from adscore.checks import (
    CheckedCreative,
    Checker,
    Finding,
    Placement,
    UnknownPlacementError,
    find_placement,
    placements,
)
from adscore.checks.check import LIMITS, Checked
from adscore.checks.kinds import expected
from adscore.creative import Creative
from adscore.errors import Reason
from adscore.scoring.pixel_budget import PixelBudget
from adscore_protos.v1 import check_pb2
from adscore_server.calls.call import Call
from adscore_server.calls.queue import BackgroundQueue
from adscore_server.calls.wire import Layout, parse, require_small
from adscore_server.config import ServerConfig
from adscore_server.errors import CallReason, InvalidRequestError
from adscore_server.scoring.pieces import PiecesOfCall
from adscore_server.scoring.work import MAX_ID_CHARACTERS, Scoring

CHECKS = check_pb2.DESCRIPTOR.services_by_name["CheckService"].full_name
CHECK, LIST_PLACEMENTS = f"/{CHECKS}/Check", f"/{CHECKS}/ListPlacements"

# Reading the text on one image takes up to a second.
MAX_CREATIVES = 100

_LAYOUT = Layout(frozenset({2}), frozenset({2}))


class Checking:
    """Answers the calls of `CheckService`; thread-safe.

    Args:
        config: Limits of a request.
        scoring: Counts creatives for the rate limit.
        budget: Bounds the pixels decoded at once; None creates a separate one.

    Attributes:
        queue: Calls waiting to be checked.
    """

    def __init__(
        self, config: ServerConfig, scoring: Scoring, budget: PixelBudget | None = None
    ) -> None:
        self._scoring = scoring
        self._max_creatives = min(MAX_CREATIVES, config.max_batch_creatives)
        self._limits = LIMITS.lowered(
            max_image_bytes=config.max_image_bytes, max_image_pixels=config.max_image_pixels
        )
        # A check takes as long as a hundred scores.
        self.queue = BackgroundQueue(self._begin, config.decode_threads)
        budget = budget or PixelBudget(self._limits.max_image_pixels)
        self._checker = functools.cache(
            lambda name: Checker(find_placement(name), self._limits, budget)
        )

    def list_placements(self, call: Call) -> Message:
        """Answers ListPlacements."""
        parse(check_pb2.ListPlacementsRequest, require_small(call.take_request()))
        known = placements().values()
        return check_pb2.ListPlacementsResponse(placements=map(_placement_to_wire, known))

    def _begin(self, call: Call) -> None:
        request = self._scoring.read(call, check_pb2.CheckRequest, _LAYOUT)
        self._pieces(call, request).start(self.queue)

    def _pieces(self, call: Call, request: check_pb2.CheckRequest) -> PiecesOfCall:
        self._require_valid(request)
        try:
            checker = self._checker(request.placement)
        except UnknownPlacementError as error:
            reason = CallReason.PLACEMENT_UNKNOWN
            raise InvalidRequestError("placement", reason, str(error)) from error
        return _ChecksOfCall(call, _Job(checker, request), self._scoring.long_work)

    def _require_valid(self, request: check_pb2.CheckRequest) -> None:
        count = len(request.creatives)
        if not 1 <= count <= self._max_creatives:
            raise InvalidRequestError(
                "creatives",
                CallReason.BATCH_TOO_LARGE if count else CallReason.BATCH_EMPTY,
                f"expected 1 to {self._max_creatives} creatives. Received: {count}",
            )
        for place, creative in enumerate(request.creatives):
            if len(creative.id) > MAX_ID_CHARACTERS:
                raise InvalidRequestError(
                    f"creatives[{place}].id",
                    Reason.ID_TOO_LONG,
                    f"expected at most {MAX_ID_CHARACTERS} characters. "
                    f"Received: {len(creative.id)}",
                )


class _ChecksOfCall(PiecesOfCall):
    """The creatives of a call in pieces of one, so that calls take turns."""

    _size = 1


class _Job:
    """The creatives to check; a `pieces.Job` whose first step does all the work."""

    def __init__(self, checker: Checker, request: check_pb2.CheckRequest) -> None:
        self.count = len(request.creatives)
        self.budget = checker.budget
        self._checker, self._request = checker, request

    def check(self, place: int) -> Checked:
        """Checks one creative."""
        one = self._request.creatives[place]
        return self._checker.check(Creative(one.headline, one.image, one.id))

    def decode(self, checked: Checked) -> Checked:
        """Returns the outcome of `check` unchanged."""
        return checked

    def work(self, decoded: Sequence[Checked]) -> Sequence[Checked]:
        """Returns the outcomes of `check` unchanged."""
        return decoded

    def finish(self, outcomes: list[Checked]) -> Message:
        """Looks for near-duplicates and makes the response."""
        return check_pb2.CheckResponse(
            placement=self._request.placement,
            creatives=map(_creative_to_wire, self._checker.compared(outcomes)),
            not_checked=self._checker.not_checked,
        )


def _creative_to_wire(checked: CheckedCreative) -> check_pb2.CheckedCreative:
    findings = map(_finding_to_wire, checked.findings)
    return check_pb2.CheckedCreative(id=checked.id, findings=findings)


def _finding_to_wire(finding: Finding) -> check_pb2.Finding:
    return check_pb2.Finding(
        rule=finding.rule,
        severity=_severity_to_wire(finding.severity),
        message=finding.message,
        expected=finding.expected,
        received=finding.received,
        source=finding.source,
        boxes=[check_pb2.ImageBox(**box._asdict()) for box in finding.boxes],
    )


def _placement_to_wire(placement: Placement) -> check_pb2.Placement:
    return check_pb2.Placement(
        name=placement.name,
        platform=placement.platform,
        title=placement.title,
        rules=[
            check_pb2.PlacementRule(
                name=rule.name,
                severity=_severity_to_wire(rule.severity),
                expected=expected(rule),
                source=f"{rule.source.title} ({rule.source.address})",
                source_date=rule.source.date,
                confirmed=rule.source.confirmed,
            )
            for rule in placement.rules
        ],
    )


def _severity_to_wire(severity: str) -> str:
    return f"SEVERITY_{severity.upper()}"
