"""Requests of a stream -> answers, several worked on at once, in whatever order they are done."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Streams:
    """All streams of a server, which share the threads that work on them.

    Args:
        pool: These threads.
        window: Requests of one stream that are read and not yet answered, at most.
    """

    def __init__(self, pool: Executor, window: int) -> None:
        self._pool = pool
        self._window = window
        self._lock = threading.Lock()
        self._open: set[_Stream[Any, Any]] = set()
        self._end: Exception | None = None

    def answers(
        self, requests: Iterator[Request], answer: Callable[[Request], Answer]
    ) -> Iterator[Answer]:
        """Answers the requests of one stream.

        The next request is read only when there is room for it. So a stream holds no more memory
        than a few requests and answers, and a caller who sends faster than that waits.

        Args:
            requests: The stream; reading it blocks.
            answer: Answers one request.

        Raises:
            Exception: What answering a request raised, at once; or, when all that was read is
                answered, what reading raised or `end` was given.
        """
        stream = _Stream[Request, Answer](requests, answer, self._pool, self._window)
        with self._lock:
            self._open.add(stream)
            end = self._end
        if end is not None:
            stream.end(end)
        try:
            yield from stream.answers()
        finally:
            with self._lock:
                self._open.discard(stream)

    def end(self, error: Exception) -> None:
        """Reads no more requests of any stream, answers those that were read, then raises."""
        with self._lock:
            self._end = error
            streams = list(self._open)
        for stream in streams:
            stream.end(error)


class _Stream(Generic[Request, Answer]):
    """One stream: a thread reads it, the pool works on it, `answers` collects."""

    def __init__(
        self,
        requests: Iterator[Request],
        answer: Callable[[Request], Answer],
        pool: Executor,
        window: int,
    ) -> None:
        self._requests = requests
        self._answer = answer
        self._pool = pool
        self._room = threading.Semaphore(window)
        self._lock = threading.Lock()
        self._reading = True
        self._read_count = 0
        # Answers as they are done; once, that no more requests come, with the reason if any.
        self._done: queue.SimpleQueue[Future[Answer] | Exception | None] = queue.SimpleQueue()

    def answers(self) -> Iterator[Answer]:
        threading.Thread(target=self._read, name="stream-reader", daemon=True).start()
        answered = 0
        error: Exception | None = None
        try:
            ended = False
            while not ended or answered < self._read_count:
                item = self._done.get()
                if isinstance(item, Future):
                    yield item.result()
                    answered += 1
                    self._room.release()
                else:
                    ended, error = True, item
            if error is not None:
                raise error
        finally:
            self.end(None)
            self._room.release()  # the reader may wait for it

    def end(self, error: Exception | None) -> None:
        """From now on no request is taken; the first reason counts."""
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
        except Exception as error:  # the caller has gone, or sent what cannot be read
            self.end(error)

    def _take(self, request: Request) -> None:
        with self._lock:
            if not self._reading:
                return
            future = self._pool.submit(self._answer, request)
            self._read_count += 1
        future.add_done_callback(self._done.put)
