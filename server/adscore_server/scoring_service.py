"""adscore.v1.ScoringService: each method converts, calls, converts."""

import grpc

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from adscore_server.convert import (
    batch_result_to_wire,
    creative_from_wire,
    match_to_wire,
    score_to_wire,
)
from adscore_server.models import ServedModels
from adscore_server.scoring import ScoringEngine


class ScoringService(scoring_pb2_grpc.ScoringServiceServicer):
    """Predicts the performance of creatives, and says how their parts fit together."""

    def __init__(self, models: ServedModels, engine: ScoringEngine) -> None:
        self._models = models
        self._engine = engine

    def Score(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.ScoreRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> scoring_pb2.ScoreResponse:
        """Scores one creative."""
        scorer = self._models.resolve(request.model, request.model_version)
        score = self._engine.score(scorer, creative_from_wire(request.creative))
        return scoring_pb2.ScoreResponse(score=score_to_wire(score, request.creative.id, scorer))

    def BatchScore(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.BatchScoreRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> scoring_pb2.BatchScoreResponse:
        """Scores several creatives; each has a result or an error of its own."""
        self._engine.check_batch_size(len(request.creatives))
        scorer = self._models.resolve(request.model, request.model_version)
        creatives = [creative_from_wire(wire) for wire in request.creatives]
        outcomes = self._engine.score_batch(scorer, creatives)
        return scoring_pb2.BatchScoreResponse(
            results=[
                batch_result_to_wire(outcome, creative.id, position, scorer)
                for position, (creative, outcome) in enumerate(
                    zip(creatives, outcomes, strict=True)
                )
            ]
        )

    def Match(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.MatchRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> scoring_pb2.MatchResponse:
        """Says how well each headline fits each image."""
        scorer = self._models.resolve(request.model, request.model_version)
        agreements = self._engine.match(scorer, request.headlines, request.images)
        return match_to_wire(agreements, scorer)
