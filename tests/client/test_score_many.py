import asyncio
import itertools
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from adscore_client import (
    AsyncClient,
    Client,
    Creative,
    DeadlineExceededError,
    InvalidCreativeError,
    ModelNotFoundError,
    Score,
    ServerError,
)
from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc


@pytest.fixture
def recorder(score_each):
    """A StreamScore handler that scores every creative and keeps the requests."""

    def handler(request, context):
        handler.requests.append(request)
        return score_each(request, context)

    handler.requests = []
    return handler


def means(results) -> list[float]:
    return [result.targets["ctr"].mean for result in results]


def test_scores_come_in_the_order_of_the_creatives(connect, recorder):
    creatives = [Creative("x" * n, id=str(n)) for n in range(10)]
    results = list(connect(StreamScore=recorder).score_many(creatives, batch_size=3))
    assert [result.creative_id for result in results] == [str(n) for n in range(10)]
    assert means(results) == list(range(10))
    assert [len(request.creatives) for request in recorder.requests] == [3, 3, 3, 1]


def test_pairs_are_creatives(connect, recorder):
    results = connect(StreamScore=recorder).score_many(
        zip(["a", None], [b"image", b"i"], strict=True)
    )
    assert means(results) == [1, 0]
    assert [creative.image for creative in recorder.requests[0].creatives] == [b"image", b"i"]


def test_model_of_the_call_is_sent_with_every_batch(connect, recorder):
    client = connect(StreamScore=recorder, model="a", model_version="1")
    list(client.score_many([("h", None)] * 3, batch_size=2, model="b"))
    assert [(r.model, r.model_version) for r in recorder.requests] == [("b", ""), ("b", "")]


def test_no_creatives_make_no_call(connect):
    assert list(connect().score_many([])) == []


def test_reading_ahead_is_bounded_by_the_batch(connect, recorder):
    numbers = itertools.count()
    endless = (Creative(str(next(numbers))) for _ in itertools.count())
    results = connect(StreamScore=recorder).score_many(endless, batch_size=4)
    assert next(numbers) == 0  # nothing was read yet
    taken = list(itertools.islice(results, 5))
    assert len(taken) == 5
    # Itself one. Of 4 requests of 4, one was taken whole and another was sent in its place.
    assert next(numbers) == 21
    results.close()


def test_bad_creatives_count_for_the_bound(connect, recorder):
    numbers = itertools.count()
    endless = ((None, f"missing-{next(numbers)}") for _ in itertools.count())
    error = next(connect(StreamScore=recorder).score_many(endless, batch_size=4))
    assert isinstance(error, InvalidCreativeError)
    assert next(numbers) == 16
    assert recorder.requests == []  # nothing to send


def test_bad_creative_is_returned_and_costs_no_other_its_score(connect, recorder, tmp_path):
    missing = tmp_path / "missing.png"
    creatives = [
        Creative("a"),
        Creative("b", missing, id="b7"),
        Creative(float("nan"), id="c7"),
        Creative("lone \ud83d"),
        Creative("e", 7),
        Creative("f", id=7),
        Creative("g", b""),
        Creative("hh"),
    ]
    results = list(connect(StreamScore=recorder).score_many(creatives))
    assert means([results[0], results[-1]]) == [1, 2]
    errors = results[1:-1]
    assert all(isinstance(error, InvalidCreativeError) for error in errors)
    assert [(error.field, error.reason, error.creative_id) for error in errors] == [
        ("image", "IMAGE_FILE_UNREADABLE", "b7"),
        ("headline", "WRONG_TYPE", "c7"),
        ("headline", "HEADLINE_NOT_TEXT", ""),
        ("image", "WRONG_TYPE", ""),
        ("id", "WRONG_TYPE", ""),
        ("image", "IMAGE_EMPTY", ""),
    ]
    assert str(missing) in str(errors[0])
    assert isinstance(errors[1].__cause__, TypeError)
    assert len(recorder.requests) == 1


def test_creative_that_the_server_refuses_is_returned(connect, score_each, tmp_path):
    path = tmp_path / "text.png"
    path.write_text("no image")

    def answer(request, context):
        response = score_each(request, context)
        for number, creative in enumerate(request.creatives):
            if creative.image:
                response.results[number].error.CopyFrom(
                    scoring_pb2.CreativeError(
                        code=3,
                        message=f"creatives[{number}].image: expected a JPEG",
                        reason="IMAGE_UNREADABLE",
                        field=f"creatives[{number}].image",
                    )
                )
        return response

    creatives = [Creative("a"), Creative("b", path, id="b7"), Creative("c")]
    first, error, last = connect(StreamScore=answer).score_many(creatives)
    assert isinstance(first, Score)
    assert isinstance(last, Score)
    assert str(error) == f"image: expected a JPEG (file: {path})"
    assert (error.field, error.reason, error.creative_id) == ("image", "IMAGE_UNREADABLE", "b7")


def test_returned_errors_do_not_hold_on_to_what_was_read(connect, recorder):
    class Image(bytearray):
        pass

    image = Image(5000)
    watcher = weakref.ref(image)
    client = connect(StreamScore=recorder, max_message_bytes=2048)
    errors = list(client.score_many([("a", image)]))
    del image
    assert isinstance(errors[0], InvalidCreativeError)
    assert watcher() is None


@pytest.mark.parametrize("item", [7, None, "headline", ("a",), ("a", b"b", "c"), ["a", b"b"]])
def test_item_that_is_no_creative_is_a_fault_of_the_program(item, connect, recorder):
    results = connect(StreamScore=recorder).score_many([Creative("a"), item])
    with pytest.raises(TypeError, match="position 1"):
        list(results)


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"creatives": 7}, TypeError, "not iterable"),
        ({"creatives": [], "batch_size": 0}, ValueError, "batch_size: expected 1 to 1,000"),
        ({"creatives": [], "batch_size": 1001}, ValueError, "batch_size: expected 1 to 1,000"),
        ({"creatives": [], "batch_size": 2.0}, TypeError, "batch_size"),
        ({"creatives": [], "timeout_seconds": 0}, ValueError, "timeout_seconds"),
    ],
)
def test_wrong_argument_fails_before_the_first_result(arguments, error, name):
    with Client() as client, pytest.raises(error, match=name):
        client.score_many(**arguments)


def test_exception_of_the_iterable_reaches_the_caller(connect, recorder):
    def creatives():
        yield Creative("a")
        raise KeyError("the caller's own")

    results = connect(StreamScore=recorder).score_many(creatives(), batch_size=1)
    assert isinstance(next(results), Score)
    with pytest.raises(KeyError):
        next(results)


def test_failed_call_is_raised_after_the_results_before_it(connect, score_each):
    calls = itertools.count()

    def answer(request, context):
        if next(calls) == 1:
            context.abort(grpc.StatusCode.NOT_FOUND, "gone")
        return score_each(request, context)

    results = connect(StreamScore=answer).score_many([("a", None)] * 6, batch_size=2)
    assert isinstance(next(results), Score)
    assert isinstance(next(results), Score)
    with pytest.raises(ModelNotFoundError):
        next(results)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_number_of_results_is_a_server_error(count, connect):
    def answer(request, context):
        score = scoring_pb2.BatchScoreResult(score=scoring_pb2.Score())
        return scoring_pb2.BatchScoreResponse(results=[score] * count)

    with pytest.raises(ServerError, match=f"Expected 2 results .* Received: {count}"):
        list(connect(StreamScore=answer).score_many([("a", None)] * 2))


def test_result_without_outcome_is_an_error_of_its_creative(connect):
    def answer(request, context):
        return scoring_pb2.BatchScoreResponse(results=[scoring_pb2.BatchScoreResult(id="a7")])

    (error,) = connect(StreamScore=answer).score_many([Creative("a", id="a7")])
    assert isinstance(error, ServerError)
    assert error.creative_id == "a7"


def test_batches_are_cut_at_the_limit_of_bytes(connect, recorder):
    creatives = [Creative("h", bytes(700), id=str(n)) for n in range(5)]
    client = connect(StreamScore=recorder, max_message_bytes=2048)
    results = list(client.score_many(creatives))
    assert [result.creative_id for result in results] == ["0", "1", "2", "3", "4"]
    assert [len(request.creatives) for request in recorder.requests] == [2, 2, 1]


@pytest.mark.parametrize(("length", "batches"), [(1009, [2]), (1010, [1, 1])])
def test_frames_of_creatives_count_for_the_limit(length, batches, connect, recorder):
    # Around a headline are 3 bytes, around a creative 6, and the id of a request is up to 12.
    client = connect(StreamScore=recorder, max_message_bytes=2048)
    assert means(client.score_many([("h" * length, None)] * 2)) == [length] * 2
    assert [len(request.creatives) for request in recorder.requests] == batches
    assert all(request.ByteSize() <= 2048 for request in recorder.requests)


def test_full_messages_pass_a_server_with_the_default_limit(connect, recorder):
    limit = 16 * 1024 * 1024
    client = connect(StreamScore=recorder, model="banners", timeout_seconds=60)
    for spare in (0, 1, 2):
        overhead = 40 - spare
        results = list(client.score_many([("h", bytes(limit // 2 - overhead))] * 2))
        assert all(isinstance(result, Score) for result in results)
    (largest,) = client.score_many([("h", bytes(limit - 52))])
    assert isinstance(largest, Score)
    (refused,) = client.score_many([("h", bytes(limit))])
    assert isinstance(refused, InvalidCreativeError)


def test_memory_does_not_grow_with_the_number_of_creatives(connect, score_each):
    client = connect(StreamScore=score_each)
    image = bytes(20_000)

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in client.score_many((f"h{n}", bytes(image)) for n in range(count)):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(64)
    assert peak(1280) < 2 * peak(128) + 1_000_000


def test_loop_that_is_left_early_ends_the_call(connect, score_each):
    ended = threading.Event()

    def answer(request, context):
        context.add_callback(ended.set)
        return score_each(request, context)

    endless = (("headline", None) for _ in iter(int, 1))
    for result in connect(StreamScore=answer).score_many(endless):
        assert isinstance(result, Score)
        break
    assert ended.wait(30)


def test_silent_stream_is_given_up_and_slow_consumer_is_not(connect, score_each):
    release = threading.Event()

    def answer(request, context):
        if request.request_id == "6":
            release.wait(60)
        return score_each(request, context)

    client = connect(StreamScore=answer)
    list(client.score_many([("a", None)]))  # it is connected: the deadline is for answers alone
    results = client.score_many([("a", None)] * 9, batch_size=1, timeout_seconds=3)
    first = next(results)
    release.wait(3.5)  # what the consumer does meanwhile does not count
    try:
        assert [first, *itertools.islice(results, 4)] == [first] * 5
        with pytest.raises(DeadlineExceededError, match=r"within 3 s"):
            next(results)
    finally:
        release.set()


def test_answers_out_of_order_are_put_in_order():
    class Backwards(scoring_pb2_grpc.ScoringServiceServicer):
        def StreamScore(self, requests, context):  # noqa: N802
            for pair in zip(requests, requests, strict=True):
                for request in reversed(pair):
                    score = scoring_pb2.Score(creative_id=request.creatives[0].id)
                    yield scoring_pb2.StreamScoreResponse(
                        request_id=request.request_id,
                        results=[scoring_pb2.BatchScoreResult(score=score)],
                    )

    server = grpc.server(ThreadPoolExecutor(2))
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(Backwards(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client:
        creatives = [Creative("a", id=str(n)) for n in range(20)]
        results = [result.creative_id for result in client.score_many(creatives, batch_size=1)]
    server.stop(grace=None).wait()
    assert results == [str(n) for n in range(20)]


@pytest.fixture
def endings():
    """A server that keeps how each StreamScore ended for it."""
    seen: list[str] = []

    class Scoring(scoring_pb2_grpc.ScoringServiceServicer):
        def StreamScore(self, requests, context):  # noqa: N802
            try:
                for request in requests:
                    score = scoring_pb2.BatchScoreResult(score=scoring_pb2.Score())
                    yield scoring_pb2.StreamScoreResponse(
                        request_id=request.request_id, results=[score] * len(request.creatives)
                    )
            except Exception:
                seen.append("cancelled")
                raise
            seen.append("read to its end")

    server = grpc.server(ThreadPoolExecutor(2))
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(Scoring(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", seen
    server.stop(grace=None).wait()


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_stream_whose_results_are_all_taken_is_no_cancelled_call(endings, count):
    address, seen = endings
    creatives = [("a", None)] * count
    with Client(address) as client:
        list(client.score_many(creatives, batch_size=1))
    with Client(address) as client:
        results = client.score_many(creatives, batch_size=1)
        for _ in range(count):  # and not once more, so that the iterator has not ended
            next(results)

    async def run() -> None:
        async with AsyncClient(address) as client:
            async for _ in client.score_many(creatives, batch_size=1):
                pass

    asyncio.run(run())
    assert seen == ["read to its end"] * 3
