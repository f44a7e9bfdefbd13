"""Calls a small server through the client; run by test_wheel.py in an environment of its own.

Uses the base dependencies alone: the messages, the service, and the details of a refusal.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.code_pb2 import INVALID_ARGUMENT
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from adscore_client import AsyncClient, Client, InvalidCreativeError
from adscore_client.testing import FakeServer
from adscore_protos.v1 import model_pb2_grpc, scoring_pb2, scoring_pb2_grpc


class Scoring(scoring_pb2_grpc.ScoringServiceServicer):
    """Refuses what has an image, and gives everything else the same score."""

    def Score(self, request, context):  # noqa: N802 - the wire's name
        if request.creative.image:
            context.set_trailing_metadata([("grpc-status-details-bin", refusal())])
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "image: expected a JPEG")
        target = scoring_pb2.TargetScore(mean=0.5, lower=0.25, upper=0.75, percentile=50)
        return scoring_pb2.ScoreResponse(score=scoring_pb2.Score(targets={"ctr": target}))


def refusal() -> bytes:
    details = [
        ErrorInfo(reason="IMAGE_UNREADABLE", domain="adscore"),
        BadRequest(field_violations=[BadRequest.FieldViolation(field="creative.image")]),
    ]
    packed = [Any() for _ in details]
    for message, detail in zip(packed, details, strict=True):
        message.Pack(detail)
    return Status(code=INVALID_ARGUMENT, message="image", details=packed).SerializeToString()


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(Scoring(), server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(model_pb2_grpc.ModelServiceServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client:
        score = client.score("Save 20 % on running shoes", None)
        try:
            client.score("Save 20 % on running shoes", b"not an image")
        except InvalidCreativeError as error:
            outcome = f"scored {score.targets['ctr'].mean}, refused {error.field} {error.reason}"
            print(outcome)  # noqa: T201
    server.stop(grace=None).wait()
    with FakeServer(score=lambda creative: 0.25) as fake:
        print(asyncio.run(score_in_two_ways(fake.address)))  # noqa: T201


async def score_in_two_ways(address: str) -> str:
    """Scores with both clients, one creative and a stream of them."""
    with Client(address) as client:
        means = [result.targets["ctr"].mean for result in client.score_many([("a", None)] * 3)]
    async with AsyncClient(address) as client:
        means.append((await client.score("a")).targets["ctr"].mean)
        async for result in client.score_many([("a", b"image")] * 3):
            means.append(result.targets["ctr"].mean)
    return f"scored {len(means)} of {set(means)}"


if __name__ == "__main__":
    main()
