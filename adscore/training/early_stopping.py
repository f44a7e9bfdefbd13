"""The training loop: passes over the rows until the validation groups stop getting better."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.progress import Progress

Rows = NDArray[np.int64]
History = dict[str, list[float]]  # by metric, one number a pass

VALIDATION_LOSS = "validation_loss"


class Batches(keras.utils.PyDataset):
    """Batches of some rows, in a new order each pass.

    Args:
        rows: Which rows, (n,).
        sections: Number of batches of about equal size, or where each but the first begins.
        read: Rows of a batch -> inputs and labels, by name.
        rng: Decides the order.
    """

    def __init__(
        self,
        rows: Rows,
        sections: int | Sequence[int],
        read: Callable[[Rows], tuple[dict[str, Any], dict[str, Any]]],
        rng: np.random.Generator,
    ) -> None:
        super().__init__()
        self._rows, self._sections, self._read, self._rng = rows, sections, read, rng
        self.on_epoch_end()

    def __len__(self) -> int:
        return self._sections if isinstance(self._sections, int) else len(self._sections) + 1

    def __getitem__(self, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._read(self._batches[index])

    def on_epoch_end(self) -> None:
        """Shuffles."""
        self._rows = self._rng.permutation(self._rows)
        self._batches = np.array_split(self._rows, self._sections)


def run_epochs(
    trainer: keras.Model,
    batches: Batches,
    validation_loss: Callable[[], float],
    progress: Progress,
    *,
    max_epochs: int,
    patience: int | None = None,
) -> History:
    """Fits a compiled model in place and keeps the weights of its best pass.

    Args:
        trainer: The model; its name stands in errors.
        batches: What is fitted to.
        validation_loss: Measures the validation groups after each pass.
        progress: Updated after each step.
        max_epochs: Maximum number of passes.
        patience: Passes without progress before stopping; None makes all passes.

    Returns:
        Metrics of each pass, `VALIDATION_LOSS` among them.

    Raises:
        TrainingError: The first pass led to weights of no finite loss.
    """
    # Variables created in the first step would make TensorFlow trace it a second time.
    trainer.build(None)
    trainer.optimizer.build(trainer.trainable_variables)
    best = _KeepBest(validation_loss, max_epochs if patience is None else patience)
    callbacks = [best, _Told(progress, len(batches))]
    passes = trainer.fit(batches, epochs=max_epochs, callbacks=callbacks, verbose=0, shuffle=False)
    if not best_epoch(best.losses):
        raise TrainingError(
            f"expected a finite loss of {trainer.name} on the validation groups. Received: "
            f"{best.losses[-1]} after the first pass. Try a lower learning rate"
        )
    return {**passes.history, VALIDATION_LOSS: best.losses}


def run_passes(trainer: keras.Model, batches: Batches, epochs: int, progress: Progress) -> History:
    """Fits a compiled model in place for so many passes; returns metrics of each.

    Raises:
        TrainingError: The weights have no finite loss.
    """
    trainer.build(None)
    trainer.optimizer.build(trainer.trainable_variables)
    told = _Told(progress, len(batches))
    passes = trainer.fit(batches, epochs=epochs, callbacks=[told], verbose=0, shuffle=False)
    loss = passes.history["loss"][-1]
    if not math.isfinite(loss):
        raise TrainingError(
            f"expected a finite loss of {trainer.name} on all rows. Received: {loss} after "
            f"{epochs} passes. Try a lower learning rate"
        )
    history: History = passes.history
    return history


def best_epoch(losses: Sequence[float]) -> int:
    """The pass whose weights are kept, from 1: the last one on ties; 0 if no loss was finite."""
    lowest = min(filter(math.isfinite, losses), default=None)
    return max((epoch for epoch, loss in enumerate(losses, 1) if loss == lowest), default=0)


class _KeepBest(keras.callbacks.Callback):
    """Measures each pass, keeps the best weights, and ends a fit without progress."""

    def __init__(self, validation_loss: Callable[[], float], patience: int) -> None:
        super().__init__()
        self._validation_loss, self._patience = validation_loss, patience
        self._weights: list[NDArray[np.float32]] = []
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append(self._validation_loss())
        best = best_epoch(self.losses)
        if best == epoch + 1:
            self._weights = self.model.get_weights()
        elif not math.isfinite(self.losses[-1]) or epoch + 1 >= best + self._patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._weights:
            self.model.set_weights(self._weights)


class _Told(keras.callbacks.Callback):
    """Reports progress; a fit that stops early ends before its share reaches 1."""

    def __init__(self, progress: Progress, steps: int) -> None:
        super().__init__()
        self._progress, self._steps, self._epoch = progress, steps, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        epochs = self.params["epochs"]
        share = (self._epoch + batch / self._steps) / epochs
        self._progress.advance(share, f"pass {self._epoch + 1} of at most {epochs}")
