"""Checks, decodes and scores what calls bring, one creative or many."""

from collections.abc import Sequence
from concurrent.futures import Executor

from adscore.creative import Creative, Score
from adscore.errors import InvalidCreativeError, Reason
from adscore.preparation import PreparedCreative
from adscore.scorer import Scorer
from adscore_server.config import ServerConfig
from adscore_server.errors import CallReason, InvalidRequestError
from adscore_server.status import log_unexpected

MAX_ID_CHARACTERS = 256


class ScoringEngine:
    """Scores creatives for many calls at once; safe to call from many threads.

    Args:
        config: The limits of a batch.
        decoders: Decode the images of batches, shared by all calls.
    """

    def __init__(self, config: ServerConfig, decoders: Executor) -> None:
        self._max_batch_creatives = config.max_batch_creatives
        self._decoders = decoders

    def score(self, scorer: Scorer, creative: Creative) -> Score:
        """Scores one creative.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        [score] = scorer.score_prepared([_prepare(scorer, creative)])
        return score

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

    def score_batch(self, scorer: Scorer, creatives: Sequence[Creative]) -> list[Score | Exception]:
        """Scores many creatives; each has an outcome of its own, in their order."""
        prepared = list(self._decoders.map(lambda one: _try_to_prepare(scorer, one), creatives))
        passed = [one for one in prepared if isinstance(one, PreparedCreative)]
        scores = iter(scorer.score_prepared(passed))
        return [one if isinstance(one, Exception) else next(scores) for one in prepared]


def _prepare(scorer: Scorer, creative: Creative) -> PreparedCreative:
    if len(creative.id) > MAX_ID_CHARACTERS:
        raise InvalidCreativeError(
            "id",
            Reason.ID_TOO_LONG,
            f"expected at most {MAX_ID_CHARACTERS} characters. "
            f"Received: {len(creative.id)} characters",
        )
    return scorer.prepare(creative)


def _try_to_prepare(scorer: Scorer, creative: Creative) -> PreparedCreative | Exception:
    try:
        return _prepare(scorer, creative)
    except InvalidCreativeError as error:
        return error
    except Exception as error:  # whatever one creative leads to, the others get their scores
        log_unexpected(error, "Preparing a creative")
        return error
