"""A fitted network -> the files of a bundle."""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from adscore import bundle as files
from adscore.bundle import Bundle, GoldenCase, Manifest
from adscore.creative import Creative
from adscore.scorer import Scorer
from adscore.training.network import Network
from adscore.training.representation import Encoders
from adscore.training.surgery import join

GOLDEN_HEADLINES = ("Save 20% on running shoes today", "New: a calmer way to plan your week")


def export_network(network: Network, encoders: Encoders) -> dict[str, bytes]:
    """Serialises the three graphs and the Keras model, by file name.

    A frozen encoder becomes the front of its tower's graph.
    """
    graphs = {
        files.HEADLINE_ENCODER: network.headline_encoder,
        files.IMAGE_ENCODER: network.image_encoder,
        files.HEAD: network.head,
    }
    with tempfile.TemporaryDirectory() as folder:
        exported = {}
        for name, model in graphs.items():
            path = Path(folder) / name
            model.export(path, format="onnx", verbose=False)
            exported[name] = path.read_bytes()
        path = Path(folder) / files.KERAS_MODEL
        network.whole.save(path)
        exported[files.KERAS_MODEL] = path.read_bytes()
    if encoders.text is not None:
        exported[files.HEADLINE_ENCODER] = join(
            encoders.text.model, exported[files.HEADLINE_ENCODER], "headline_features"
        )
    if encoders.image is not None:
        exported[files.IMAGE_ENCODER] = join(
            encoders.image.model, exported[files.IMAGE_ENCODER], "image_features"
        )
    return exported


def golden_file(manifest: Manifest, contents: Mapping[str, bytes]) -> bytes:
    """Scores a few drawn creatives, for whoever opens the bundle to score again.

    The creatives are drawn here, so that no bundle carries a user's own.
    """
    scorer = Scorer(Bundle("", "", manifest, contents))
    creatives = [
        Creative(headline, _drawn_image(seed)) for seed, headline in enumerate(GOLDEN_HEADLINES)
    ]
    cases = [
        GoldenCase(
            creative.headline,
            creative.image,
            {name: target.mean for name, target in score.targets.items()},
        )
        for creative, score in zip(creatives, scorer.score(creatives), strict=True)
    ]
    return msgspec.json.encode(cases)


def _drawn_image(seed: int) -> bytes:
    """A PNG of coloured patches, 300 x 250."""
    patches = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize((300, 250), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
