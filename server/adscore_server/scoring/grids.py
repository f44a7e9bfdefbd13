"""Scores and matches grids: every one of some headlines with every one of some images."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.grids import ScoreGrid
from adscore.scoring.preparation import PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore_server.config import ServerConfig
from adscore_server.errors import (
    CallAbandonedError,
    CallReason,
    InvalidRequestError,
    ModelWithoutAgreementError,
)
from adscore_server.scoring.engine import Caller


class GridEngine:
    """Works on grids for many calls at once; safe to call from many threads.

    Args:
        config: The limits of a grid.
        workers: Decode images, shared by all calls.
    """

    def __init__(self, config: ServerConfig, workers: Executor) -> None:
        self._max_parts = config.max_batch_creatives
        self._workers = workers

    def match(
        self, scorer: Scorer, headlines: Sequence[str], images: Sequence[bytes], caller: Caller
    ) -> NDArray[np.float32]:
        """Says how well each headline fits each image.

        Returns:
            Of shape (headlines, images), float32, from -1 to 1.

        Raises:
            InvalidRequestError: There are too few or too many; or a headline or an image, the
                first bad one, cannot be read.
            ModelWithoutAgreementError: The model was not trained for it.
            CallAbandonedError: The caller has gone.
        """
        self._check_parts(len(headlines), len(images))
        if not scorer.has_agreement:
            raise ModelWithoutAgreementError(scorer.name, scorer.version)
        return scorer.match(*self._prepare_parts(scorer, headlines, images, caller))

    def score_combinations(
        self,
        scorer: Scorer,
        headlines: Sequence[str],
        images: Sequence[bytes],
        context: Mapping[str, str],
        caller: Caller,
    ) -> ScoreGrid:
        """Scores every headline with every image.

        Raises:
            InvalidRequestError: There are too few or too many; or a headline or an image, the
                first bad one, or the context cannot be read.
            CallAbandonedError: The caller has gone.
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
            prepared = scorer.preparer.context(context)
        except InvalidCreativeError as error:
            raise _refused(error.field, error) from error
        parts = self._prepare_parts(scorer, headlines, images, caller)
        return scorer.score_combinations(*parts, prepared)

    def _prepare_parts(
        self, scorer: Scorer, headlines: Sequence[str], images: Sequence[bytes], caller: Caller
    ) -> tuple[list[PreparedHeadline], list[PreparedImage]]:
        texts = [_prepare_headline(scorer, *item) for item in enumerate(headlines)]

        def prepare(item: tuple[int, bytes]) -> PreparedImage:
            if not caller.is_active():
                raise CallAbandonedError
            return _prepare_image(scorer, *item)

        return texts, list(self._workers.map(prepare, enumerate(images)))

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


def _prepare_headline(scorer: Scorer, position: int, headline: str) -> PreparedHeadline:
    field = f"headlines[{position}]"
    if not headline.strip():
        raise InvalidRequestError(field, Reason.HEADLINE_MISSING, "expected text. Received: none")
    try:
        return scorer.preparer.required_headline(headline)
    except InvalidCreativeError as error:
        raise _refused(field, error) from error


def _prepare_image(scorer: Scorer, position: int, image: bytes) -> PreparedImage:
    field = f"images[{position}]"
    if not image:
        raise InvalidRequestError(
            field, Reason.IMAGE_MISSING, "expected an encoded image. Received: 0 bytes"
        )
    try:
        return scorer.preparer.required_image(image)
    except InvalidCreativeError as error:
        raise _refused(field, error) from error


def _refused(field: str, error: InvalidCreativeError) -> InvalidRequestError:
    """The same refusal, of a field of the call."""
    return InvalidRequestError(field, error.reason, str(error).removeprefix(f"{error.field}: "))
