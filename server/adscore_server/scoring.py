"""Checks, decodes and scores what calls bring: one creative, many, or parts of some."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from adscore.combinations import ScoreGrid
from adscore.creative import Creative, Score
from adscore.errors import InvalidCreativeError, Reason
from adscore.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.scorer import Scorer
from adscore_server.config import ServerConfig
from adscore_server.errors import CallReason, InvalidRequestError, ModelWithoutAgreementError
from adscore_server.status import log_unexpected

MAX_ID_CHARACTERS = 256


class ScoringEngine:
    """Scores creatives for many calls at once; safe to call from many threads.

    Args:
        config: The limits of a batch.
        decoders: Decode the images of calls that bring many, shared by all calls.
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

    def match(
        self, scorer: Scorer, headlines: Sequence[str], images: Sequence[bytes]
    ) -> NDArray[np.float32]:
        """Says how well each headline fits each image.

        Returns:
            Of shape (headlines, images), float32, from -1 to 1.

        Raises:
            InvalidRequestError: There are too few or too many; or a headline or an image, the
                first bad one, cannot be read.
            ModelWithoutAgreementError: The model was not trained for it.
        """
        self._check_parts(len(headlines), len(images))
        if not scorer.has_agreement:
            raise ModelWithoutAgreementError(scorer.name, scorer.version)
        return scorer.match(*self._prepare_parts(scorer, headlines, images))

    def score_combinations(
        self,
        scorer: Scorer,
        headlines: Sequence[str],
        images: Sequence[bytes],
        context: Mapping[str, str],
    ) -> ScoreGrid:
        """Scores every headline with every image.

        Raises:
            InvalidRequestError: There are too few or too many; or a headline or an image, the
                first bad one, or the context cannot be read.
        """
        self._check_parts(len(headlines), len(images))
        most = scorer.manifest.limits.max_combinations
        if len(headlines) * len(images) > most:
            raise InvalidRequestError(
                "headlines" if len(headlines) > len(images) else "images",
                CallReason.BATCH_TOO_LARGE,
                f"expected at most {most} combinations. Received: {len(headlines)} headlines x "
                f"{len(images)} images = {len(headlines) * len(images)}",
            )
        try:
            scorer.check_context(context)
        except InvalidCreativeError as error:
            raise _refused(error.field, error) from error
        parts = self._prepare_parts(scorer, headlines, images)
        return scorer.score_combinations(*parts, context)

    def _prepare_parts(
        self, scorer: Scorer, headlines: Sequence[str], images: Sequence[bytes]
    ) -> tuple[list[PreparedHeadline], list[PreparedImage]]:
        texts = [_prepare_headline(scorer, *item) for item in enumerate(headlines)]
        pictures = self._decoders.map(lambda item: _prepare_image(scorer, *item), enumerate(images))
        return texts, list(pictures)

    def _check_parts(self, headlines: int, images: int) -> None:
        for name, count in (("headlines", headlines), ("images", images)):
            if not count:
                raise InvalidRequestError(
                    name, CallReason.BATCH_EMPTY, f"expected 1 or more {name}. Received: 0"
                )
        if headlines + images > self._max_batch_creatives:
            raise InvalidRequestError(
                "headlines" if headlines > images else "images",
                CallReason.BATCH_TOO_LARGE,
                f"expected at most {self._max_batch_creatives} headlines and images together. "
                f"Received: {headlines} headlines and {images} images",
            )


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


def _prepare_headline(scorer: Scorer, position: int, headline: str) -> PreparedHeadline:
    field = f"headlines[{position}]"
    if not headline.strip():
        raise InvalidRequestError(field, Reason.HEADLINE_MISSING, "expected text. Received: none")
    try:
        return scorer.prepare_headline(headline)
    except InvalidCreativeError as error:
        raise _refused(field, error) from error


def _prepare_image(scorer: Scorer, position: int, image: bytes) -> PreparedImage:
    field = f"images[{position}]"
    if not image:
        raise InvalidRequestError(
            field, Reason.IMAGE_MISSING, "expected an encoded image. Received: 0 bytes"
        )
    try:
        return scorer.prepare_image(image)
    except InvalidCreativeError as error:
        raise _refused(field, error) from error


def _refused(field: str, error: InvalidCreativeError) -> InvalidRequestError:
    """The same refusal, of a field of the call."""
    return InvalidRequestError(field, error.reason, str(error).removeprefix(f"{error.field}: "))
