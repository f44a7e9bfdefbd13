"""What is asyncio's own: other tasks go on, cancelling works, streams end."""

import asyncio
import contextlib
import threading

import pytest

from adscore_client import (
    AsyncClient,
    CallCancelledError,
    ClientClosedError,
    Creative,
    DeadlineExceededError,
    InvalidCreativeError,
    Score,
)
from adscore_client.testing import FakeServer


@pytest.fixture
def server():
    with FakeServer() as running:
        yield running


def test_results_are_those_of_the_blocking_client(server, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(b"image")

    async def creatives():
        for number in range(70):
            await asyncio.sleep(0)
            yield Creative(str(number), path if number % 2 else b"image", id=str(number))

    async def run() -> list:
        async with AsyncClient(server.address) as client:
            return [result async for result in client.score_many(creatives(), batch_size=8)]

    results = asyncio.run(run())
    assert [result.creative_id for result in results] == [str(n) for n in range(70)]
    assert all(isinstance(result, Score) for result in results)


def test_bad_creative_is_returned_and_exception_of_the_iterable_comes_last(server):
    async def creatives():
        yield "a", None
        yield "b", "no-such-file.png"
        raise KeyError("the caller's own")

    async def run() -> list:
        async with AsyncClient(server.address) as client:
            results = client.score_many(creatives())
            seen = [await anext(results), await anext(results)]
            with pytest.raises(KeyError):
                await anext(results)
        return seen

    first, second = asyncio.run(run())
    assert isinstance(first, Score)
    assert isinstance(second, InvalidCreativeError)


def test_other_tasks_go_on_while_a_file_is_read(server):
    released = threading.Event()

    class SlowFile:
        def read(self, size):
            assert released.wait(30)
            return b""

    async def run() -> None:
        async with AsyncClient(server.address) as client:
            slow = asyncio.create_task(client.score("headline", SlowFile()))
            assert (await client.score("headline")).targets
            released.set()
            with pytest.raises(InvalidCreativeError):
                await slow

    asyncio.run(run())


def test_loop_that_is_left_early_ends_the_call(serve):
    ended = threading.Event()

    def hold(request, context):
        context.add_callback(ended.set)
        from adscore_protos.v1 import scoring_pb2

        score = scoring_pb2.BatchScoreResult(score=scoring_pb2.Score())
        return scoring_pb2.BatchScoreResponse(results=[score] * len(request.creatives))

    async def run() -> None:
        async with AsyncClient(serve(StreamScore=hold)) as client:
            endless = (("headline", None) for _ in iter(int, 1))
            results = client.score_many(endless)
            async with contextlib.aclosing(results):  # type: ignore[type-var]
                async for _ in results:
                    break
            assert await asyncio.to_thread(ended.wait, 30)

    asyncio.run(run())


def test_cancelled_task_and_closed_client_are_told_apart(serve):
    started, release = threading.Semaphore(0), threading.Event()

    def wait(request, context):
        started.release()
        release.wait(60)

    async def run() -> None:
        client = AsyncClient(serve(Score=wait), timeout_seconds=60)
        task = asyncio.create_task(client.score("headline"))
        await asyncio.to_thread(started.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        task = asyncio.create_task(client.score("headline"))
        await asyncio.to_thread(started.acquire)
        await client.close()
        with pytest.raises(CallCancelledError):
            await task
        with pytest.raises(ClientClosedError):
            await client.score("headline")
        with pytest.raises(ClientClosedError):
            client.score_many([])

    try:
        asyncio.run(run())
    finally:
        release.set()


def test_stream_without_answers_is_given_up(serve):
    release = threading.Event()

    async def run() -> None:
        async with AsyncClient(serve(StreamScore=lambda _r, _c: release.wait(60))) as client:
            with pytest.raises(DeadlineExceededError, match=r"within 0\.3 s"):
                async for _ in client.score_many([("a", None)], timeout_seconds=0.3):
                    pass

    try:
        asyncio.run(run())
    finally:
        release.set()
