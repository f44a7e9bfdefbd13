"""One score_many on its connection: reads ahead, sends, receives, and reopens broken streams."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import grpc

from adscore_client._arguments import Deadline
from adscore_client._bulk import Bulk, Requests
from adscore_client._calls import Connection, Metadata, Stream, retry
from adscore_client._exceptions import AdscoreError
from adscore_client._image_reader import ImageReader
from adscore_client._results import Score
from adscore_client._status import CallContext, LocalError, stream_ended
from adscore_protos.v1 import scoring_pb2

# How long to wait for the end of a stream after its last answer: the server and its operator would
# see a stream that is left earlier as a cancelled call.
_END_SECONDS = 1.0


class ScoreStream:
    """The results of one score_many, as they come.

    Args:
        connection: The connection for the stream.
        items: The caller's items.
        bulk: Builds requests from them, and keeps those without an answer.
        reader: Returns how to read images; may ask the server.
        metadata: Makes the metadata of the call.
        notice: Called with each score.
    """

    def __init__(
        self,
        connection: Connection,
        items: AsyncIterator[object],
        bulk: Bulk,
        reader: Callable[[], Awaitable[ImageReader]],
        metadata: Callable[[CallContext], Awaitable[Metadata]],
        notice: Callable[[Score], None],
    ) -> None:
        self._connection = connection
        self._items = items
        self._bulk = bulk
        self._reader = reader
        self._metadata = metadata
        self._notice = notice
        self._has_begun = False
        self._stream: Stream | None = None

    async def next(self) -> Sequence[Score | AdscoreError]:
        """Returns the next results; none at the end.

        Raises:
            AdscoreError: The call failed.
            Exception: The caller's own, from the iterable.
        """
        bulk = self._bulk
        if not self._has_begun:
            self._has_begun = True
            bulk.shrink_images_for((await self._reader()).shrink_for)
        while not bulk.is_done:
            while bulk.wants_items:
                await self._send(await self._read_on())
            if results := bulk.take_results():
                for result in results:
                    if isinstance(result, Score):
                        self._notice(result)
                if self._bulk.is_done:
                    await self._end()
                return results
            if not self._bulk.is_done:
                bulk.answer(await self._receive())
        bulk.raise_failure()
        return ()

    def close(self) -> None:
        """Ends the call; must always be called."""
        if self._stream is not None:
            self._stream.close()

    async def _read_on(self) -> Requests:
        """Takes items until there is a request, or their end; returns what to send now."""
        bulk = self._bulk
        requests: Requests = []
        try:
            while bulk.wants_items and not requests:
                item = await anext(self._items)
                if bulk.takes_time(item):
                    requests = await self._connection.run(bulk.add, item)
                else:
                    requests = bulk.add(item)
        except StopAsyncIteration:
            return bulk.end()
        except Exception as exc:  # from the caller's iterable, to be raised in its place
            return bulk.end(exc)
        return requests

    async def _send(self, requests: Requests) -> None:
        if self._stream is None:
            if requests:
                await self._open()  # sends them too, as they are unanswered
            return
        for request in requests:
            self._stream.send(request)
        if self._bulk.has_ended:
            self._stream.send_no_more()

    async def _open(self) -> Stream:
        metadata = await self._metadata(self._bulk.context)
        stream = self._stream = self._connection.stream(metadata)
        for request in self._bulk.unanswered:
            stream.send(request)
        if self._bulk.has_ended:
            stream.send_no_more()
        return stream

    async def _receive(self) -> scoring_pb2.StreamScoreResponse:
        context = self._bulk.context
        deadline = Deadline(context.timeout_seconds)

        async def attempt() -> scoring_pb2.StreamScoreResponse:
            stream = self._stream or await self._open()
            try:
                answer = await stream.receive(deadline.left_seconds)
            except TimeoutError as exc:
                code = grpc.StatusCode.DEADLINE_EXCEEDED
                raise LocalError(code, "no answer yet") from exc
            except grpc.RpcError:
                self._stream = None
                raise
            if answer is None:
                self._stream = None
                raise stream_ended()
            return answer

        return await retry(attempt, self._connection, deadline, context)

    async def _end(self) -> None:
        """Waits for the end of the stream; its status does not matter, as every answer has come."""
        if self._stream is not None:
            try:
                await self._stream.receive(_END_SECONDS)
            except (TimeoutError, grpc.RpcError):
                return
