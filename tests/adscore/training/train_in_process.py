"""Trains small models from a log and writes what came out to OUT/found.json.

Usage: python train_in_process.py LOG OUT SEED...

The preset `network` is trained with each seed, in this order; `baseline` with the last one.
"""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import keras
import onnx
from onnx import numpy_helper

from adscore import bundle as files
from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, CreativeTable, Target, read_table
from adscore.training import PRESETS, TrainingOptions, train


def digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def graph_weights(path: Path) -> str:
    """Digest of a graph's weights; the names inside a graph are the exporter's affair."""
    weights = [numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer]
    return digest(
        sorted(one.tobytes() for one in weights if one.dtype.kind == "f" and one.size > 1)
    )


def keras_weights(path: Path) -> str:
    return digest([value.tobytes() for value in keras.models.load_model(path).get_weights()])


def describe(path: Path, table: CreativeTable) -> dict[str, object]:
    scorer = Scorer.open(path)
    creatives: list[Creative] = [table.creative(row) for row in range(len(table))]
    scores = scorer.predict(scorer.preparer.creative(creative) for creative in creatives)
    tokenizer = path / files.TOKENIZER  # linear heads read n-grams alone
    return {
        "tokenizer": digest([tokenizer.read_bytes()]) if tokenizer.exists() else "",
        "golden": digest([(path / files.GOLDEN).read_bytes()]),
        "keras": keras_weights(path / files.KERAS_MODEL),
        "headline": graph_weights(path / files.HEADLINE_ENCODER),
        "image": graph_weights(path / files.IMAGE_ENCODER),
        "head": graph_weights(path / files.HEAD),
        "mean": scores.mean.tolist(),
        "concentration": scores.concentration.tolist(),
    }


def main(log: Path, out: Path, *seeds: str) -> None:
    table = read_table(log / "creatives.csv", Columns(), [Target.parse("ctr=clicks/impressions")])
    found: dict[str, dict[str, object]] = {}
    for name in ("network", "baseline"):
        small = dataclasses.replace(PRESETS[name], conv_filters=(8,), max_epochs=2, batch_size=16)
        for seed in seeds if name == "network" else seeds[-1:]:
            result = train(table, out / name, TrainingOptions(preset=small, seed=int(seed)))
            found.setdefault(name, {})[seed] = describe(result.path, table)
    (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
