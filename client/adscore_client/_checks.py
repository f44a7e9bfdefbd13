"""Checks against the rules of placements: what is sent, and what comes back."""

from dataclasses import dataclass

from adscore_client._convert import FRAME_BYTES, iterable, require_capacity, text_to_wire
from adscore_client._creative import as_creative, image_file_name
from adscore_client._exceptions import (
    InvalidCreativeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._results import OpenEnum, Result
from adscore_protos.v1 import check_pb2


class Severity(OpenEnum):
    """What breaking a rule means; ``UNRECOGNISED_7`` for a value of a newer server."""

    ERROR = "ERROR"
    """The platform refuses the creative, or shows it cut."""
    WARNING = "WARNING"
    """The creative runs, but is likely to do worse or to reach fewer people."""


@dataclass(frozen=True, slots=True)
class ImageBox(Result):
    """A part of an image, in pixels from its upper left corner, upright.

    Attributes:
        left: Its left edge.
        top: Its upper edge.
        right: Its right edge.
        bottom: Its lower edge.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Finding(Result):
    """One rule that a creative breaks.

    Attributes:
        rule: Stable name of the rule, e.g. ``"image-bytes"``.
        severity: What breaking it means.
        message: What is wrong and what to do, for a person.
        expected: What the rule asks for, e.g. ``"at most 150,000 bytes"``.
        received: What the creative has.
        source: Where the rule stands.
        boxes: Where on the image; empty if the finding is not about a part of it.
    """

    rule: str
    severity: Severity
    message: str
    expected: str
    received: str
    source: str
    boxes: tuple[ImageBox, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedCreative(Result):
    """The findings for one creative.

    Attributes:
        creative_id: Its id, as passed.
        findings: Errors first; empty if it breaks no rule.
    """

    creative_id: str
    findings: tuple[Finding, ...] = ()

    @property
    def may_run(self) -> bool:
        """Whether it has no error; warnings do not count."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


@dataclass(frozen=True, slots=True)
class CheckReport(Result):
    """The findings for the creatives of one call.

    Attributes:
        placement: Name of the placement whose rules were used.
        creatives: One for each creative, in the order in which they were passed.
        not_checked: What could not be checked and why, one text each; empty if all was checked.
    """

    placement: str
    creatives: tuple[CheckedCreative, ...]
    not_checked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacementRule(Result):
    """A rule of a placement.

    Attributes:
        name: Stable name, e.g. ``"image-bytes"``.
        severity: What breaking it means.
        expected: What it asks for, e.g. ``"at most 150,000 bytes"``.
        source: Its source: a title and an address.
        source_date: When the source was written or read, as YYYY-MM-DD or YYYY-MM; may be empty.
        confirmed: Whether it was verified in the platform's own documentation.
    """

    name: str
    severity: Severity
    expected: str
    source: str
    source_date: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Placement(Result):
    """A place where ads run, and its rules.

    Attributes:
        name: Name to use in ``Client.check``, e.g. ``"meta-feed"``.
        platform: Who runs it, e.g. ``"Meta"``.
        title: What it is, for a person.
        rules: Its rules.
    """

    name: str
    platform: str
    title: str
    rules: tuple[PlacementRule, ...]


# === Requests ===


def add_creatives(
    request: check_pb2.CheckRequest, creatives: object, reader: ImageReader
) -> dict[str, str]:
    """Puts creatives into a request; the server checks what the wire can carry.

    Args:
        request: The request, with its placement.
        creatives: What the caller passed: creatives, or pairs of headline and image.
        reader: Reads an image as it is; its limit is that of the request.

    Returns:
        Paths of the images that come from files, by field, e.g. ``"creatives[5].image"``.

    Raises:
        TypeError: An argument, or an item of it, is of the wrong type.
        InvalidCreativeError: An image cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    image_files: dict[str, str] = {}
    spare = reader.max_bytes - request.ByteSize()
    for position, item in enumerate(iterable(creatives, "creatives", "creatives")):
        path = f"creatives[{position}]"
        creative = as_creative(item)
        if creative is None:
            raise TypeError(
                f"{path}: expected a Creative, or a pair of headline and image. "
                f"Received: {type(item).__name__}"
            )
        wire = request.creatives.add()
        try:
            wire.id = text_to_wire(creative.id, "id")
            wire.headline = text_to_wire(creative.headline or "", "headline")
            wire.image = b"" if creative.image is None else reader.read(creative.image)
        except InvalidCreativeError as exc:
            raise InvalidCreativeError(
                f"{path}.{exc}", field=f"{path}.{exc.field}", reason=exc.reason
            ) from exc
        except WrongTypeError as exc:
            raise WrongTypeError(f"{path}.{exc}", field=path) from exc
        spare -= wire.ByteSize() + FRAME_BYTES
        require_capacity(spare, path, reader, "creatives")
        if name := image_file_name(creative.image):
            image_files[f"{path}.image"] = name
    return image_files


# === Answers ===


def report_from_wire(wire: check_pb2.CheckResponse, expected: int, address: str) -> CheckReport:
    """Converts the answer to a request of so many creatives.

    Raises:
        ServerError: It has more or fewer creatives.
    """
    if len(wire.creatives) != expected:
        raise ServerError(
            f"Expected {expected} checked creatives from {address}. Received: {len(wire.creatives)}"
        )
    return CheckReport(
        wire.placement,
        tuple(
            CheckedCreative(one.id, tuple(map(_finding_from_wire, one.findings)))
            for one in wire.creatives
        ),
        tuple(wire.not_checked),
    )


def placement_from_wire(wire: check_pb2.Placement) -> Placement:
    """Converts a placement; every field of the wire has one of the same name."""
    return Placement(
        wire.name,
        wire.platform,
        wire.title,
        tuple(
            PlacementRule(
                rule.name,
                _severity_from_wire(rule.severity),
                rule.expected,
                rule.source,
                rule.source_date,
                rule.confirmed,
            )
            for rule in wire.rules
        ),
    )


def _finding_from_wire(wire: check_pb2.Finding) -> Finding:
    return Finding(
        wire.rule,
        _severity_from_wire(wire.severity),
        wire.message,
        wire.expected,
        wire.received,
        wire.source,
        tuple(ImageBox(box.left, box.top, box.right, box.bottom) for box in wire.boxes),
    )


def _severity_from_wire(number: int) -> Severity:
    # Zero is unused, and a newer server may know more.
    if number == 0 or number not in check_pb2.Severity.values():
        return Severity(f"UNRECOGNISED_{number}")
    return Severity(check_pb2.Severity.Name(number).removeprefix("SEVERITY_"))
