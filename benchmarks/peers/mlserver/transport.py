"""How the benchmark calls MLServer: gRPC by its own stubs, a connection for each process."""

from collections.abc import Sequence

import grpc
from mlserver.grpc import dataplane_pb2 as wire
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub

from serving_bench.load import Send
from serving_bench.pictures import Ad
from serving_bench.transports import TIMEOUT_SECONDS, WrongAnswerError


def score(address: str) -> Send:
    """One creative a call."""
    stub = GRPCInferenceServiceStub(grpc.insecure_channel(address))

    def send(ads: Sequence[Ad]) -> None:
        for ad in ads:
            inputs = [_input("headline", ad.headline.encode()), _input("image", ad.image)]
            request = wire.ModelInferRequest(model_name="scoring", inputs=inputs)
            response = stub.ModelInfer(request, timeout=TIMEOUT_SECONDS)
            if len(response.outputs[0].contents.fp64_contents) % 4:
                raise WrongAnswerError(f"expected (1, targets, 4). Received: {response}")

    return send


def _input(name: str, value: bytes) -> wire.ModelInferRequest.InferInputTensor:
    return wire.ModelInferRequest.InferInputTensor(
        name=name,
        datatype="BYTES",
        shape=[1, 1],
        contents=wire.InferTensorContents(bytes_contents=[value]),
    )
