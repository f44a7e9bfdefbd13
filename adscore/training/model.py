"""Fitting: a problem -> a model in Keras, of whichever heads and towers suit the problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.training.additive_network import fit_additive_network
from adscore.training.alignment import fit_agreement
from adscore.training.calibration import calibrate_patterns
from adscore.training.deep import fit_deep, predict_held_out
from adscore.training.early_stopping import VALIDATION_LOSS, Rows, best_epoch
from adscore.training.familiarity import fit_familiarity
from adscore.training.inputs import Inputs, read_inputs
from adscore.training.network import Network
from adscore.training.problem import Problem
from adscore.training.towers import KerasTower, build_towers, inputs_like

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes:
        inputs: What it reads of every row of its problem.
        network: Predicts the targets, calibrated; None without targets.
        towers: By `headline` and `image`, inputs by name -> `embedding` (b, e) with targets,
            `aligned` (b, a) of unit length with alignment, and `distance` (b, 1) with projections.
        familiarity: By tower, the distance beyond which a creative is unfamiliar.
        epochs: Passes over the data until the kept weights; 0 without targets.
    """

    inputs: Inputs
    network: Network | None
    towers: Mapping[str, keras.Model]
    familiarity: Mapping[str, float]
    epochs: int

    def predict(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean rate and concentration of each target, (rows, targets) each, from its inputs.

        So no frozen encoder runs again, and no graph is needed.
        """
        if self.network is None:
            nothing = np.empty((len(rows), 0))
            return nothing, nothing
        outputs = self.inputs.predict(self.network.whole, rows)
        return outputs["mean"].astype(np.float64), outputs["concentration"].astype(np.float64)


def fit_model(problem: Problem) -> Model:
    """Fits everything that a problem asks for; the same problem gives the same model.

    Sets Keras's seeds and makes TensorFlow deterministic for the whole process, which has no
    narrower switch.

    Raises:
        TrainingError: There is nothing to learn, or a fit diverges.
    """
    keras.utils.set_random_seed(problem.seed)
    tf.config.experimental.enable_op_determinism()
    inputs = read_inputs(problem)
    towers = build_towers(problem, inputs)
    network, epochs = None, 0
    if problem.data.targets:
        network, epochs = _fit_rates(problem, inputs, towers)
    aligned = fit_agreement(problem, inputs, towers) if problem.align else {}
    distances: dict[str, keras.Model] = {}
    limits: dict[str, float] = {}
    if problem.preset.projection_width is not None:
        distances, limits = fit_familiarity(problem, inputs, towers)
    finished = {
        name: _finished(tower, distances.get(name), aligned.get(name), embedding=bool(network))
        for name, tower in towers.items()
    }
    return Model(inputs, network, finished, limits, epochs)


def _fit_rates(
    problem: Problem, inputs: Inputs, towers: Mapping[str, KerasTower]
) -> tuple[Network, int]:
    """Fits heads, and towers that are not frozen, to the counts; then calibrates."""
    if problem.is_additive:
        network, predict = fit_additive_network(problem, inputs, towers)
        rows, epochs = problem.fitted, problem.preset.additive.steps
    else:
        network, history = fit_deep(problem, inputs, towers)
        predict = partial(predict_held_out, problem, inputs, network)
        rows, epochs = problem.split.validation, best_epoch(history[VALIDATION_LOSS])
    parts: list[Present] = []
    if problem.preset.modality_dropout:
        parts = [*(Present[name.upper()] for name in problem.data.modalities), Present.CONTEXT]
    mean = problem.preset.loss == "beta_binomial"
    present = problem.data.present[rows]
    network.calibrate(calibrate_patterns(predict, present, parts, mean=mean))
    return network, epochs


def _finished(
    tower: KerasTower,
    distance: keras.Model | None,
    aligned: keras.Model | None,
    *,
    embedding: bool,
) -> keras.Model:
    """A tower with all the outputs that a bundle needs of it."""
    inputs = inputs_like(tower.embedding.inputs)
    outputs: dict[str, Any] = {}

    def of(model: keras.Model) -> Any:
        return model({tensor.name: inputs[tensor.name] for tensor in model.inputs})

    if embedding:
        outputs |= of(tower.embedding)
    if distance is not None:
        outputs["distance"] = of(distance)
    if aligned is not None:
        outputs |= of(aligned)
    return keras.Model(inputs, outputs, name=tower.embedding.name)
