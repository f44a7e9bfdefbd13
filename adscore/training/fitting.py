"""Fitting: represented creatives and their counts -> a calibrated network."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.training.additive_network import build_additive, trunk_features
from adscore.training.alignment import fit_alignment
from adscore.training.alignment_towers import (
    aligned_headline_tower,
    aligned_image_tower,
    feature_trunk,
)
from adscore.training.calibrate import PATTERNS, Calibration, HeldOut, calibrate
from adscore.training.data import Split, TrainingData
from adscore.training.familiarity import distance_model, farthest_familiar
from adscore.training.fit import fit_network, predict_rows
from adscore.training.likelihood import Start, starting_point
from adscore.training.network import MODALITIES, Network, build_network, deep_core
from adscore.training.presets import Preset
from adscore.training.representation import Representation
from adscore.training.towers import inputs_like

Known = NDArray[np.float32]  # whether headline, image and context are, (rows, 3)


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A calibrated network.

    Attributes:
        network: The network.
        epochs: Passes over the data until the kept weights.
    """

    network: Network
    epochs: int


def fit_rates(
    preset: Preset, data: TrainingData, towers: Representation, split: Split, seed: int
) -> FittedNetwork:
    """Fits heads, and towers that are not frozen, to the counts; then calibrates.

    Additive heads are fitted to validation rows too: each of their members holds out groups of
    its own.
    """
    rows = np.sort(np.concatenate([split.fitting, split.validation]))
    start = _start(data, rows if towers.additive else split.fitting)
    if towers.additive:
        network, held_out, _ = build_additive(towers, data, rows, start, preset.additive, seed)
        calibration = calibrate_patterns(held_out.held_out, data, rows, preset)
        network.calibrate(calibration)
        return FittedNetwork(network, preset.additive.steps)
    core = deep_core(preset, towers.towers, data.context, start)
    network = build_network(towers.towers, core, data.trials.shape[1])
    result = fit_network(network, preset, data, towers.inputs, split, seed)
    held_out_of = _held_out_by(network, data, towers, split.validation)
    network.calibrate(calibrate_patterns(held_out_of, data, split.validation, preset))
    return FittedNetwork(network, result.epochs)


def calibrate_patterns(
    held_out: Callable[[Known], HeldOut],
    data: TrainingData,
    rows: NDArray[np.int64],
    preset: Preset,
) -> Calibration:
    """Calibrates what the network says for every pattern of what may be known of a creative.

    Args:
        held_out: What is known of each row -> what a network says that never saw its group.
        data: All rows.
        rows: Those that are held out.
        preset: Whether there is a modality to do without, and what is calibrated.
    """
    targets = data.trials.shape[1]
    found = np.zeros((3, PATTERNS, targets))
    whole = np.array([name in data.modalities for name in ("headline", "image")] + [True])
    found[:] = _calibrated(held_out, data.present[rows], preset)[:, None]
    if preset.modality_dropout:
        for pattern in map(np.array, itertools.product((False, True), repeat=3)):
            known = data.present[rows] * pattern
            if (pattern & ~whole).any() or not known[:, :2].any() or pattern[whole].all():
                continue
            number = int(pattern @ np.array([1, 2, 4]))
            found[:, number] = _calibrated(held_out, known.astype(np.float32), preset)
    return Calibration(*found)


def _calibrated(
    held_out: Callable[[Known], HeldOut], known: Known, preset: Preset
) -> NDArray[np.float64]:
    """Slope, shift and shift of the concentration, (3, targets)."""
    mean = preset.loss == "beta_binomial"
    return np.stack(calibrate(held_out(known), mean=mean))


def _held_out_by(
    network: Network, data: TrainingData, towers: Representation, rows: NDArray[np.int64]
) -> Callable[[Known], HeldOut]:
    def held_out(known: Known) -> HeldOut:
        outputs = predict_rows(network, data, towers.inputs, rows, known)
        return HeldOut(
            logit=outputs["logit"].mean(axis=1),
            log_concentration=outputs["log_concentration"],
            disagreement=outputs["logit"].var(axis=1),
            successes=data.successes[rows],
            trials=data.trials[rows],
            groups=len(np.unique(data.groups[rows])),
        )

    return held_out


def _start(data: TrainingData, rows: NDArray[np.int64]) -> Start:
    groups = data.groups[rows] if data.is_grouped else None
    return starting_point(data.successes[rows], data.trials[rows], groups)


# === What the towers say beside embeddings ===


def fit_agreement(
    towers: Representation, data: TrainingData, split: Split, seed: int, *, trainable: bool
) -> dict[str, keras.Model]:
    """Fits towers of headline-image agreement, by modality.

    Args:
        towers: What they stand on.
        data: All rows.
        split: Rows that lack headline or image are left out.
        seed: Decides the order of the rows.
        trainable: Whether trunks that are no frozen encoders' are fitted too.
    """
    both = np.all(data.present[:, :2] > 0, axis=1)
    fitting, validation, test = (
        rows[np.take(both, rows)] for rows in (split.fitting, split.validation, split.test)
    )
    trunks = {name: _trunk(name, towers, fitting) for name in towers.towers}
    for trunk in trunks.values():
        trunk.trainable = trunk.trainable and trainable
    ids = None
    if towers.towers["headline"].wide is not None:
        ids = towers.inputs.batch(fitting, ["ngram_ids"])["ngram_ids"]
    aligned = {
        "headline": aligned_headline_tower(trunks["headline"], ids),
        "image": aligned_image_tower(trunks["image"]),
    }
    fit_alignment(
        aligned["headline"],
        aligned["image"],
        data.headlines,
        towers.inputs,
        Split(fitting, validation, test),
        seed,
    )
    return aligned


def _trunk(name: str, towers: Representation, rows: NDArray[np.int64]) -> keras.Model:
    """A tower's trunk, or for a frozen encoder its features in the scale that alignment likes."""
    features = f"{name}_features"
    if features not in towers.inputs.columns:
        return towers.towers[name].trunk
    return feature_trunk(features, towers.inputs.batch(rows, [features])[features])


def measure_familiarity(
    towers: Representation, data: TrainingData, split: Split
) -> tuple[dict[str, keras.Model], dict[str, float]]:
    """By modality, a model of the distance from the fitted rows, and how far is familiar."""
    models, limits = {}, {}
    for name, tower in towers.towers.items():
        here = data.present[:, MODALITIES.index(name)] > 0
        fitting, validation = (
            split.fitting[here[split.fitting]],
            split.validation[here[split.validation]],
        )
        models[name] = distance_model(trunk_features(tower, towers, fitting), f"{name}_distance")
        distances = np.asarray(models[name](trunk_features(tower, towers, validation)))
        limits[name] = farthest_familiar(distances[:, 0])
    return models, limits


def finished_towers(
    towers: Representation,
    distances: dict[str, keras.Model],
    aligned: dict[str, keras.Model],
    *,
    embedding: bool,
) -> dict[str, keras.Model]:
    """By modality, a tower that says all that a bundle needs of it."""
    finished = {}
    for name, tower in towers.towers.items():
        inputs = inputs_like(tower.embedding.inputs)
        outputs: dict[str, Any] = {}
        if embedding:
            outputs |= tower.embedding(dict(inputs))
        if name in distances:
            trunk = tower.trunk({t.name: inputs[t.name] for t in tower.trunk.inputs})
            outputs["distance"] = distances[name](trunk)
        if name in aligned:
            outputs |= aligned[name]({t.name: inputs[t.name] for t in aligned[name].inputs})
        finished[name] = keras.Model(inputs, outputs, name=f"{name}_encoder")
    return finished
