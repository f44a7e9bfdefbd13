"""Deep heads: one network over both towers, trained together with them by gradient descent."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.training.calibration import HeldOut, Known
from adscore.training.early_stopping import Batches, History, Rows, run_epochs, run_passes
from adscore.training.inputs import Inputs
from adscore.training.likelihood import grouped_log_likelihood, log_likelihood, starting_point
from adscore.training.network import Network, build_network, deep_core
from adscore.training.presets import Preset
from adscore.training.problem import Problem
from adscore.training.towers import KerasTower

Tensor = Any  # tf.Tensor, of which the stubs know nothing

# Standard deviation of the offsets' normal prior, in logits: campaigns of an advertiser differ by a
# factor of about two, rarely ten.
OFFSET_DEVIATION = 1.0
MIN_PATIENCE = 5
PATIENT_STEPS = 400  # twenty passes over 600 rows


# === Loss ===


def beta_binomial_loss(
    logit: Tensor, log_concentration: Tensor, successes: Tensor, trials: Tensor
) -> Tensor:
    """Negative log likelihood of counts whose rate is beta-distributed, in nats.

    The binomial coefficient is left out: it does not depend on the network. Skellam
    (1948), "A probability distribution derived from the binomial distribution by regarding
    the probability of success as variable between the sets of trials".

    All arguments and the result have one shape. Computed in float64: the gamma function
    of millions of trials leaves nothing of a float32's digits.
    """
    logit, log_concentration, successes, trials = (
        tf.cast(value, tf.float64) for value in (logit, log_concentration, successes, trials)
    )
    concentration = tf.exp(log_concentration)
    alpha = tf.sigmoid(logit) * concentration
    beta = tf.sigmoid(-logit) * concentration
    log_likelihood = _log_beta(alpha + successes, beta + trials - successes) - _log_beta(
        alpha, beta
    )
    return tf.cast(-log_likelihood, tf.float32)


def binary_crossentropy_loss(logit: Tensor, successes: Tensor, trials: Tensor) -> Tensor:
    """Binary cross-entropy of the rate, weighted by trials over their mean; in nats.

    All arguments and the result have one shape, (batch, targets). Creatives without trials have
    weight 0.
    """
    successes, trials = (tf.cast(counts, logit.dtype) for counts in (successes, trials))
    rate = tf.math.divide_no_nan(successes, trials)
    return trials * tf.nn.sigmoid_cross_entropy_with_logits(labels=rate, logits=logit)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return tf.math.lgamma(a) + tf.math.lgamma(b) - tf.math.lgamma(a + b)


# === Fitting ===


def fit_deep(
    problem: Problem, inputs: Inputs, towers: Mapping[str, KerasTower], epochs: int | None = None
) -> tuple[Network, History]:
    """Builds heads over the towers and trains both; deterministic for a seed.

    Args:
        problem: The rows to fit, and the validation rows for early stopping.
        inputs: Inputs of every row.
        towers: Towers, untrained or on encoders.
        epochs: Passes over the rows; None stops when the validation loss no longer improves.

    Returns:
        The network, not calibrated; and metrics of each pass: `loss`, in nats a creative, member
        and target, prior included, and `validation_loss`. Where the loss is a cross-entropy,
        also `accuracy`: the share of trials on the side of one half that was predicted. Without
        `validation_loss` where the passes are given.

    Raises:
        TrainingError: The first pass led to weights that predict no numbers.
    """
    start = starting_point(problem.data.outcomes(problem.split.fitting))
    core = deep_core(problem.preset, towers, problem.data.context, start)
    network = build_network(towers, core, len(problem.data.targets))
    return network, fit_network(problem, inputs, network, epochs)


def fit_network(
    problem: Problem, inputs: Inputs, network: Network, epochs: int | None = None
) -> History:
    """Trains a network's core and towers in place; see `fit_deep`."""
    preset, rows = problem.preset, problem.split.fitting
    sections = range(preset.batch_size, len(rows), preset.batch_size)
    read = _reader(problem, inputs)
    batches = Batches(rows, sections, read, np.random.default_rng(problem.seed))
    trainer = _Trainer(problem, network)
    trainer.compile(optimizer=keras.optimizers.Adam(preset.learning_rate))
    if epochs is not None:
        return run_passes(trainer, batches, epochs, problem.progress)
    return run_epochs(
        trainer,
        batches,
        lambda: _validation_loss(problem, inputs, network),
        problem.progress,
        max_epochs=preset.max_epochs,
        patience=patience(preset, len(batches)),
    )


def patience(preset: Preset, steps: int) -> int:
    """Passes without progress before stopping, given the steps per pass.

    A pass over a large log has as many steps as several passes over a small one, so fewer passes
    are as informative. Otherwise ten times the rows would take thirty times as long.
    """
    return min(preset.patience, max(MIN_PATIENCE, math.ceil(PATIENT_STEPS / steps)))


def _reader(
    problem: Problem, inputs: Inputs
) -> Callable[[Rows], tuple[dict[str, Any], dict[str, Any]]]:
    """Returns a function from rows to inputs and labels."""
    data = problem.data
    sizes = np.bincount(data.groups[problem.split.fitting], minlength=len(data.group_names))

    def read(rows: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
        labels = {
            "successes": data.successes[rows],
            "trials": data.trials[rows],
            "group": data.groups[rows],
            "group_share": 1 / sizes[data.groups[rows]],
        }
        return inputs.batch(rows), labels

    return read


class _Trainer(keras.Model):
    """The network under training, with an offset for each group: logit(rate) = creative + group.

    The offsets absorb what a campaign's audience and price do to all of its creatives, so that the
    network learns the creatives. They are not part of the model.
    """

    def __init__(self, problem: Problem, network: Network) -> None:
        super().__init__(name="rates")
        data, preset = problem.data, problem.preset
        self._network = network.fitted
        self._loss = preset.loss
        self._mean_trials = data.trials.mean(axis=0)
        self._modality_dropout = preset.modality_dropout
        self._seeds = keras.random.SeedGenerator(problem.seed)
        self._accuracy = None
        if preset.loss == "binary_crossentropy":
            self._accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
        self._offsets = None
        if preset.loss == "beta_binomial" and data.is_grouped:
            self._offsets = keras.layers.Embedding(
                len(data.group_names), len(data.targets), embeddings_initializer="zeros"
            )

    def build(self, input_shape: Any) -> None:
        if self._offsets is not None:
            self._offsets.build(None)
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training and self._modality_dropout:
            inputs = {**inputs, "present": self._hide(inputs["present"])}
        return self._network(inputs, training=training)

    def _hide(self, present: Tensor) -> Tensor:
        """Hides the headline or image of some creatives that have both, (b, 3)."""
        draw = keras.random.uniform((tf.shape(present)[0], 1), seed=self._seeds)
        share = self._modality_dropout / 2
        hidden = tf.concat([draw < share, (draw >= share) & (draw < 2 * share), draw < 0], axis=1)
        both = tf.reduce_all(present[:, : Present.CONTEXT] > 0, axis=1, keepdims=True)
        return tf.where(hidden & both, 0.0, present)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Mean loss of a batch over creatives and members, in nats."""
        logit = y_pred["logit"]  # (b, m, t)
        if self._loss == "binary_crossentropy":
            trials = (y["trials"] / self._mean_trials)[:, None]
            successes = (y["successes"] / self._mean_trials)[:, None]
            return tf.reduce_mean(binary_crossentropy_loss(logit, successes, trials))
        prior = sum(self._network.losses)
        if self._offsets is not None:
            offset = self._offsets(y["group"])
            logit += offset[:, None]
            share = tf.cast(y["group_share"], tf.float32)[:, None]
            prior += tf.reduce_mean(share * (offset / OFFSET_DEVIATION) ** 2 / 2)
        spread = tf.broadcast_to(y_pred["log_concentration"][:, None], tf.shape(logit))
        counts = (tf.broadcast_to(y[n][:, None], tf.shape(logit)) for n in ("successes", "trials"))
        return tf.reduce_mean(beta_binomial_loss(logit, spread, *counts)) + prior

    def compute_metrics(
        self, x: Tensor, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> dict[str, float]:
        """Updates the accuracy with a batch: each success counts as a 1, each failure as a 0."""
        if self._accuracy is not None:
            rate = tf.reshape(tf.sigmoid(tf.reduce_mean(y_pred["logit"], axis=1)), (-1, 1))
            for label, count in (
                (tf.ones_like(rate), y["successes"]),
                (tf.zeros_like(rate), y["trials"] - y["successes"]),
            ):
                self._accuracy.update_state(label, rate, tf.reshape(count, (-1,)))
        metrics: dict[str, float] = self.get_metrics_result()
        return metrics


# === Validation ===


def _validation_loss(problem: Problem, inputs: Inputs, network: Network) -> float:
    """Validation loss in nats per creative; of counts, with unknown offsets integrated out."""
    rows = problem.split.validation
    outcomes = problem.data.outcomes(rows)
    logit, spread = predict_logits(inputs, network, rows)
    logit = logit.mean(axis=1)
    if problem.preset.loss == "binary_crossentropy":
        weights = outcomes.trials / outcomes.trials.mean(axis=0)
        rates = outcomes.successes / np.maximum(outcomes.trials, 1)
        return float(np.mean(weights * (np.logaddexp(0, logit) - rates * logit)))
    if not outcomes.grouped:
        return -float(log_likelihood(logit, spread, outcomes.successes, outcomes.trials).mean())
    return -grouped_log_likelihood(logit, spread, outcomes) / len(logit)


def predict_logits(
    inputs: Inputs, network: Network, rows: Rows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The core's outputs: logits (rows, members, targets), log concentrations (rows, targets)."""
    outputs = inputs.predict(network.fitted, rows)
    return outputs["logit"].astype(np.float64), outputs["log_concentration"].astype(np.float64)


def predict_held_out(
    problem: Problem, inputs: Inputs, network: Network, rows: Rows, known: Known
) -> HeldOut:
    """Predictions of a fitted network for held-out rows, with some parts hidden.

    Args:
        problem: The problem that it was fitted to.
        inputs: Inputs of all rows.
        network: The network.
        rows: Rows to predict.
        known: Whether headline, image and context of each are known, (rows, 3).
    """
    logit, log_concentration = predict_logits(inputs.knowing(rows, known), network, rows)
    return HeldOut(
        logit=logit.mean(axis=1),
        log_concentration=log_concentration,
        disagreement=logit.var(axis=1),
        outcomes=problem.data.outcomes(rows),
    )
