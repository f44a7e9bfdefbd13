"""Creatives of an iterable -> requests within the limits of number and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from adscore_client._convert import creative_to_wire, score_from_wire
from adscore_client._creative import Creative
from adscore_client._exceptions import (
    AdscoreError,
    InvalidCreativeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._images import image_file_name
from adscore_client._results import Score
from adscore_client._status import CallContext, error_from_item
from adscore_protos.v1 import scoring_pb2

# Of a creative inside a request: one byte for the number of its field, at most five for
# its length.
_CREATIVE_FRAME_BYTES = 6


@dataclass(frozen=True, slots=True)
class PreparedCreative:
    """A creative that is ready to be sent.

    Attributes:
        wire: The message.
        image_files: Path of its image by its field, for the text of errors; empty where the
            image comes from no file.
    """

    wire: scoring_pb2.Creative
    image_files: Mapping[str, str]


Entry: TypeAlias = PreparedCreative | AdscoreError


def prepare(creative: Creative, reader: ImageReader) -> PreparedCreative:
    """Reads the image of a creative.

    Args:
        creative: What the caller passed.
        reader: Reads the image; its limit is what a request has for creatives.

    Raises:
        TypeError: A part is of the wrong type.
        InvalidCreativeError: A part cannot be read, or the whole fits into no request.
    """
    try:
        wire = creative_to_wire(creative, reader.leaving(_CREATIVE_FRAME_BYTES))
    except InvalidCreativeError as exc:
        exc.creative_id = creative.id if isinstance(creative.id, str) else ""
        raise
    file = image_file_name(creative.image)
    return PreparedCreative(wire, {"image": file} if file else {})


def prepare_item(item: object, position: int, reader: ImageReader) -> Entry:
    """Prepares one item of an iterable; a creative that cannot be sent becomes its error.

    A table of thousands of rows has one without text or without its file: that must not
    cost the others. An item that is no creative at all is a fault of the program.

    Raises:
        TypeError: The item is neither a Creative nor a pair.
    """
    creative = _as_creative(item, position)
    try:
        return prepare(creative, reader)
    except InvalidCreativeError as exc:
        # The traceback would keep what its frames hold for as long as the caller keeps this.
        return exc.with_traceback(None)
    except WrongTypeError as exc:
        error = InvalidCreativeError(
            str(exc),
            field=exc.field,
            reason="WRONG_TYPE",
            creative_id=creative.id if isinstance(creative.id, str) else "",
        )
        error.__cause__ = exc.with_traceback(None)
        return error


def image_of(item: object) -> object:
    """Returns the image of an item; None where it has none, or is no creative."""
    if isinstance(item, Creative):
        return item.image
    return item[1] if isinstance(item, tuple) and len(item) == 2 else None


def _as_creative(item: object, position: int) -> Creative:
    if isinstance(item, Creative):
        return item
    if isinstance(item, tuple) and len(item) == 2:
        return Creative(*item)
    raise TypeError(
        f"creatives: expected Creative or (headline, image) items. Received at position "
        f"{position}: {type(item).__name__} {item!r:.80}"
    )


class Batch:
    """Collects entries, errors among them, until a request is full."""

    def __init__(self, max_creatives: int, max_request_bytes: int) -> None:
        self._max_creatives = max_creatives
        self._max_bytes = max_request_bytes
        self._entries: list[Entry] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the number of entries is reached; errors count, so that memory is bounded."""
        return len(self._entries) >= self._max_creatives

    def has_room_for(self, entry: Entry) -> bool:
        """Whether the request stays within its bytes with this entry."""
        return self._bytes + _request_bytes(entry) <= self._max_bytes

    def add(self, entry: Entry) -> None:
        """Adds an entry; the caller has asked whether there is room."""
        self._entries.append(entry)
        self._bytes += _request_bytes(entry)

    def take(self) -> list[Entry]:
        """Returns the entries in the order of adding, and starts anew."""
        entries, self._entries, self._bytes = self._entries, [], 0
        return entries


def _request_bytes(entry: Entry) -> int:
    if isinstance(entry, AdscoreError):
        return 0
    return entry.wire.ByteSize() + _CREATIVE_FRAME_BYTES


def outcomes(
    entries: Sequence[Entry],
    results: Sequence[scoring_pb2.BatchScoreResult],
    context: CallContext,
) -> list[Score | AdscoreError]:
    """Puts the results of a call in the places of the creatives that were sent.

    Args:
        entries: What a batch held.
        results: One result for each prepared creative among the entries, in their order.
        context: What the text of an error names.

    Raises:
        ServerError: There are more or fewer results than creatives.
    """
    sent = sum(isinstance(entry, PreparedCreative) for entry in entries)
    if len(results) != sent:
        raise ServerError(
            f"Expected {sent} results from {context.address}. Received: {len(results)}"
        )
    remaining = iter(results)
    return [
        entry if isinstance(entry, AdscoreError) else _outcome(entry, next(remaining), context)
        for entry in entries
    ]


def _outcome(
    entry: PreparedCreative, result: scoring_pb2.BatchScoreResult, context: CallContext
) -> Score | AdscoreError:
    if result.HasField("score"):
        return score_from_wire(result.score)
    if result.HasField("error"):
        item = replace(context, creative_id=entry.wire.id, image_files=entry.image_files)
        return error_from_item(result.error, item)
    return ServerError(
        f"Expected a score or an error from {context.address}. Received: neither",
        creative_id=entry.wire.id,
    )
