"""Ways to send creatives to adscore; each is used by many threads of one process at once."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from serving_bench.load import Send
from serving_bench.pictures import Ad

# Seconds; what takes longer is broken, not slow.
TIMEOUT_SECONDS = 60

GRID_HEADLINES, GRID_IMAGES = 15, 20


class WrongAnswerError(Exception):
    """A server answered something else than the scores that were asked for."""


def check_count(expected: int, received: int, answer: object) -> None:
    """Raises WrongAnswerError where the numbers differ."""
    if expected != received:
        raise WrongAnswerError(f"expected {expected} scores. Received: {received}: {answer!s:.500}")


def score(address: str) -> Send:
    """`Client.score`: one creative a call; a client for each thread, as 32 callers have."""
    from adscore_client import Client

    idle: deque[Client] = deque()

    def send(ads: Sequence[Ad]) -> None:
        client = idle.pop() if idle else Client(address, timeout_seconds=TIMEOUT_SECONDS)
        for ad in ads:
            client.score(ad.headline, ad.image)
        idle.append(client)

    return send


@contextmanager
def idle_connections(address: str, number: int) -> Iterator[None]:
    """Keeps connections open over which nothing is sent."""
    import grpc

    alone = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(address, alone) for _ in range(number)]
    try:
        for channel in channels:
            grpc.channel_ready_future(channel).result(TIMEOUT_SECONDS)
        yield
    finally:
        for channel in channels:
            channel.close()


def bare(address: str) -> Send:
    """The stub alone: one creative a call; a channel for each thread."""
    import grpc

    from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc

    alone = [("grpc.use_local_subchannel_pool", 1)]
    idle: deque[scoring_pb2_grpc.ScoringServiceStub] = deque()

    def send(ads: Sequence[Ad]) -> None:
        stub = (
            idle.pop()
            if idle
            else scoring_pb2_grpc.ScoringServiceStub(grpc.insecure_channel(address, alone))
        )
        for ad in ads:
            creative = scoring_pb2.Creative(headline=ad.headline, image=ad.image)
            stub.Score(scoring_pb2.ScoreRequest(creative=creative), timeout=TIMEOUT_SECONDS)
        idle.append(stub)

    return send


def batch_score(address: str) -> Send:
    """BatchScore: all creatives of a call in one message."""
    import grpc

    from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc

    stub = scoring_pb2_grpc.ScoringServiceStub(grpc.insecure_channel(address))

    def send(ads: Sequence[Ad]) -> None:
        creatives = [scoring_pb2.Creative(headline=ad.headline, image=ad.image) for ad in ads]
        request = scoring_pb2.BatchScoreRequest(creatives=creatives)
        response = stub.BatchScore(request, timeout=TIMEOUT_SECONDS)
        scored = sum(result.HasField("score") for result in response.results)
        check_count(len(ads), scored, response)

    return send


def grid(address: str) -> Send:
    """ScoreCombinations: the images of a call with the headlines of its first creatives."""
    import grpc

    from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc

    stub = scoring_pb2_grpc.ScoringServiceStub(grpc.insecure_channel(address))

    def send(ads: Sequence[Ad]) -> None:
        request = scoring_pb2.ScoreCombinationsRequest(
            headlines=[ad.headline for ad in ads[:GRID_HEADLINES]], images=[ad.image for ad in ads]
        )
        response = stub.ScoreCombinations(request, timeout=TIMEOUT_SECONDS)
        for target in response.targets.values():
            check_count(GRID_HEADLINES * len(ads), len(target.means), response)

    return send


def stream(address: str) -> Callable[[Iterator[Ad]], Iterator[object]]:
    """`Client.score_many`: any number of creatives, some tens in a message."""
    from adscore_client import Client, Score

    client = Client(address, timeout_seconds=TIMEOUT_SECONDS)

    def send(ads: Iterator[Ad]) -> Iterator[object]:
        for result in client.score_many((ad.headline, ad.image) for ad in ads):
            if not isinstance(result, Score):
                raise result
            yield result

    return send
