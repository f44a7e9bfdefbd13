"""Checks, decodes and scores the creatives that calls bring, one or many."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol

from adscore.creative import Creative, Score
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.preparation import PreparedCreative
from adscore.scoring.scorer import Scorer
from adscore_server.calls.current import current_call
from adscore_server.calls.status import log_unexpected
from adscore_server.config import ServerConfig
from adscore_server.errors import CallAbandonedError, CallReason, InvalidRequestError
from adscore_server.scoring.batcher import BatcherStatistics, BatchLimits, MicroBatcher, Pressure

MAX_ID_CHARACTERS = 256

# Creatives that one thread works on at a time. Fewer leave the graphs less to do in one run,
# more leave a call that brings 32 to a single core.
_PIECE_CREATIVES = 16
# More in one run of the graphs gain less than they delay the first.
MOST_SCORES_TOGETHER = 16


class Caller(Protocol):
    """Whoever waits for a result; gRPC's context of a call is one."""

    def is_active(self) -> bool:
        """Whether somebody still waits."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Has a function called when nobody waits any more; says whether somebody still does."""


class ScoringEngine:
    """Scores creatives for many calls at once; safe to call from many threads.

    Args:
        config: The limits of a batch and of the queue.
        workers: Work on the creatives of calls that bring many, shared by all calls.
        pressure: Says how many calls there should be; None means any number.
    """

    def __init__(
        self,
        config: ServerConfig,
        workers: Executor,
        pressure: Pressure | None = None,
    ) -> None:
        self._max_batch_creatives = config.max_batch_creatives
        self._workers = workers
        limits = BatchLimits(
            workers=config.decode_threads,
            max_batch_items=MOST_SCORES_TOGETHER,
            max_batch_bytes=config.max_batch_bytes,
            max_waiting_items=config.threads,
        )
        self._batcher = MicroBatcher[Scorer, PreparedCreative, Score](
            _score, limits, _pixel_bytes, pressure
        )

    @property
    def batcher_statistics(self) -> BatcherStatistics:
        """What became of single creatives."""
        return self._batcher.statistics()

    def score(self, scorer: Scorer, creative: Creative, caller: Caller) -> Score:
        """Scores one creative, together with those of other calls where the server is busy.

        Raises:
            InvalidCreativeError: With the field at fault.
            CallAbandonedError: The caller has gone.
            OverloadedError: There is no room to wait, or it waited too long under pressure.
        """
        return self._batcher.submit(
            scorer,
            lambda: _prepare(scorer, creative),
            caller.add_callback,
            current_call().arrival,
        )

    def check_batch_size(self, creatives: int) -> None:
        """Checks the number of creatives of a batch, before anything is made of them.

        Raises:
            InvalidRequestError: There is none, or there are more than the limit.
        """
        if not 1 <= creatives <= self._max_batch_creatives:
            raise InvalidRequestError(
                "creatives",
                CallReason.BATCH_TOO_LARGE if creatives else CallReason.BATCH_EMPTY,
                f"expected 1 to {self._max_batch_creatives} creatives. Received: {creatives}",
            )

    def score_batch(
        self, scorer: Scorer, creatives: Sequence[Creative], caller: Caller
    ) -> list[Score | Exception]:
        """Scores many creatives on all cores; each has an outcome of its own, in their order.

        Raises:
            CallAbandonedError: The caller has gone.
        """
        pieces = [
            creatives[start : start + _PIECE_CREATIVES]
            for start in range(0, len(creatives), _PIECE_CREATIVES)
        ]
        outcomes = self._workers.map(lambda piece: self.score_piece(scorer, piece, caller), pieces)
        return [outcome for piece in outcomes for outcome in piece]

    def score_piece(
        self, scorer: Scorer, creatives: Sequence[Creative], caller: Caller
    ) -> list[Score | Exception]:
        """The same in this thread alone."""
        prepared = []
        for creative in creatives:
            if not caller.is_active():
                raise CallAbandonedError
            prepared.append(_try_to_prepare(scorer, creative))
        passed = [one for one in prepared if isinstance(one, PreparedCreative)]
        scores = iter(_score_each(scorer, passed))
        return [one if isinstance(one, Exception) else next(scores) for one in prepared]


def check_request_id(request_id: str) -> None:
    """Checks the id of a request of a stream.

    Raises:
        InvalidRequestError: It is too long.
    """
    if len(request_id) > MAX_ID_CHARACTERS:
        raise InvalidRequestError(
            "request_id",
            Reason.ID_TOO_LONG,
            f"expected at most {MAX_ID_CHARACTERS} characters. Received: {len(request_id)}",
        )


def _score(scorer: Scorer, creatives: Sequence[PreparedCreative]) -> list[Score]:
    return scorer.score_prepared(creatives)


def _score_each(
    scorer: Scorer, creatives: Sequence[PreparedCreative]
) -> Sequence[Score | Exception]:
    """All together; each alone where that fails, so that one does not fail the others."""
    try:
        return scorer.score_prepared(creatives)
    except Exception as error:
        if len(creatives) > 1:
            return [outcome for one in creatives for outcome in _score_each(scorer, [one])]
        log_unexpected(error, "Scoring a creative")
        return [error]


def _pixel_bytes(creative: PreparedCreative) -> int:
    image = creative.image
    return 0 if image is None or image.pixels is None else image.pixels.nbytes


def _prepare(scorer: Scorer, creative: Creative) -> PreparedCreative:
    if len(creative.id) > MAX_ID_CHARACTERS:
        raise InvalidCreativeError(
            "id",
            Reason.ID_TOO_LONG,
            f"expected at most {MAX_ID_CHARACTERS} characters. "
            f"Received: {len(creative.id)} characters",
        )
    return scorer.preparer.creative(creative)


def _try_to_prepare(scorer: Scorer, creative: Creative) -> PreparedCreative | Exception:
    try:
        return _prepare(scorer, creative)
    except InvalidCreativeError as error:
        return error
    except Exception as error:  # whatever one creative leads to, the others get their scores
        log_unexpected(error, "Preparing a creative")
        return error
