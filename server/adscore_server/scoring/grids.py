"""Scores and matches grids: every headline with every image."""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message

from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.preparation import CheckedImage, PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.call import Call
from adscore_server.calls.wire import Layout
from adscore_server.config import ServerConfig
from adscore_server.errors import CallReason, InvalidRequestError, ModelWithoutAgreementError
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import grid_to_wire, match_to_wire
from adscore_server.scoring.pieces import PiecesOfCall, attempt
from adscore_server.scoring.work import Scoring

_GRID = Layout(frozenset({1, 2}))
# More pairs take so long that single scores should not wait behind them.
_LONG_GRID = 2_000


class Grids:
    """Answers ScoreCombinations and Match; thread-safe.

    Args:
        config: The limits of a grid.
        models: The served models.
        scoring: Reads the requests.
    """

    def __init__(self, config: ServerConfig, models: ServedModels, scoring: Scoring) -> None:
        self._max_parts = config.max_batch_creatives
        self._models, self._scoring = models, scoring

    def match(self, call: Call) -> PiecesOfCall:
        """Starts a Match and returns the remaining work.

        Raises:
            InvalidRequestError: There are too few or too many headlines or images, or a headline is
                invalid; the error names the first.
            ModelWithoutAgreementError: The model was not trained for agreement.
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
        """Starts a ScoreCombinations and returns the remaining work.

        Raises:
            InvalidRequestError: There are too few or too many headlines or images, or a headline
                (the error names the first) or the context is invalid.
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
        respond: Callable[[list[PreparedImage]], Message],
    ) -> PiecesOfCall:
        job = ImagesOfGrid(scorer, list(request.images), respond)
        is_long = len(request.headlines) * job.count > _LONG_GRID
        return PiecesOfCall(call, job, self._scoring.long_work, is_long=is_long)

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


class ImagesOfGrid:
    """The images of a grid; a `pieces.Job`.

    Args:
        scorer: The model.
        images: Encoded files.
        respond: Makes the response from all decoded images.
    """

    def __init__(
        self,
        scorer: Scorer,
        images: Sequence[bytes],
        respond: Callable[[list[PreparedImage]], Message],
    ) -> None:
        self.count = len(images)
        self.budget = scorer.preparer.budget
        self._preparer, self._images, self._respond = scorer.preparer, images, respond

    def check(self, place: int) -> Any:
        """See `pieces.Job`."""
        return attempt(self._check, place)

    def decode(self, checked: CheckedImage | PreparedImage) -> Any:
        """See `pieces.Job`."""
        if isinstance(checked, PreparedImage):  # the cache holds it
            return checked
        return attempt(self._preparer.decode_image, checked)

    def work(self, decoded: Sequence[PreparedImage]) -> Sequence[PreparedImage]:
        """See `pieces.Job`."""
        return decoded

    def finish(self, outcomes: list[Any]) -> Message:
        """Makes the response; raises the error of the first image that failed."""
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, InvalidCreativeError):
                raise _refused(f"images[{place}]", outcome) from outcome
            if isinstance(outcome, Exception):
                raise outcome
        return self._respond(outcomes)

    def _check(self, place: int) -> CheckedImage | PreparedImage:
        image = self._images[place]
        checked = self._preparer.check_image(image) if image else None
        if checked is None:
            raise InvalidRequestError(
                f"images[{place}]",
                Reason.IMAGE_MISSING,
                "expected an encoded image. Received: 0 bytes",
            )
        return checked


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


def _refused(field: str, error: InvalidCreativeError) -> InvalidRequestError:
    """The same error for a field of the call."""
    return InvalidRequestError(field, error.reason, str(error).removeprefix(f"{error.field}: "))
