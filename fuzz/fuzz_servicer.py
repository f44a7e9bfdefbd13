"""Fuzzes a live server: any bytes of any method get an answer or a status that the contract names.

ADSCORE_FUZZ_MODEL names the folder of a model.
"""

import os
import sys
from pathlib import Path

import atheris

from hostile_images import whole_images

with atheris.instrument_imports(include=["adscore", "adscore_server", "PIL"]):
    import grpc

    from adscore.scoring.scorer import Scorer
    from adscore_protos.v1 import check_pb2, model_pb2, scoring_pb2
    from adscore_server.config import ServerConfig
    from adscore_server.models.registry import LoadedModel, ModelRegistry
    from adscore_server.server import Server

EXPECTED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)
TIMEOUT_SECONDS = 30


class Caller:
    """Calls any method of a server with what a fuzzer makes up.

    Args:
        channel: To the server.
        image: A whole image, so that what lies behind the decoder is reached too.
    """

    def __init__(self, channel: grpc.Channel, image: bytes) -> None:
        self._image = image
        self._methods = [
            channel.stream_stream(f"/{service.full_name}/{method.name}")
            for file in (scoring_pb2.DESCRIPTOR, model_pb2.DESCRIPTOR, check_pb2.DESCRIPTOR)
            for service in file.services_by_name.values()
            for method in service.methods
        ]

    def call(self, data: bytes) -> None:
        """One call; a status that the contract does not name for bad input is a finding."""
        provider = atheris.FuzzedDataProvider(data)
        method = self._methods[provider.ConsumeIntInRange(0, len(self._methods) - 1)]
        if provider.ConsumeBool():
            request = self._request(provider)
        else:
            request = provider.ConsumeBytes(len(data))
        try:
            list(method(iter([request]), timeout=TIMEOUT_SECONDS))
        except grpc.RpcError as error:
            if error.code() not in EXPECTED:
                raise AssertionError(error.code(), error.details()) from error

    def _request(self, provider: atheris.FuzzedDataProvider) -> bytes:
        """A request with fields of the right types; all methods number most of them alike."""
        text = provider.ConsumeUnicodeNoSurrogates(80)
        image = self._image if provider.ConsumeBool() else provider.ConsumeBytes(200)
        names = provider.ConsumeUnicodeNoSurrogates(10), provider.ConsumeUnicodeNoSurrogates(10)
        creative = scoring_pb2.Creative(headline=text, image=image, id=names[0])
        if provider.ConsumeBool():
            creative.context[names[0]] = names[1]
        messages = (
            scoring_pb2.ScoreRequest(creative=creative, model=names[1]),
            scoring_pb2.BatchScoreRequest(creatives=[creative] * provider.ConsumeIntInRange(0, 3)),
            scoring_pb2.StreamScoreRequest(request_id=names[1], creatives=[creative]),
            scoring_pb2.MatchRequest(headlines=[text], images=[image]),
            scoring_pb2.ScoreCombinationsRequest(headlines=[text], images=[image]),
            scoring_pb2.ExplainRequest(creative=creative),
            check_pb2.CheckRequest(
                placement=names[1],
                creatives=[check_pb2.CreativeToCheck(headline=text, image=image)],
            ),
        )
        return messages[provider.ConsumeIntInRange(0, len(messages) - 1)].SerializeToString()


def main() -> None:
    """Serves the model and calls until told to stop."""
    scorer = Scorer.open(Path(os.environ["ADSCORE_FUZZ_MODEL"]))
    _, image = next(whole_images())
    config = ServerConfig(address="127.0.0.1:0")
    with (
        Server(ModelRegistry([LoadedModel(scorer)]), config) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        atheris.Setup(sys.argv, Caller(channel, image).call)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
