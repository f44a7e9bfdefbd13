"""A fitted model -> the graphs, mean embeddings and golden scores of a bundle."""

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
from adscore.bundle.golden import RELATIVE_TOLERANCE, golden_case
from adscore.creative import Creative
from adscore.errors import TrainingError
from adscore.progress import SILENT, Progress
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable
from adscore.training.encoders.onnx_graph import join
from adscore.training.encoders.published import Encoders
from adscore.training.model import Model
from adscore.training.network import Network
from adscore.training.problem import Problem
from adscore.training.towers import inputs_like

GOLDEN_HEADLINES = ("Save 20% on running shoes today", "New: a calmer way to plan your week")
TOWER_FILES = {"headline": files.HEADLINE_ENCODER, "image": files.IMAGE_ENCODER}
ROWS_COMPARED = 8
MAX_MEAN_ROWS = 2_000  # more change nothing but the time

# === Graphs ===


def export_network(
    towers: Mapping[str, keras.Model],
    network: Network | None,
    encoders: Encoders,
    progress: Progress = SILENT,
) -> dict[str, bytes]:
    """Serialises the graphs and the Keras model, by file name.

    A frozen encoder becomes the front of its tower's graph.

    Args:
        towers: By `headline` and `image`, with all outputs.
        network: Predicts the targets; None without targets.
        encoders: Those that towers stand on.
        progress: Is told of each graph.
    """
    graphs = {TOWER_FILES[name]: model for name, model in towers.items()}
    if network is not None:
        graphs[files.HEAD] = network.head
    exported = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, model) in enumerate(graphs.items()):
            progress.advance(number / len(graphs), f"graph {number + 1} of {len(graphs)}")
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


def export_model(problem: Problem, model: Model) -> dict[str, bytes]:
    """The same of a fitted model, with its tokenizer and mean embeddings."""
    exported = export_network(model.towers, model.network, problem.encoders, problem.progress)
    if model.inputs.tokenizer:
        exported[files.TOKENIZER] = model.inputs.tokenizer.encode()
    if model.network is not None:
        exported[files.MEAN_EMBEDDINGS] = _mean_embeddings(problem, model)
    return exported


def _mean_embeddings(problem: Problem, model: Model) -> bytes:
    """The mean embedding of each tower over the rows that have its part; JSON, by tower.

    Explanations compare a creative with it.
    """
    means = {}
    for name, tower in model.towers.items():
        rows = problem.data.rows_with(name, problem.fitted)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_MEAN_ROWS)).astype(np.int64)]
        # Called directly, since compiling would take longer than this one use.
        sums = [
            np.sum(tower(batch, training=False)["embedding"], axis=0, dtype=np.float64)
            for batch in model.inputs.batches(tower, rows)
        ]
        means[name] = (np.sum(sums, axis=0) / len(rows)).astype(np.float32).tolist()
    return msgspec.json.encode(means)


def _call_once(model: keras.Model) -> None:
    """Calls a model once, since Keras cannot export it otherwise."""
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


def check_graphs(scorer: Scorer, table: CreativeTable, model: Model) -> None:
    """Compares the graphs with Keras on a few rows, before the bundle is written.

    Raises:
        TrainingError: They differ by more than rounding.
    """
    if model.network is None:
        return
    rows = np.linspace(0, len(table) - 1, ROWS_COMPARED).astype(np.int64)
    creatives = (table.creative(row, scorer.limits) for row in rows.tolist())
    served = scorer.predict(map(scorer.preparer.creative, creatives)).mean
    fitted, _ = model.predict(rows)
    if not np.allclose(served, fitted, rtol=RELATIVE_TOLERANCE, atol=0):
        worst = float(np.max(np.abs(served / fitted - 1)))
        raise TrainingError(
            "expected the exported graphs to predict what was fitted. Received: predictions that "
            f"differ by {worst:.1%}; the encoder may not give a creative the same features twice"
        )


# === Golden scores ===


def golden_file(scorer: Scorer) -> bytes:
    """Scores a few generated creatives, which every reader of the bundle scores again.

    The creatives are generated here, so that no bundle contains a user's own.
    """
    reads_text = scorer.limits.max_headline_characters > 0
    reads_image = bool(scorer.limits.image_formats)
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
