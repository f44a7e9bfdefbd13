"""adscore.v1.ScoringService: each method converts, calls, converts."""

from collections.abc import Iterator

import grpc

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import (
    batch_results_to_wire,
    creative_from_wire,
    grid_to_wire,
    match_to_wire,
    score_to_wire,
)
from adscore_server.scoring.engine import ScoringEngine, check_request_id
from adscore_server.scoring.grids import GridEngine
from adscore_server.scoring.streaming import Streams


class ScoringService(scoring_pb2_grpc.ScoringServiceServicer):
    """Predicts the performance of creatives, and says how their parts fit together."""

    def __init__(
        self, models: ServedModels, engine: ScoringEngine, grids: GridEngine, streams: Streams
    ) -> None:
        self._models = models
        self._engine = engine
        self._grids = grids
        self._streams = streams

    def Score(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.ScoreRequest,
        context: grpc.ServicerContext,
    ) -> scoring_pb2.ScoreResponse:
        """Scores one creative."""
        scorer = self._models.resolve(request.model, request.model_version)
        score = self._engine.score(scorer, creative_from_wire(request.creative), context)
        return scoring_pb2.ScoreResponse(score=score_to_wire(score, request.creative.id, scorer))

    def BatchScore(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.BatchScoreRequest,
        context: grpc.ServicerContext,
    ) -> scoring_pb2.BatchScoreResponse:
        """Scores several creatives; each has a result or an error of its own."""
        self._engine.check_batch_size(len(request.creatives))
        scorer = self._models.resolve(request.model, request.model_version)
        creatives = [creative_from_wire(wire) for wire in request.creatives]
        outcomes = self._engine.score_batch(scorer, creatives, context)
        return scoring_pb2.BatchScoreResponse(
            results=batch_results_to_wire(creatives, outcomes, scorer)
        )

    def StreamScore(  # noqa: N802 - the contract's name
        self,
        request_iterator: Iterator[scoring_pb2.StreamScoreRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[scoring_pb2.StreamScoreResponse]:
        """Scores creatives in bulk; requests are answered in whatever order they are done."""

        def answer(request: scoring_pb2.StreamScoreRequest) -> scoring_pb2.StreamScoreResponse:
            check_request_id(request.request_id)
            self._engine.check_batch_size(len(request.creatives))
            scorer = self._models.resolve(request.model, request.model_version)
            creatives = [creative_from_wire(wire) for wire in request.creatives]
            outcomes = self._engine.score_piece(scorer, creatives, context)
            results = batch_results_to_wire(creatives, outcomes, scorer)
            return scoring_pb2.StreamScoreResponse(request_id=request.request_id, results=results)

        return self._streams.answers(request_iterator, answer)

    def ScoreCombinations(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.ScoreCombinationsRequest,
        context: grpc.ServicerContext,
    ) -> scoring_pb2.ScoreCombinationsResponse:
        """Scores every headline with every image."""
        scorer = self._models.resolve(request.model, request.model_version)
        grid = self._grids.score_combinations(
            scorer, request.headlines, request.images, dict(request.context), context
        )
        return grid_to_wire(grid, scorer)

    def Match(  # noqa: N802 - the contract's name
        self,
        request: scoring_pb2.MatchRequest,
        context: grpc.ServicerContext,
    ) -> scoring_pb2.MatchResponse:
        """Says how well each headline fits each image."""
        scorer = self._models.resolve(request.model, request.model_version)
        agreements = self._grids.match(scorer, request.headlines, request.images, context)
        return match_to_wire(agreements, scorer)
