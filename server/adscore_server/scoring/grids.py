"""Scores and matches grids: every one of some headlines with every one of some images."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.preparation import PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.call import Call
from adscore_server.calls.wire import Layout, is_large_image
from adscore_server.config import ServerConfig
from adscore_server.errors import CallReason, InvalidRequestError, ModelWithoutAgreementError
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import grid_to_wire, match_to_wire
from adscore_server.scoring.work import PiecesOfCall, Scoring

_GRID = Layout(frozenset({1, 2}))
# More take so long that no call of one creative should wait behind them.
_LONG_GRID = 2_000


class Grids:
    """Answers ScoreCombinations and Match; safe to use from many threads.

    Args:
        config: The limits of a grid.
        models: What is served.
        scoring: Reads the requests.
    """

    def __init__(self, config: ServerConfig, models: ServedModels, scoring: Scoring) -> None:
        self._max_parts = config.max_batch_creatives
        self._models, self._scoring = models, scoring

    def match(self, call: Call) -> PiecesOfCall:
        """Begins with a Match; gives the work that is left.

        Raises:
            InvalidRequestError: There are too few or too many; or a headline, the first bad one,
                cannot be read.
            ModelWithoutAgreementError: The model was not trained for it.
        """
        request = self._scoring.read(call, scoring_pb2.MatchRequest, _GRID)
        scorer = self._models.resolve(request.model, request.model_version)
        self._check_parts(len(request.headlines), len(request.images))
        if not scorer.has_agreement:
            raise ModelWithoutAgreementError(scorer.name, scorer.version)
        headlines = _prepare_headlines(scorer, request.headlines)
        return self._pieces(
            call,
            scorer,
            request,
            lambda images: match_to_wire(scorer.match(headlines, images), scorer),
        )

    def score_combinations(self, call: Call) -> PiecesOfCall:
        """Begins with a ScoreCombinations; gives the work that is left.

        Raises:
            InvalidRequestError: There are too few or too many; or a headline, the first bad one,
                or the context cannot be read.
        """
        request = self._scoring.read(call, scoring_pb2.ScoreCombinationsRequest, _GRID)
        scorer = self._models.resolve(request.model, request.model_version)
        self._check_parts(len(request.headlines), len(request.images))
        _check_combinations(scorer, len(request.headlines), len(request.images))
        try:
            context = scorer.preparer.context(dict(request.context))
        except InvalidCreativeError as error:
            raise _refused(error.field, error) from error
        headlines = _prepare_headlines(scorer, request.headlines)

        def finish(images: list[PreparedImage]) -> Message:
            return grid_to_wire(scorer.score_combinations(headlines, images, context), scorer)

        return self._pieces(call, scorer, request, finish)

    def _pieces(
        self,
        call: Call,
        scorer: Scorer,
        request: scoring_pb2.MatchRequest | scoring_pb2.ScoreCombinationsRequest,
        finish: Callable[[list[PreparedImage]], Message],
    ) -> PiecesOfCall:
        images = list(request.images)

        def prepare(places: Sequence[int]) -> list[PreparedImage | Exception]:
            prepared = []
            for place in places:
                call.require_caller()
                prepared.append(_prepare_image(scorer, place, images[place]))
            return prepared

        def finish_or_raise(outcomes: list[PreparedImage | Exception]) -> Message:
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome
            return finish([one for one in outcomes if isinstance(one, PreparedImage)])

        return PiecesOfCall(
            call,
            prepare,
            finish_or_raise,
            [is_large_image(image) for image in images],
            is_long=len(request.headlines) * len(images) > _LONG_GRID,
        )

    def _check_parts(self, headlines: int, images: int) -> None:
        for name, count in (("headlines", headlines), ("images", images)):
            if not count:
                raise InvalidRequestError(
                    name, CallReason.BATCH_EMPTY, f"expected 1 or more {name}. Received: 0"
                )
        if headlines + images > self._max_parts:
            raise InvalidRequestError(
                "headlines" if headlines > images else "images",
                CallReason.BATCH_TOO_LARGE,
                f"expected at most {self._max_parts} headlines and images together. "
                f"Received: {headlines} headlines and {images} images",
            )


def _check_combinations(scorer: Scorer, headlines: int, images: int) -> None:
    limit = scorer.manifest.limits.max_combinations
    if headlines * images > limit:
        raise InvalidRequestError(
            "headlines" if headlines > images else "images",
            CallReason.BATCH_TOO_LARGE,
            f"expected at most {limit} combinations. Received: {headlines} headlines x "
            f"{images} images = {headlines * images}",
        )


def _prepare_headlines(scorer: Scorer, headlines: Sequence[str]) -> list[PreparedHeadline]:
    return [_prepare_headline(scorer, *item) for item in enumerate(headlines)]


def _prepare_headline(scorer: Scorer, position: int, headline: str) -> PreparedHeadline:
    field = f"headlines[{position}]"
    if not headline.strip():
        raise InvalidRequestError(field, Reason.HEADLINE_MISSING, "expected text. Received: none")
    try:
        return scorer.preparer.required_headline(headline)
    except InvalidCreativeError as error:
        raise _refused(field, error) from error


def _prepare_image(scorer: Scorer, position: int, image: bytes) -> PreparedImage | Exception:
    field = f"images[{position}]"
    if not image:
        return InvalidRequestError(
            field, Reason.IMAGE_MISSING, "expected an encoded image. Received: 0 bytes"
        )
    try:
        return scorer.preparer.required_image(image)
    except InvalidCreativeError as error:
        return _refused(field, error)


def _refused(field: str, error: InvalidCreativeError) -> InvalidRequestError:
    """The same refusal, of a field of the call."""
    return InvalidRequestError(field, error.reason, str(error).removeprefix(f"{error.field}: "))
