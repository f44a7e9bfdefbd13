"""Fitting a network's weights, until the validation groups stop getting better."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.training.data import Split, TrainingData
from adscore.training.inputs import TowerInputs
from adscore.training.likelihood import grouped_log_likelihood, log_likelihood
from adscore.training.losses import Tensor, beta_binomial_loss, binary_crossentropy_loss
from adscore.training.network import Network
from adscore.training.presets import Preset

# Offsets are shrunk towards zero by a normal prior of this deviation, in logits: campaigns
# of one advertiser differ by a factor of two or so, rarely by ten.
OFFSET_DEVIATION = 1.0


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fit came to.

    Attributes:
        epochs: Passes over the data until the kept weights.
        losses: Loss of each pass, in nats a creative, member and target, prior included.
        accuracies: Share of each pass's trials on the side of one half that was predicted;
            empty unless the loss is the cross-entropy of such trials.
        validation_losses: Loss on the validation groups after each pass.
    """

    epochs: int
    losses: list[float]
    accuracies: list[float]
    validation_losses: list[float]


def fit_network(
    network: Network,
    preset: Preset,
    data: TrainingData,
    inputs: TowerInputs,
    split: Split,
    seed: int,
) -> FitResult:
    """Fits a network's core and towers in place; the same seed gives the same weights.

    Args:
        network: The network; its weights are changed.
        preset: How it is fitted.
        data: All rows.
        inputs: What the towers read, for all rows.
        split: Which rows are fitted to, and which decide when to stop.
        seed: Decides the order of the rows.

    Raises:
        TrainingError: The first pass led to weights that predict no number.
    """
    rng = np.random.default_rng(seed)
    fitting = Batches(data, inputs, split.fitting, preset.batch_size, rng)
    stopping = _StopWhenWorse(
        preset, data, split.validation, Batches(data, inputs, split.validation)
    )
    trainer = _Trainer(network, preset, data, seed)
    trainer.compile(optimizer=keras.optimizers.Adam(preset.learning_rate))
    passes = trainer.fit(
        fitting, epochs=preset.max_epochs, callbacks=[stopping], verbose=0, shuffle=False
    ).history
    if not stopping.best_epoch:
        raise TrainingError(
            "expected a finite loss on the validation groups. Received: "
            f"{stopping.losses[-1]} after the first pass. Try a lower learning rate"
        )
    return FitResult(
        stopping.best_epoch, passes["loss"], passes.get("accuracy", []), stopping.losses
    )


def predict_rows(
    network: Network,
    data: TrainingData,
    inputs: TowerInputs,
    rows: NDArray[np.int64],
    known: NDArray[np.float32],
) -> dict[str, NDArray[np.float64]]:
    """The core's outputs: logit (rows, members, targets), log_concentration (rows, targets).

    Args:
        network: The network.
        data: All rows.
        inputs: What the towers read, for all rows.
        rows: Which rows.
        known: Whether headline, image and context of each are known, (rows, 3).
    """
    return _predict(network.fitted, Batches(data, inputs, rows), known)


class Batches(keras.utils.PyDataset):
    """Batches of some rows, in a new order each pass.

    Args:
        data: All rows.
        inputs: What the towers read, for all rows.
        rows: Which rows, (n,).
        batch_size: Rows in a batch; the last may have fewer.
        rng: Decides the order; None keeps it.
    """

    def __init__(
        self,
        data: TrainingData,
        inputs: TowerInputs,
        rows: NDArray[np.int64],
        batch_size: int = 256,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self._data, self._inputs, self._rows = data, inputs, rows
        self._batch_size, self._rng = batch_size, rng
        self._group_sizes = np.bincount(data.groups[rows], minlength=len(data.group_names))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        start = index * self._batch_size
        rows = self._rows[start : start + self._batch_size]
        inputs = self._inputs.batch(rows)
        labels = {
            "successes": self._data.successes[rows],
            "trials": self._data.trials[rows],
            "group": self._data.groups[rows],
            "group_share": 1 / self._group_sizes[self._data.groups[rows]],
        }
        return inputs, labels

    def on_epoch_end(self) -> None:
        """Shuffles."""
        if self._rng is not None:
            self._rows = self._rng.permutation(self._rows)


class _Trainer(keras.Model):
    """The fitted network with an offset for each group: logit(rate) = creative + campaign.

    The offsets take up what a campaign's audience and price do to all of its creatives,
    so that the network is left with the creatives. They are not part of the model.
    """

    def __init__(self, network: Network, preset: Preset, data: TrainingData, seed: int) -> None:
        super().__init__(name="trainer")
        targets = data.trials.shape[1]
        self._network = network.fitted
        self._loss = preset.loss
        self._mean_trials = data.trials.mean(axis=0)
        self._modality_dropout = preset.modality_dropout
        self._seeds = keras.random.SeedGenerator(seed)
        self._accuracy = None
        if preset.loss == "binary_crossentropy":
            self._accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
        self._offsets = None
        if preset.loss == "beta_binomial" and data.is_grouped:
            self._offsets = keras.layers.Embedding(
                len(data.group_names), targets, embeddings_initializer="zeros"
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
        """Hides headline or image of some creatives that have both, (b, 3)."""
        draw = keras.random.uniform((tf.shape(present)[0], 1), seed=self._seeds)
        share = self._modality_dropout / 2
        hidden = tf.concat([draw < share, (draw >= share) & (draw < 2 * share), draw < 0], axis=1)
        both = tf.reduce_all(present[:, :2] > 0, axis=1, keepdims=True)
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
        """Adds a batch to the accuracy: each success is a 1, and each failure a 0."""
        if self._accuracy is not None:
            rate = tf.reshape(tf.sigmoid(tf.reduce_mean(y_pred["logit"], axis=1)), (-1, 1))
            for label, count in (
                (tf.ones_like(rate), y["successes"]),
                (tf.zeros_like(rate), y["trials"] - y["successes"]),
            ):
                self._accuracy.update_state(label, rate, tf.reshape(count, (-1,)))
        metrics: dict[str, float] = self.get_metrics_result()
        return metrics


class _StopWhenWorse(keras.callbacks.Callback):
    """Keeps the weights that did best on the validation groups, and ends a fit without progress."""

    def __init__(
        self, preset: Preset, data: TrainingData, rows: NDArray[np.int64], batches: Batches
    ) -> None:
        super().__init__()
        self._preset, self._batches = preset, batches
        self._successes, self._trials = data.successes[rows], data.trials[rows]
        self._groups = data.groups[rows] if data.is_grouped else None
        self._best_weights: list[NDArray[np.float32]] = []
        self.best_epoch = 0
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append(self._loss())
        if not np.isfinite(self.losses[-1]):
            self.model.stop_training = True
        elif self.losses[-1] == min(self.losses):
            self.best_epoch = epoch + 1
            self._best_weights = self.model.get_weights()
        elif epoch + 1 >= self.best_epoch + self._preset.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._best_weights:
            self.model.set_weights(self._best_weights)

    def _loss(self) -> float:
        outputs = _predict(self.model, self._batches)
        logit, spread = outputs["logit"].mean(axis=1), outputs["log_concentration"]
        if self._preset.loss == "binary_crossentropy":
            weights = self._trials / self._trials.mean(axis=0)
            rates = self._successes / np.maximum(self._trials, 1)
            return float(np.mean(weights * (np.logaddexp(0, logit) - rates * logit)))
        if self._groups is None:
            return -float(log_likelihood(logit, spread, self._successes, self._trials).mean())
        return -grouped_log_likelihood(
            logit, spread, self._successes, self._trials, self._groups
        ) / len(logit)


def _predict(
    model: keras.Model, batches: Batches, known: NDArray[np.float32] | None = None
) -> dict[str, NDArray[np.float64]]:
    outputs, start = [], 0
    for inputs, _ in batches:
        count = len(inputs["present"])
        if known is not None:
            inputs = {**inputs, "present": known[start : start + count]}
        outputs.append(model.predict_on_batch(inputs))
        start += count
    return {
        name: np.concatenate([output[name] for output in outputs]).astype(np.float64)
        for name in ("logit", "log_concentration")
    }
