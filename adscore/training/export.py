"""A fitted network -> the files of a bundle."""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from PIL import Image

from adscore import bundle as files
from adscore.bundle import Bundle, Manifest
from adscore.bundle.golden import golden_case
from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore.training.encoders.onnx_graph import join
from adscore.training.network import Network
from adscore.training.representation import Encoders
from adscore.training.towers import inputs_like

GOLDEN_HEADLINES = ("Save 20% on running shoes today", "New: a calmer way to plan your week")
TOWER_FILES = {"headline": files.HEADLINE_ENCODER, "image": files.IMAGE_ENCODER}


def export_network(
    towers: Mapping[str, keras.Model], network: Network | None, encoders: Encoders
) -> dict[str, bytes]:
    """Serialises the graphs and the Keras model, by file name.

    A frozen encoder becomes the front of its tower's graph.

    Args:
        towers: By `headline` and `image`, with everything that the graphs say.
        network: What predicts the targets; None without targets.
        encoders: What the towers stand on.
    """
    graphs = {TOWER_FILES[name]: model for name, model in towers.items()}
    if network is not None:
        graphs[files.HEAD] = network.head
    exported = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in graphs.items():
            path = Path(folder) / name
            _call_once(model)
            model.export(path, format="onnx", verbose=False)
            exported[name] = path.read_bytes()
        path = Path(folder) / files.KERAS_MODEL
        (_side_by_side(towers) if network is None else network.whole).save(path)
        exported[files.KERAS_MODEL] = path.read_bytes()
    fronts = (("headline", encoders.text), ("image", encoders.image))
    for tower, encoder in fronts:
        if encoder is not None:
            name = TOWER_FILES[tower]
            exported[name] = join(encoder.model, exported[name], f"{tower}_features")
    return exported


def _call_once(model: keras.Model) -> None:
    """Keras exports no model that has not been called."""
    model(
        {
            tensor.name: np.zeros([size or 1 for size in tensor.shape], tensor.dtype)
            for tensor in model.inputs
        }
    )


def _side_by_side(towers: Mapping[str, keras.Model]) -> keras.Model:
    """One model of several towers, so that one file holds them."""
    inputs = inputs_like(tensor for model in towers.values() for tensor in model.inputs)
    outputs: dict[str, Any] = {}
    for name, model in towers.items():
        made = model({tensor.name: inputs[tensor.name] for tensor in model.inputs})
        outputs |= {f"{name}_{output}": tensor for output, tensor in made.items()}
    return keras.Model(inputs, outputs, name="adscore")


def golden_file(manifest: Manifest, contents: Mapping[str, bytes]) -> bytes:
    """Scores a few drawn creatives, for whoever opens the bundle to score again.

    The creatives are drawn here, so that no bundle carries a user's own.
    """
    scorer = Scorer(Bundle("", "", manifest, contents))
    reads_text = manifest.limits.max_headline_characters > 0
    reads_image = bool(manifest.limits.image_formats)
    creatives = [
        Creative(headline if reads_text else "", _drawn_image(seed) if reads_image else b"")
        for seed, headline in enumerate(GOLDEN_HEADLINES)
    ]
    scores = scorer.score(creatives)
    return msgspec.json.encode([golden_case(*pair) for pair in zip(creatives, scores, strict=True)])


def _drawn_image(seed: int) -> bytes:
    """A PNG of coloured patches, 300 x 250."""
    patches = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize((300, 250), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
