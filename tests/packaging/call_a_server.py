"""Calls a small server through the client; run by test_wheel.py in an environment of its own.

Uses the base dependencies alone: the messages, the service, and the details of a refusal.
"""

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.code_pb2 import INVALID_ARGUMENT
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from adscore_client import Client, InvalidCreativeError
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


if __name__ == "__main__":
    main()
