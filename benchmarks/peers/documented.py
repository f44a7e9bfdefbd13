"""Scoring as the peers' own documentation writes it: Pillow opens and resizes, graphs are run."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from adscore import bundle as files
from adscore.bundle import read_bundle, resolve_bundle
from adscore.creative import Creative, Score, TargetScore
from adscore.scoring.scorer import rate_figures
from adscore.scoring.text import HeadlineReader


class DocumentedScorer:
    """A model of headline and image without context, written by hand.

    It reads images of any size whole, checks nothing, and takes ONNX Runtime's own settings. Its
    pixels differ a little from those that the model was trained on.

    Args:
        path: The model's folder.
    """

    def __init__(self, path: Path) -> None:
        bundle = read_bundle(resolve_bundle(path))
        self._manifest = bundle.manifest
        self._headline, self._image, self._head = (
            onnxruntime.InferenceSession(bundle.files[name], providers=["CPUExecutionProvider"])
            for name in (files.HEADLINE_ENCODER, files.IMAGE_ENCODER, files.HEAD)
        )
        self._reader = HeadlineReader(
            bundle.files[files.TOKENIZER].decode(),
            self._manifest.preprocessing,
            [node.name for node in self._headline.get_inputs()],
        )

    def score(self, creatives: Sequence[Creative]) -> list[Score]:
        """Scores a batch of creatives, in their order."""
        tokens, _ = self._reader.read([creative.headline for creative in creatives])
        pixels = np.stack([self._pixels(creative.image) for creative in creatives])
        known = {
            "headline_embedding": self._headline.run(["embedding"], tokens)[0],
            "image_embedding": self._image.run(["embedding"], {"pixels": pixels})[0],
            "present": np.tile(np.float32([1, 1, 0]), (len(creatives), 1)),
            "context_ids": np.zeros((len(creatives), 0), np.int32),
        }
        needed = {node.name: known[node.name] for node in self._head.get_inputs()}
        mean, concentration = self._head.run(["mean", "concentration"], needed)
        predicted = (output.astype(np.float64) for output in (mean, concentration))
        rates = rate_figures(self._manifest, *predicted).tolist()
        targets = self._manifest.targets
        return [Score({t: TargetScore(*row[at]) for at, t in enumerate(targets)}) for row in rates]

    def _pixels(self, image: bytes) -> NDArray[np.uint8]:
        size = (self._manifest.preprocessing.image_width, self._manifest.preprocessing.image_height)
        return np.asarray(Image.open(io.BytesIO(image)).convert("RGB").resize(size))
