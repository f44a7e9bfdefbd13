"""Fits a model in Keras to a problem, with the heads and towers that suit it.

Metrics come from held-out groups, while the final model is fitted to all groups. Linear heads are
fast to fit, so groups are held out in turn, and every row is predicted once by heads that never saw
its group. A network is trained twice: first without some groups, which determine the number of
passes and its metrics, then on every row for as many passes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore.bundle import Choice, Present
from adscore.evaluation.table import compared_rows
from adscore.training.additive_network import fit_heads
from adscore.training.alignment import fit_agreement, places
from adscore.training.calibration import Calibration, calibrate_patterns
from adscore.training.deep import fit_deep, predict_held_out, predict_logits
from adscore.training.early_stopping import VALIDATION_LOSS, Rows, best_epoch
from adscore.training.familiarity import fit_familiarity
from adscore.training.inputs import Inputs, read_inputs
from adscore.training.left_out import LeftOut, Places, Rates, parts_to_exchange
from adscore.training.network import Network
from adscore.training.problem import Problem
from adscore.training.split import Split
from adscore.training.towers import KerasTower, build_towers, inputs_like

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes:
        inputs: Inputs of every row of its problem.
        network: Calibrated network that predicts the targets; None without targets.
        towers: By `headline` and `image`, inputs by name -> `embedding` (b, e) with targets,
            `aligned` (b, a) of unit length with alignment, and `distance` (b, 1) with projections.
        familiarity: By tower, the distance beyond which a creative is unfamiliar.
        epochs: Passes over the data; 0 without targets.
        left_out: Predictions of models like it for groups that they were not fitted to.
        choices: By target, choices made on held-out groups; empty for a network.
    """

    inputs: Inputs
    network: Network | None
    towers: Mapping[str, keras.Model]
    familiarity: Mapping[str, float]
    epochs: int
    left_out: LeftOut
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def predict(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean rate and concentration of each target, (rows, targets) each, from stored inputs.

        No frozen encoder runs again, and no graph is needed.
        """
        if self.network is None:
            nothing = np.empty((len(rows), 0))
            return nothing, nothing
        outputs = self.inputs.predict(self.network.whole, rows)
        return outputs["mean"].astype(np.float64), outputs["concentration"].astype(np.float64)


@dataclass(frozen=True)
class _Stage:
    """A fit: its problem, the inputs of every row, and its towers."""

    problem: Problem
    inputs: Inputs
    towers: Mapping[str, KerasTower]

    @classmethod
    def of(cls, problem: Problem, known: Inputs | None = None) -> "_Stage":
        """Builds untrained towers."""
        # So that a fit depends only on its own rows, not on earlier fits.
        keras.utils.set_random_seed(problem.seed)
        inputs = read_inputs(problem, known)
        return cls(problem, inputs, build_towers(problem, inputs))

    def on(self, split: Split) -> "_Stage":
        """The same rows with another split."""
        return _Stage.of(self.problem.on(split), self.inputs)

    @property
    def parts(self) -> list[Present]:
        """Parts that the model learns to do without."""
        return self.problem.data.parts if self.problem.preset.modality_dropout else []

    @property
    def calibrates_mean(self) -> bool:
        """Whether the mean is calibrated too, not only the spread."""
        return self.problem.preset.loss == "beta_binomial"


def fit_model(problem: Problem) -> Model:
    """Fits everything that a problem asks for; deterministic.

    Sets Keras's seeds and makes TensorFlow deterministic for the whole process, since there is no
    narrower switch.

    Raises:
        TrainingError: There is nothing to learn, or a fit diverges.
    """
    tf.config.experimental.enable_op_determinism()
    whole = _Stage.of(problem)
    part = None
    if problem.align or not problem.is_additive:
        part = whole.on(problem.one_split())
    problem.progress(_fitting(problem))
    network, epochs = None, 0
    choices: dict[str, Choice] = {}
    left_out = LeftOut(np.empty(0, np.int64), Rates(np.empty((0, 0)), np.empty((0, 0))))
    if problem.data.targets and problem.is_additive:
        left_out = _leave_folds_out(whole)
        network, choices = _fit_additive(whole)
    elif problem.data.targets and part is not None:
        left_out, network, whole, epochs = _fit_twice(part, whole)
    aligned: dict[str, keras.Model] = {}
    if part is not None and problem.align:
        found, aligned = _align_twice(part, whole)
        left_out = replace(left_out, places=found)
    distances: dict[str, keras.Model] = {}
    limits: dict[str, float] = {}
    if problem.preset.projection_width is not None:
        distances, limits = fit_familiarity(problem, whole.inputs, whole.towers)
    finished = {
        name: _finished(tower, distances.get(name), aligned.get(name), embedding=bool(network))
        for name, tower in whole.towers.items()
    }
    return Model(whole.inputs, network, finished, limits, epochs, left_out, choices)


def _fitting(problem: Problem) -> str:
    encoders = problem.encoders.names.values()
    on = f" on {' and '.join(encoders)}" if encoders else ""
    return (
        f"fitting the {problem.preset.name} model{on} to "
        f"{' and '.join(problem.data.modalities)} of {len(problem.data)} creatives"
    )


# === Linear heads ===


def _fit_additive(stage: _Stage) -> tuple[Network, dict[str, Choice]]:
    """Fits heads to every row, and calibrates them with held-out predictions of their members."""
    fit = fit_heads(stage.problem, stage.inputs, stage.towers)
    present = stage.problem.data.present[stage.problem.fitted]
    calibration = calibrate_patterns(
        fit.held_out(), present, stage.parts, mean=stage.calibrates_mean
    )
    network = fit.network()
    network.calibrate(calibration)
    return network, fit.choices()


def _leave_folds_out(whole: _Stage) -> LeftOut:
    """Holds out each fold in turn and fits to the rest; does not fit to all groups."""
    folds, parts = whole.problem.folds(), []
    for number, fold in enumerate(folds, 1):
        _tell(whole.problem, number, len(folds))
        parts.append(_leave_out(whole.on(fold)))
    _tell(whole.problem, len(folds) + 1, len(folds))
    return LeftOut.joined(parts)


def _tell(problem: Problem, number: int, folds: int) -> None:
    """Reports which fit begins, of one per fold plus one to all groups."""
    problem.progress.advance((number - 1) / (folds + 1), f"model {number} of {folds + 1}")


def _leave_out(stage: _Stage) -> LeftOut:
    """Fits heads without some groups, and predicts these."""
    problem, rows = stage.problem, stage.problem.split.test
    data = problem.data
    fit = fit_heads(problem, stage.inputs, stage.towers)
    lacking = not data.present[rows][:, stage.parts].all()
    calibration = calibrate_patterns(
        fit.held_out(),
        data.present[problem.fitted],
        stage.parts if lacking else [],
        mean=stage.calibrates_mean,
    )

    def predict(inputs: Inputs) -> Rates:
        logit, present = fit.logits(inputs, rows), inputs.batch(rows, ("present",))["present"]
        return Rates(*calibration.apply(logit, fit.start.log_concentration, present))

    return _with_exchanges(stage, predict)


# === Networks ===


def _fit_twice(part: _Stage, whole: _Stage) -> tuple[LeftOut, Network, _Stage, int]:
    """Fits a network without some groups, to measure and calibrate it, then to all groups."""
    problem, split = part.problem, part.problem.split
    first, history = fit_deep(problem, part.inputs, part.towers)
    epochs = best_epoch(history[VALIDATION_LOSS])
    calibration = _calibration(part, first, split.validation)

    def predict(inputs: Inputs) -> Rates:
        logit, spread = predict_logits(inputs, first, split.test)
        present = inputs.batch(split.test, ("present",))["present"]
        return Rates(*calibration.apply(logit, spread, present))

    left_out = _with_exchanges(part, predict)
    whole.problem.progress("fitting again, to all creatives")
    again = _Stage.of(whole.problem, whole.inputs)
    network, _ = fit_deep(again.problem, again.inputs, again.towers, epochs)
    unseen = np.sort(np.concatenate([split.validation, split.test]))
    network.calibrate(_calibration(part, first, unseen))
    return left_out, network, again, epochs


def _calibration(stage: _Stage, network: Network, rows: Rows) -> Calibration:
    """Calibrates a network by its predictions for held-out rows."""
    return calibrate_patterns(
        partial(predict_held_out, stage.problem, stage.inputs, network, rows),
        stage.problem.data.present[rows],
        stage.parts,
        mean=stage.calibrates_mean,
    )


# === Both ===


def _with_exchanges(stage: _Stage, predict: Callable[[Inputs], Rates]) -> LeftOut:
    """Predicts the held-out rows, as they are and with each part exchanged among them."""
    rows = stage.problem.split.test
    exchanged = {
        part.name.lower(): predict(stage.inputs.exchanged(part, rows))
        for part in parts_to_exchange(stage.problem.data)
    }
    return LeftOut(rows, predict(stage.inputs), exchanged, folds=1)


def _align_twice(part: _Stage, whole: _Stage) -> tuple[Places, dict[str, keras.Model]]:
    """Fits towers of agreement without some groups, to measure them, then to all groups."""
    whole.problem.progress("fitting how well headline and image agree")
    aligned, share = fit_agreement(part.problem, part.inputs, part.towers)
    data, rows = part.problem.data, part.problem.split.test
    both = compared_rows(data.rows_with("image", data.rows_with("headline", rows)))
    headline, image = (places(part.inputs, aligned[name], both) for name in ("headline", "image"))
    whole.problem.progress("fitting the same to all creatives")
    keras.utils.set_random_seed(whole.problem.seed)
    again, _ = fit_agreement(whole.problem, whole.inputs, whole.towers, share)
    return Places(both, headline, image), again


def _finished(
    tower: KerasTower,
    distance: keras.Model | None,
    aligned: keras.Model | None,
    *,
    embedding: bool,
) -> keras.Model:
    """A tower with all the outputs that a bundle needs."""
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
