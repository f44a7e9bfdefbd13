"""One score_many, without sending anything: creatives in, requests out, answers in, results out.

A request stays here until it is answered, so that a stream that breaks can be opened again,
on another server too, with what it still owes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from adscore_client._arguments import ModelChoice, check_count
from adscore_client._batches import (
    Batch,
    Entry,
    PreparedCreative,
    image_of,
    outcomes,
    prepare_item,
)
from adscore_client._exceptions import AdscoreError, ServerError
from adscore_client._image_reader import ImageReader
from adscore_client._results import InputLimits, Score
from adscore_client._status import CallContext
from adscore_protos.v1 import scoring_pb2

# While the server works on some, others are on their way. More than 4 gave no more creatives a
# second (benchmarks/client.py), and each takes memory here.
REQUESTS_IN_FLIGHT = 4

_REQUEST_ID_BYTES = 12  # ten digits, their field and length


@dataclass(slots=True)
class _Open:
    """A batch whose results were not taken yet; ``results`` is None until it is answered."""

    request: scoring_pb2.StreamScoreRequest
    entries: list[Entry]
    results: list[Score | AdscoreError] | None = None


class Bulk:
    """The state of one score_many.

    Args:
        choice: The model.
        batch_size: Creatives of one request, from 1 to 1,000.
        reader: Reads images; its limit is that of a request.
        context: What the text of an error names.

    Raises:
        TypeError: The size is no int.
        ValueError: It is out of range.
    """

    def __init__(
        self, choice: ModelChoice, batch_size: int, reader: ImageReader, context: CallContext
    ) -> None:
        self.context = context
        self._choice = choice
        self._reader = reader.leaving(choice.request_bytes + _REQUEST_ID_BYTES)
        self._batch = Batch(check_count(batch_size, "batch_size", 1, 1_000), self._reader.max_bytes)
        self._position = 0
        self._closed_batches = 0
        self._open: deque[_Open] = deque()
        self._has_ended = False
        self._failure: Exception | None = None

    def shrink_images_for(self, limits: InputLimits | None) -> None:
        """Makes the images of items that follow smaller; None leaves them as they are."""
        self._reader = replace(self._reader, shrink_for=limits)

    @property
    def wants_items(self) -> bool:
        """Whether to read on: there may be more, and few requests are on their way."""
        return not self._has_ended and len(self._open) < REQUESTS_IN_FLIGHT

    @property
    def is_done(self) -> bool:
        """Whether every result was taken."""
        return self._has_ended and not self._open

    def has_to_read(self, item: object) -> bool:
        """Whether adding an item takes more than a moment: a file to read, an image to shrink."""
        image = image_of(item)
        in_memory = image is None or isinstance(image, bytes | bytearray | memoryview)
        return not in_memory or (image is not None and self._reader.shrink_for is not None)

    def read_on(self, items: Iterator[object]) -> list[scoring_pb2.StreamScoreRequest]:
        """Takes the next item of an iterator, or its end.

        Returns:
            Requests to send now.
        """
        try:
            return self.add(next(items))
        except StopIteration:
            return self.end()
        except Exception as exc:  # the caller's own, to be raised in its place
            return self.end(exc)

    def add(self, item: object) -> list[scoring_pb2.StreamScoreRequest]:
        """Takes one item of the caller's.

        Returns:
            Requests to send now; usually none, as a batch is still open.

        Raises:
            TypeError: The item is neither a Creative nor a pair.
        """
        entry = prepare_item(item, self._position, self._reader)
        self._position += 1
        requests = [] if self._batch.has_room_for(entry) else self._close_batch()
        self._batch.add(entry)
        return requests + (self._close_batch() if self._batch.is_full else [])

    def end(self, failure: Exception | None = None) -> list[scoring_pb2.StreamScoreRequest]:
        """Takes the end of the caller's items.

        Args:
            failure: What ended them early; ``raise_failure`` raises it once all results
                before it were taken.

        Returns:
            Requests to send now.
        """
        self._has_ended, self._failure = True, failure
        return self._close_batch()

    def raise_failure(self) -> None:
        """Raises what ended the items early, if anything did."""
        if self._failure is not None:
            raise self._failure

    def answer(self, response: scoring_pb2.StreamScoreResponse) -> None:
        """Takes an answer.

        Raises:
            ServerError: It answers no request, or not all creatives of one.
        """
        for batch in self._open:
            if batch.request.request_id == response.request_id and batch.results is None:
                batch.results = outcomes(batch.entries, response.results, self.context)
                return
        raise ServerError(
            f"Expected answers to the requests of this call from {self.context.address}. "
            f"Received: one to a request {response.request_id!r:.80}",
            request_id=self.context.request_id,
        )

    def take_results(self) -> Sequence[Score | AdscoreError]:
        """Returns the next results in the order of the items; none where they are not there."""
        if self._open and (results := self._open[0].results) is not None:
            self._open.popleft()
            return results
        return ()

    @property
    def unanswered(self) -> list[scoring_pb2.StreamScoreRequest]:
        """The requests that were sent and have no answer."""
        return [batch.request for batch in self._open if batch.results is None]

    def _close_batch(self) -> list[scoring_pb2.StreamScoreRequest]:
        entries = self._batch.take()
        if not entries:
            return []
        self._closed_batches += 1
        request = scoring_pb2.StreamScoreRequest(
            request_id=str(self._closed_batches),
            creatives=[entry.wire for entry in entries if isinstance(entry, PreparedCreative)],
            model=self._choice.model,
            model_version=self._choice.model_version,
        )
        if request.creatives:
            self._open.append(_Open(request, entries))
            return [request]
        # Nothing to send: each is its own error.
        self._open.append(_Open(request, entries, outcomes(entries, [], self.context)))
        return []
