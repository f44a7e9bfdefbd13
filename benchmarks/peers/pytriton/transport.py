"""How the benchmark calls PyTriton: gRPC by Triton's client, a connection for each process."""

from collections.abc import Sequence

import numpy as np
import tritonclient.grpc as triton

from serving_bench.load import Send
from serving_bench.pictures import Ad
from serving_bench.transports import TIMEOUT_SECONDS, WrongAnswerError


def score(address: str) -> Send:
    """One creative a call."""
    client = triton.InferenceServerClient(address)

    def send(ads: Sequence[Ad]) -> None:
        for ad in ads:
            inputs = [_input("headline", ad.headline.encode()), _input("image", ad.image)]
            result = client.infer("scoring", inputs, client_timeout=TIMEOUT_SECONDS)
            scores = result.as_numpy("scores")
            if scores is None or scores.shape[-1] != 4:
                raise WrongAnswerError(f"expected (1, targets, 4). Received: {scores}")

    return send


def _input(name: str, value: bytes) -> triton.InferInput:
    tensor = triton.InferInput(name, [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[value]], dtype=np.object_))
    return tensor
