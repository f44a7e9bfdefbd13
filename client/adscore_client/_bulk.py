"""One score_many, without I/O: creatives in, requests out, answers in, results out.

A request stays here until it is answered, so that a broken stream can be reopened, even on another
server, and its unanswered requests sent again.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from adscore_client._arguments import ModelChoice, check_count
from adscore_client._convert import FRAME_BYTES, fill_creative, score_from_wire
from adscore_client._creative import Creative, as_creative, image_file_name
from adscore_client._exceptions import (
    AdscoreError,
    InvalidCreativeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._results import InputLimits, Score
from adscore_client._status import CallContext, error_from_item
from adscore_protos.v1 import scoring_pb2

# While the server works on some requests, others are in transit. More than 4 gave no higher
# throughput (benchmarks/client.py), and each takes memory here.
REQUESTS_IN_FLIGHT = 4

_REQUEST_ID_BYTES = 12  # ten digits, their field and length


class _Sent(NamedTuple):
    """A creative in a request.

    Attributes:
        creative_id: Its id.
        image_file: Path of its image; empty if it does not come from a file.
    """

    creative_id: str
    image_file: str


Entry: TypeAlias = _Sent | AdscoreError
Requests: TypeAlias = list[scoring_pb2.StreamScoreRequest]


@dataclass(slots=True)
class _Batch:
    """One request, and the outcomes of its items.

    Attributes:
        request: The creatives that can be sent.
        spare_bytes: Bytes left under the message limit.
        entries: One for each item, including errors of those that cannot be sent; these count
            towards the batch size, which bounds memory.
        results: None until it is answered.
    """

    request: scoring_pb2.StreamScoreRequest
    spare_bytes: int
    entries: list[Entry] = field(default_factory=list)
    results: list[Score | AdscoreError] | None = None


class Bulk:
    """The state of one score_many.

    Args:
        choice: The model.
        batch_size: Creatives of one request, from 1 to 1,000.
        reader: Reads images; its limit is that of a request.
        context: Details for error texts.

    Raises:
        TypeError: The size is not an int.
        ValueError: It is out of range.
    """

    def __init__(
        self, choice: ModelChoice, batch_size: int, reader: ImageReader, context: CallContext
    ) -> None:
        self.context = context
        self._choice = choice
        # Bytes that a request has for creatives, and for the largest single one.
        self._max_bytes = reader.max_bytes - choice.request_bytes - _REQUEST_ID_BYTES
        self._reader = ImageReader(self._max_bytes - FRAME_BYTES)
        self._batch_size = check_count(batch_size, "batch_size", 1, 1_000)
        self._position = 0
        self._requests = 0
        self._batch = self._next_batch()
        self._open: deque[_Batch] = deque()
        self._has_ended = False
        self._failure: Exception | None = None

    def shrink_images_for(self, limits: InputLimits | None) -> None:
        """Shrinks the images of further items; None leaves them unchanged."""
        self._reader = ImageReader(self._reader.max_bytes, limits)

    @property
    def wants_items(self) -> bool:
        """Whether to read on: there may be more items, and few requests are in flight."""
        return not self._has_ended and len(self._open) < REQUESTS_IN_FLIGHT

    @property
    def has_ended(self) -> bool:
        """Whether every item was read, so that no further request follows."""
        return self._has_ended

    @property
    def is_done(self) -> bool:
        """Whether every result was taken."""
        return self._has_ended and not self._open

    def takes_time(self, item: object) -> bool:
        """Whether adding an item is slow: it has a file to read or an image to shrink."""
        creative = as_creative(item)
        return creative is not None and self._reader.takes_time(creative.image)

    def add(self, item: object) -> Requests:
        """Adds one of the caller's items.

        Returns:
            Requests to send now; usually none, as a batch is still open.

        Raises:
            TypeError: The item is neither a Creative nor a pair.
        """
        creative = as_creative(item)
        if creative is None:
            raise TypeError(
                "creatives: expected Creative or (headline, image) items. Received at position "
                f"{self._position}: {type(item).__name__} {item!r:.80}"
            )
        self._position += 1
        creatives = self._batch.request.creatives
        wire = creatives.add()
        try:
            request_bytes = FRAME_BYTES + fill_creative(wire, creative, self._reader)
        except BaseException as exc:  # also from a caller's file object, or Ctrl-C
            del creatives[-1]
            if isinstance(exc, InvalidCreativeError | WrongTypeError):
                return self._take_in(_as_error(exc, creative))
            raise
        entry = _Sent(wire.id, image_file_name(creative.image))
        if request_bytes <= self._batch.spare_bytes:
            return self._take_in(entry, request_bytes)
        wire = scoring_pb2.Creative.FromString(wire.SerializeToString())
        del creatives[-1]
        closed = self._close_batch()
        self._batch.request.creatives.append(wire)
        return closed + self._take_in(entry, request_bytes)

    def end(self, failure: Exception | None = None) -> Requests:
        """Marks the end of the caller's items.

        Args:
            failure: The exception that ended them early; ``raise_failure`` raises it once all
                results before it are taken.

        Returns:
            Requests to send now.
        """
        self._has_ended, self._failure = True, failure
        return self._close_batch()

    def raise_failure(self) -> None:
        """Raises the exception that ended the items early, if any."""
        if self._failure is not None:
            raise self._failure

    def answer(self, response: scoring_pb2.StreamScoreResponse) -> None:
        """Handles an answer.

        Raises:
            ServerError: It matches no request, or answers only part of one.
        """
        for batch in self._open:
            if batch.results is None and batch.request.request_id == response.request_id:
                batch.results = _outcomes(batch.entries, response.results, self.context)
                return
        raise ServerError(
            f"Expected answers to the requests of this call from {self.context.address}. "
            f"Received: one to a request {response.request_id!r:.80}",
            request_id=self.context.request_id,
        )

    def take_results(self) -> Sequence[Score | AdscoreError]:
        """Returns the next results in the order of the items; empty if they are not ready."""
        if self._open and (results := self._open[0].results) is not None:
            self._open.popleft()
            return results
        return ()

    @property
    def unanswered(self) -> Requests:
        """The requests sent but not answered."""
        return [batch.request for batch in self._open if batch.results is None]

    def _next_batch(self) -> _Batch:
        self._requests += 1
        choice = self._choice
        request = scoring_pb2.StreamScoreRequest(
            request_id=str(self._requests), model=choice.model, model_version=choice.model_version
        )
        return _Batch(request, self._max_bytes)

    def _take_in(self, entry: Entry, request_bytes: int = 0) -> Requests:
        self._batch.entries.append(entry)
        self._batch.spare_bytes -= request_bytes
        return self._close_batch() if len(self._batch.entries) >= self._batch_size else []

    def _close_batch(self) -> Requests:
        batch = self._batch
        if not batch.entries:
            return []
        self._batch = self._next_batch()
        self._open.append(batch)
        if batch.request.creatives:
            return [batch.request]
        batch.results = _outcomes(batch.entries, [], self.context)  # each is its own error
        return []


def _as_error(exc: InvalidCreativeError | WrongTypeError, creative: Creative) -> AdscoreError:
    """Returns the error of a creative that cannot be sent.

    In a table of thousands of rows, one may lack its text or its file; that must not fail the
    others.
    """
    # The traceback would keep its frames' objects alive as long as the caller keeps the error.
    exc.with_traceback(None)
    if isinstance(exc, InvalidCreativeError):
        return exc
    error = InvalidCreativeError(
        str(exc),
        field=exc.field,
        reason="WRONG_TYPE",
        creative_id=creative.id if isinstance(creative.id, str) else "",
    )
    error.__cause__ = exc
    return error


def _outcomes(
    entries: Sequence[Entry],
    results: Sequence[scoring_pb2.BatchScoreResult],
    context: CallContext,
) -> list[Score | AdscoreError]:
    """Merges the results of a request with the errors of creatives that were not sent.

    Raises:
        ServerError: There are more or fewer results than creatives.
    """
    sent = sum(isinstance(entry, _Sent) for entry in entries)
    if len(results) != sent:
        raise ServerError(
            f"Expected {sent} results from {context.address}. Received: {len(results)}"
        )
    remaining = iter(results)
    return [
        _outcome(entry, next(remaining), context) if isinstance(entry, _Sent) else entry
        for entry in entries
    ]


def _outcome(
    sent: _Sent, result: scoring_pb2.BatchScoreResult, context: CallContext
) -> Score | AdscoreError:
    if result.HasField("score"):
        return score_from_wire(result.score)
    if result.HasField("error"):
        files = {"image": sent.image_file} if sent.image_file else {}
        item = context._replace(creative_id=sent.creative_id, image_files=files)
        return error_from_item(result.error, item)
    return ServerError(
        f"Expected a score or an error from {context.address}. Received: neither",
        creative_id=sent.creative_id,
    )
