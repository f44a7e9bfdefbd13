"""How many creatives a request asks to score: what limits and metrics count."""

from typing import Any

from adscore_protos.v1 import scoring_pb2


def count_creatives(request: Any) -> int:
    """Counts the creatives of a request; of a grid or a match, the headlines and images.

    Args:
        request: A message of `ScoringService`; anything else holds none.
    """
    match request:
        case scoring_pb2.ScoreRequest():
            return 1
        case scoring_pb2.BatchScoreRequest() | scoring_pb2.StreamScoreRequest():
            return len(request.creatives)
        case scoring_pb2.MatchRequest() | scoring_pb2.ScoreCombinationsRequest():
            return len(request.headlines) + len(request.images)
        case _:
            return 0
