"""Opens one version of a model: read, verified and warmed, or refused with the reason."""

import io
import logging
import time
import traceback
from pathlib import Path

import numpy as np
from PIL import Image

from adscore.bundle import BundleCheck, Manifest
from adscore.creative import Creative
from adscore.errors import BundleError
from adscore.scorer import Scorer
from adscore_server.models import LoadedModel, RefusedModel
from adscore_server.version_folders import VersionFolder, absolute

# The first pass of a size is up to three times as slow as the next ones: the runtime lays out
# its memory. Calls bring one creative, a full server's batches some, BatchScore many.
WARM_BATCHES = (1, 8, 32)

_logger = logging.getLogger(__name__)


class ModelOpener:
    """Opens versions of models.

    Args:
        root: What the server was given; reasons are told to callers without it.
        check: What is asked of a version beside its checksums, for instance a signature.
    """

    def __init__(self, root: Path, check: BundleCheck | None = None) -> None:
        self._root = absolute(root)
        self._check = check

    def open(self, folder: VersionFolder) -> LoadedModel | RefusedModel:
        """Reads a version, checks it against its checksums and golden scores, and warms it."""
        start = time.monotonic()
        try:
            scorer = Scorer.open(folder.path, check=self._check)
            for size in WARM_BATCHES:
                scorer.score(_noise(scorer.manifest, size))
        except Exception as error:  # a graph can fail in as many ways as its runtime
            return self._refused(folder, error)
        return LoadedModel(scorer, time.monotonic() - start)

    def _refused(self, folder: VersionFolder, error: Exception) -> RefusedModel:
        reason = str(error)
        if not isinstance(error, BundleError):
            _logger.error("".join(traceback.format_exception(error)).rstrip())
            reason = f"{folder.path}: the model cannot be run: {type(error).__name__}: {error}"
        # Callers read the reason too; where the server keeps its models is the operator's affair.
        reason = reason.replace(f"{self._root}/", "")
        return RefusedModel(folder.name, folder.version, reason)


def _noise(manifest: Manifest, count: int) -> list[Creative]:
    """Creatives that differ in all that the model reads."""
    read, limits = manifest.preprocessing, manifest.limits
    random = np.random.default_rng(count)
    creatives = []
    for _ in range(count):
        pixels = random.integers(0, 256, (read.image_height, read.image_width, 3), np.uint8)
        image = io.BytesIO()
        if limits.image_formats:
            Image.fromarray(pixels).save(image, limits.image_formats[0])
        headline = random.bytes(8).hex() if limits.max_headline_characters else ""
        creatives.append(Creative(headline, image.getvalue()))
    return creatives
