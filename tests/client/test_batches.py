"""Requests stay within the limits of number and bytes, whatever the creatives are."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adscore_client import AdscoreError, Client, Creative, Score
from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc


# One server for all examples: a function-scoped fixture would not be reset between them.
@pytest.fixture(scope="module")
def splitter():
    class Scoring(scoring_pb2_grpc.ScoringServiceServicer):
        sizes = ()

        def StreamScore(self, requests, context):  # noqa: N802
            for request in requests:
                self.sizes += ((len(request.creatives), request.ByteSize()),)
                results = [
                    scoring_pb2.BatchScoreResult(id=c.id, score=scoring_pb2.Score(creative_id=c.id))
                    for c in request.creatives
                ]
                yield scoring_pb2.StreamScoreResponse(
                    request_id=request.request_id, results=results
                )

    scoring = Scoring()
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 4096)])
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(scoring, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}", max_message_bytes=4096) as client:
        yield client, scoring
    server.stop(grace=None).wait()


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5000), max_size=20),
    batch_size=st.integers(1, 8),
    model=st.text(st.characters(codec="utf-8"), max_size=100),
)
def test_any_sizes_keep_both_limits_and_the_order(splitter, sizes, batch_size, model):
    client, scoring = splitter
    scoring.sizes = ()
    creatives = [Creative("h" * size, id=str(n)) for n, size in enumerate(sizes)]
    results = list(client.score_many(creatives, batch_size=batch_size, model=model))
    assert [result.creative_id for result in results] == [str(n) for n in range(len(sizes))]
    for size, result in zip(sizes, results, strict=True):
        if size < 3500:
            assert isinstance(result, Score)
        if size > 4096:
            assert isinstance(result, AdscoreError)
    assert all(count <= batch_size and size <= 4096 for count, size in scoring.sizes)
