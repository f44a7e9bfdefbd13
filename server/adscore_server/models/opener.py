"""Opens one version of a model: reads, verifies and warms it, or refuses it with a reason."""

import logging
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from adscore.bundle import BundleCheck
from adscore.creative import InputLimits
from adscore.errors import BundleError
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.pixel_budget import PixelBudget
from adscore.scoring.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore_server.config import ServerConfig
from adscore_server.models.folders import VersionFolder, absolute, is_passing
from adscore_server.models.registry import LoadedModel, RefusedModel

# The first run of a batch size is up to three times as slow as later ones, since the runtime plans
# its memory. A call brings one creative, batches on a busy server several, BatchScore many.
WARM_BATCHES = (1, 8, 32)

_logger = logging.getLogger(__name__)


class ModelOpener:
    """Opens versions of models.

    Args:
        root: The server's root; it is cut from reasons that callers see.
        config: Cache size and limits; None uses the defaults.
        check: A check beside the checksums, for instance of a signature.

    Attributes:
        budget: Bounds what all models decode at once, including old versions that still answer
            calls.
    """

    def __init__(
        self,
        root: Path,
        config: ServerConfig | None = None,
        check: BundleCheck | None = None,
    ) -> None:
        config = config or ServerConfig()
        self.budget = PixelBudget(config.max_image_pixels or InputLimits().max_image_pixels)
        self._options = RuntimeOptions(
            # Calls run the graphs on all cores already; the runtime's own threads would only
            # compete with them.
            threads=1,
            cache_bytes=config.cache_bytes,
            max_headline_characters=config.max_headline_characters,
            max_image_bytes=config.max_image_bytes,
            max_image_pixels=config.max_image_pixels,
            budget=self.budget,
        )
        self._check = check
        self._root = absolute(root)

    def open(self, folder: VersionFolder) -> LoadedModel | RefusedModel:
        """Reads a version, checks it against its checksums and golden scores, and warms it."""
        start = time.monotonic()
        try:
            scorer = Scorer.open(folder.path, self._options, self._check)
            for batch in _warming_batches(scorer):
                scorer.score_prepared(batch)
        except Exception as error:  # the runtime may raise anything
            return self._refused(folder, error)
        return LoadedModel(scorer, time.monotonic() - start)

    def _refused(self, folder: VersionFolder, error: Exception) -> RefusedModel:
        reason = str(error)
        passing = is_passing(error)
        if not isinstance(error, BundleError):
            if not passing:  # a temporary failure is retried at every scan
                _logger.error("".join(traceback.format_exception(error)).rstrip())
            reason = f"{folder.path}: the model cannot be run: {type(error).__name__}: {error}"
        # Callers see the reason too, and need not know where the server keeps its models. If the
        # root itself is a version's folder, only its name stays.
        reason = reason.replace(f"{self._root}/", "").replace(str(self._root), self._root.name)
        return RefusedModel(folder.name, folder.version, reason, passing)


def _warming_batches(scorer: Scorer) -> Iterator[list[PreparedCreative]]:
    read, limits = scorer.manifest.preprocessing, scorer.limits
    random = np.random.default_rng(0)
    shape = (read.image_height, read.image_width, 3)
    no_context = (0,) * len(read.context)
    for size in WARM_BATCHES:
        yield [
            PreparedCreative(
                PreparedHeadline(f"headline {position}")
                if limits.max_headline_characters
                else None,
                PreparedImage(random.integers(0, 256, shape, np.uint8))
                if limits.image_formats
                else None,
                no_context,
            )
            for position in range(size)
        ]
