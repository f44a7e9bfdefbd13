"""Requests of a stream -> answers, several at once, in order of completion."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

import grpc
from google.protobuf.message import Message

from adscore_server.calls.call import Call
from adscore_server.errors import CallAbandonedError
from adscore_server.scoring.work import Scoring

# How often a stream that is held back by its rate limit checks for its client.
_LOOK_SECONDS = 0.5


class Streams:
    """All streams of a server, which share a pool of threads.

    A stream reads its next request only when it has capacity. So it holds no more memory than a
    few requests and answers, and a caller who sends faster is slowed down.

    Args:
        scoring: Answers a request.
        workers: Threads for requests of streams. Single calls have other threads, since they
            would wait behind a stream, which always has more to do.
        require_token: Raises if the token of a call was revoked.
    """

    def __init__(
        self, scoring: Scoring, workers: int, require_token: Callable[[Call], None]
    ) -> None:
        self._scoring, self._require_token = scoring, require_token
        self._pool = ThreadPoolExecutor(workers, "stream-work")
        # Two requests for each worker: one is worked on while the next one travels.
        self._window = 2 * workers
        self._lock = threading.Lock()
        self._open: set[_Stream] = set()
        self._end: Exception | None = None

    def answers(
        self, call: Call, requests: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Answers the requests of one stream, and ends it."""
        stream = _Stream(
            self._requests(call, requests),
            lambda raw, answer: self._scoring.score_stream_request(raw, call, answer),
            self._pool,
            self._window,
        )
        with self._lock:
            self._open.add(stream)
            end = self._end
        if end is not None:
            stream.end(end)
        call.end_stream = stream.end
        code = grpc.StatusCode.CANCELLED
        wanted = False  # whether the client received the last answer
        try:
            for answer in stream.answers():
                if stream.waits_for_request():
                    call.idle_since = time.monotonic()
                raw = answer.SerializeToString()
                call.count_answer(answer, raw)
                wanted = not call.gone
                yield raw
            code = grpc.StatusCode.OK
        except (GeneratorExit, grpc.RpcError):  # the client has gone, perhaps with all its answers
            if wanted and stream.waits_for_request():
                code = grpc.StatusCode.OK
        except Exception as error:
            status, failed = call.status_of(error)
            code = failed if context.is_active() else code
            context.abort_with_status(status)
        finally:
            with self._lock:
                self._open.discard(stream)
            call.end(code)

    def end(self, error: Exception) -> None:
        """Stops reading on all streams, answers requests already read, then raises the error."""
        with self._lock:
            self._end = error
            streams = list(self._open)
        for stream in streams:
            stream.end(error)

    def shutdown(self, *, wait: bool) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=wait, cancel_futures=not wait)

    def _requests(self, call: Call, requests: Iterator[bytes]) -> Iterator[bytes]:
        """Yields requests at the caller's rate limit, while its token is valid."""
        limiter = self._scoring.limiter
        for raw in requests:
            call.idle_since = 0.0
            self._require_token(call)
            creatives = self._scoring.count_stream_request(raw)
            call.bytes_in += len(raw)
            call.creatives += creatives
            while limiter is not None and (seconds := limiter.take(call.caller, creatives)):
                if call.gone:
                    return
                time.sleep(min(seconds, _LOOK_SECONDS))
            yield raw


class _Stream:
    """One stream: a thread reads it, the pool works on it, `answers` collects the results."""

    def __init__(
        self,
        requests: Iterator[bytes],
        begin: Callable[[bytes, "Future[Message]"], None],
        pool: Executor,
        window: int,
    ) -> None:
        self._requests = requests
        self._begin = begin
        self._pool = pool
        self._room = threading.Semaphore(window)
        self._lock = threading.Lock()
        self._reading = True
        self._read_count = self._answered = 0
        # Answers in order of completion; and, once, the end of the requests with its reason if any.
        self._done: queue.SimpleQueue[Future[Message] | Exception | None] = queue.SimpleQueue()

    def answers(self) -> Iterator[Message]:
        threading.Thread(target=self._read, name="stream-reader", daemon=True).start()
        error: Exception | None = None
        try:
            ended = False
            while not ended or self._answered < self._read_count:
                item = self._done.get()
                if isinstance(item, Future):
                    self._answered += 1
                    yield item.result()
                    self._room.release()
                else:
                    ended, error = True, item
            if error is not None:
                raise error
        finally:
            self.end(None)
            self._room.release()  # the reader may be waiting for it

    def waits_for_request(self) -> bool:
        """Whether every request read so far is answered."""
        return self._answered == self._read_count

    def end(self, error: Exception | None) -> None:
        """Accepts no more requests; the first reason counts."""
        with self._lock:
            if self._reading:
                self._reading = False
                self._done.put(error)

    def _read(self) -> None:
        try:
            while self._room.acquire() and self._reading:
                self._take(next(self._requests))
        except StopIteration:
            self.end(None)
        except Exception as error:  # the caller has gone, or sent invalid data
            self.end(error)

    def _take(self, request: bytes) -> None:
        with self._lock:
            if not self._reading:
                return
            answer: Future[Message] = Future()
            begun = self._pool.submit(self._begin, request, answer)
            self._read_count += 1
        answer.add_done_callback(self._done.put)
        begun.add_done_callback(partial(_pass_on, answer))


def _pass_on(answer: "Future[Message]", begun: "Future[None]") -> None:
    """Fails the answer of a request whose work could not start."""
    error = CallAbandonedError() if begun.cancelled() else begun.exception()
    if error is not None:
        answer.set_exception(error)
