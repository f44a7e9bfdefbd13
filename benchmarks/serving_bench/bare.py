"""A server that scores nothing: the same messages over the same gRPC, with a fixed answer.

Run as `python -m serving_bench.bare`; what it costs is what a server in Python cannot save.
"""

from concurrent.futures import ThreadPoolExecutor

import grpc

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc

_THREADS = 2  # the fewest hand-overs; more, and grpc.aio, cost more


class BareService(scoring_pb2_grpc.ScoringServiceServicer):
    """Answers every creative with the same score."""

    def Score(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.ScoreRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> scoring_pb2.ScoreResponse:
        """Looks at nothing."""
        target = scoring_pb2.TargetScore(mean=0.01, lower=0.005, upper=0.02, percentile=50)
        score = scoring_pb2.Score(targets={"ctr": target}, model="none", model_version="1")
        return scoring_pb2.ScoreResponse(score=score)


def main() -> None:
    """Serves until it is ended."""
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(BareService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"Ready on 127.0.0.1:{port}: no model", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
