"""What aligned towers are fitted to: each headline beside its own image, away from the others.

Radford et al. (2021), "Learning transferable visual models from natural language supervision".
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.evaluation import evaluate_agreement
from adscore.training.alignment_options import AlignmentOptions
from adscore.training.data import Split
from adscore.training.inputs import TowerInputs
from adscore.training.losses import Tensor


def contrastive_loss(headline: Tensor, image: Tensor, alike: Tensor, logit_scale: Tensor) -> Tensor:
    """Cross-entropy of finding the image of a headline and the headline of an image, in nats.

    Where several pairs of a batch are alike, any of them is as right as another: the mass of
    a row is shared among them.

    Args:
        headline: Places of the headlines, (b, a) of unit length.
        image: Places of their images, the same.
        alike: Which pairs count as the same, (b, b) bool, symmetric, true on the diagonal.
        logit_scale: What a cosine is multiplied with, a scalar.

    Returns:
        Mean of both directions for each pair, (b,).
    """
    logits = logit_scale * tf.matmul(headline, image, transpose_b=True)
    share = tf.cast(alike, logits.dtype)
    share /= tf.reduce_sum(share, axis=1, keepdims=True)
    to_image = tf.nn.softmax_cross_entropy_with_logits(share, logits)
    to_headline = tf.nn.softmax_cross_entropy_with_logits(share, tf.transpose(logits))
    return (to_image + to_headline) / 2


def alike_pairs(names: Tensor, images: Tensor) -> Tensor:
    """Which pairs of a batch are no negatives of each other: equal in name or in image.

    Args:
        names: A number for each distinct name, (b,).
        images: A number for each distinct image, (b,).

    Returns:
        (b, b) bool.
    """
    return (names[:, None] == names[None, :]) | (images[:, None] == images[None, :])


Rows = NDArray[np.int64]


def fit_alignment(
    headline: keras.Model,
    image: keras.Model,
    names: Sequence[str],
    inputs: TowerInputs,
    split: Split,
    seed: int,
    options: AlignmentOptions | None = None,
) -> float:
    """Fits both towers in place, and keeps the weights that did best on the validation groups.

    The same seed gives the same weights where Keras's own seed is set and TensorFlow is
    deterministic. Rows of equal name, or that read the same image, are no negatives of each
    other.

    Args:
        headline: Its named inputs -> {"aligned": (b, a)}, of unit length.
        image: The same of images.
        names: What a row shows, such as its headline, for all rows.
        inputs: What the towers read, for all rows.
        split: Which rows are fitted to, and which decide what is kept.
        seed: Decides the order of the rows.
        options: How they are fitted.

    Returns:
        Recall at 10 on the validation rows, from 0 to 1: the share of headlines whose image
        is among the 10 most alike of these rows' images.

    Raises:
        TrainingError: There are fewer than two distinct pairs to fit, or the loss is not
            finite.
    """
    options = options or AlignmentOptions()
    pairs = _Pairs(headline, image, names, inputs)
    pairs.require_negatives(split.fitting)
    rng = np.random.default_rng(seed)
    validation = split.validation
    if len(validation) > options.validation_rows:
        validation = np.sort(rng.choice(validation, options.validation_rows, replace=False))
    batches = _Batches(pairs, split.fitting, options.batch_size, rng)
    epochs = _epochs(options, len(batches))
    trainer = _Trainer(headline, image, options.logit_scale)
    trainer.compile(optimizer=_optimizer(options, epochs * len(batches)))
    best = _KeepBest(pairs, validation)
    trainer.fit(batches, epochs=epochs, callbacks=[best], verbose=0, shuffle=False)
    if not np.isfinite(best.loss):
        raise TrainingError(
            "expected a finite loss of alignment on the validation groups. Received: "
            f"{best.last_loss}. Try a lower learning rate"
        )
    found = evaluate_agreement(pairs.similarity(validation), np.argwhere(pairs.alike(validation)))
    return float(found.recall_at_10 or 0.0)


def _epochs(options: AlignmentOptions, batches: int) -> int:
    least = math.ceil(options.least_steps / batches)
    most = max(1, options.most_steps // batches)
    return min(max(options.epochs, least), most)


def _optimizer(options: AlignmentOptions, steps: int) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(options.learning_rate, steps),
        weight_decay=options.weight_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "log_logit_scale"])
    return optimizer


class _Pairs:
    """Headlines beside images: what the towers read of some rows, and which rows are alike."""

    def __init__(
        self, headline: keras.Model, image: keras.Model, names: Sequence[str], inputs: TowerInputs
    ) -> None:
        self._towers, self._inputs = (headline, image), inputs
        self._needed = [tensor.name for tower in self._towers for tensor in tower.inputs]
        self._names = np.unique(np.array(names, dtype=str), return_inverse=True)[1]
        # Rows that read the same values of an image have the same image.
        self._images = inputs.columns[image.inputs[0].name].index

    def require_negatives(self, rows: Rows) -> None:
        """Raises a TrainingError where all rows are the same pair."""
        distinct = min(len(np.unique(self._names[rows])), len(np.unique(self._images[rows])))
        if distinct < 2:
            raise TrainingError(
                "expected at least 2 distinct headlines and images to align. Received: "
                f"{distinct} among {len(rows)} rows"
            )

    def batch(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """What the towers read, by name."""
        read = self._inputs.batch(rows)
        return {name: read[name] for name in self._needed}

    def labels(self, rows: Rows) -> dict[str, NDArray[np.int64]]:
        """What tells rows apart, each (n,)."""
        return {"name": self._names[rows], "image": self._images[rows]}

    def alike(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows are no negatives of each other, (n, n)."""
        return np.asarray(alike_pairs(*self.labels(rows).values()))

    def aligned(self, rows: Rows, batch_size: int = 256) -> tuple[NDArray[np.float32], ...]:
        """Places of the rows' headlines and of their images, each (n, a)."""
        parts = []
        for start in range(0, len(rows), batch_size):
            read = self.batch(rows[start : start + batch_size])
            parts.append([t.predict_on_batch(_of(t, read))["aligned"] for t in self._towers])
        return tuple(np.concatenate(places) for places in zip(*parts, strict=True))

    def similarity(self, rows: Rows) -> NDArray[np.float32]:
        """Cosine of every headline, a row, with every image, a column: (n, n)."""
        headline, image = self.aligned(rows)
        return headline @ image.T


def _of(tower: keras.Model, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {tensor.name: inputs[tensor.name] for tensor in tower.inputs}


class _Batches(keras.utils.PyDataset):
    """Batches of about equal size, in a new order each pass."""

    def __init__(self, pairs: _Pairs, rows: Rows, size: int, rng: np.random.Generator) -> None:
        super().__init__()
        self._pairs, self._rows, self._rng = pairs, rows, rng
        # A small remainder would be a step with few negatives, as loud as the others.
        self._count = max(1, round(len(rows) / size))
        self.on_epoch_end()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        rows = np.array_split(self._rows, self._count)[index]
        return self._pairs.batch(rows), self._pairs.labels(rows)

    def on_epoch_end(self) -> None:
        """Shuffles."""
        self._rows = self._rng.permutation(self._rows)


class _Trainer(keras.Model):
    """Both towers and the scale of their cosines, which is not part of the model."""

    def __init__(self, headline: keras.Model, image: keras.Model, logit_scale: float) -> None:
        super().__init__(name="alignment")
        self.headline, self.image = headline, image
        self._log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(logit_scale)),
            name="log_logit_scale",
        )
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return {
            "headline": self.headline(_of(self.headline, inputs), training=training)["aligned"],
            "image": self.image(_of(self.image, inputs), training=training)["aligned"],
        }

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Mean loss of a batch, in nats a pair."""
        alike = alike_pairs(y["name"], y["image"])
        return tf.reduce_mean(
            contrastive_loss(y_pred["headline"], y_pred["image"], alike, self.logit_scale())
        )

    def logit_scale(self) -> Tensor:
        """What cosines are multiplied with, a scalar."""
        return tf.exp(tf.convert_to_tensor(self._log_scale))


class _KeepBest(keras.callbacks.Callback):
    """Keeps the weights that did best on the validation groups; the last of equals."""

    def __init__(self, pairs: _Pairs, rows: Rows) -> None:
        super().__init__()
        self._pairs, self._rows = pairs, rows
        self._alike = pairs.alike(rows)
        self._weights: list[NDArray[np.float32]] = []
        self.loss = self.last_loss = math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        headline, image = self._pairs.aligned(self._rows)
        scale = self.model.logit_scale()
        self.last_loss = float(
            tf.reduce_mean(contrastive_loss(headline, image, self._alike, scale))
        )
        if not np.isfinite(self.last_loss):
            self.model.stop_training = True
        elif self.last_loss <= self.loss:
            self.loss, self._weights = self.last_loss, self.model.get_weights()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._weights:
            self.model.set_weights(self._weights)
