"""Towers on frozen features and fitted linear heads -> a network, and what it says held out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from adscore.training.additive import (
    AdditiveFit,
    AdditiveOptions,
    Design,
    Outcomes,
    fit_additive,
)
from adscore.training.calibrate import HeldOut
from adscore.training.data import TrainingData
from adscore.training.likelihood import Start
from adscore.training.network import MODALITIES, Network, additive_core, build_network
from adscore.training.representation import Representation
from adscore.training.towers import SMALLEST_LENGTH, Tower

Array = NDArray[np.float32]

# Length of a typical row of the context's features; chosen on validation groups.
CONTEXT_LENGTH = 2.7
SMALLEST_DEVIATION = 0.05  # a value that is rarer is not blown up further


@dataclass(frozen=True, slots=True)
class AdditiveRows:
    """What each part adds to the logits of the fitted rows.

    Attributes:
        parts: By `headline`, `image` and `context`, (rows, members * targets); zeros where absent.
        bias: (members * targets,)
        folds: The member that left a row out, (rows,).
        start: Where the concentration stands.
        outcomes: What was observed.
    """

    parts: Mapping[str, Array]
    bias: Array
    folds: NDArray[np.int64]
    start: Start
    outcomes: Outcomes

    def held_out(self, known: Array) -> HeldOut:
        """What the member that never saw a row's group says, with some parts unknown.

        Args:
            known: Whether headline, image and context are, (rows, 3).
        """
        total = self.bias + sum(
            part * known[:, MODALITIES.index(name), None] for name, part in self.parts.items()
        )
        targets = self.outcomes.trials.shape[1]
        logit = total.reshape(len(total), -1, targets).astype(np.float64)
        return HeldOut(
            logit=logit[np.arange(len(logit)), self.folds],
            log_concentration=np.broadcast_to(self.start.log_concentration, logit[:, 0].shape),
            disagreement=logit.var(axis=1),
            successes=self.outcomes.successes,
            trials=self.outcomes.trials,
            groups=len(np.unique(self.outcomes.groups)),
        )


def build_additive(
    towers: Representation,
    data: TrainingData,
    rows: NDArray[np.int64],
    start: Start,
    options: AdditiveOptions,
    seed: int,
) -> tuple[Network, AdditiveRows, AdditiveFit]:
    """Fits the heads to some rows and puts their weights into towers and core.

    Args:
        towers: Untrained, on frozen encoders all.
        data: All rows.
        rows: Those to fit to.
        start: Where the concentration stands.
        options: How heads are fitted.
        seed: Decides which member leaves out which groups.
    """
    encodings = context_encodings(data, rows)
    design = read_design(towers, encodings, data, rows)
    outcomes = read_outcomes(data, rows)
    fit = fit_additive(design, outcomes, options, seed)
    for name, tower in towers.towers.items():
        _set_weights(tower, fit.dense[name], fit.ngrams if name == "headline" else None)
    tables = _context_tables(encodings, fit.dense.get("context"))
    core = additive_core(towers.towers, tables, fit.bias, start)
    network = build_network(towers.towers, core, data.trials.shape[1])
    rows_fitted = AdditiveRows(fit.parts(design), fit.bias, fit.folds, start, outcomes)
    return network, rows_fitted, fit


def read_outcomes(data: TrainingData, rows: NDArray[np.int64]) -> Outcomes:
    """What was observed of some rows, their groups numbered anew."""
    groups = np.unique(data.groups[rows], return_inverse=True)[1]
    return Outcomes(data.successes[rows], data.trials[rows], groups, data.is_grouped)


def context_encodings(data: TrainingData, rows: NDArray[np.int64]) -> dict[str, Array]:
    """By context name, the features of each value, (values + 1, values); zeros for none.

    One-hot, standardised over the rows that are fitted to.
    """
    width = sum(len(values) for values in data.context.values())
    encodings = {}
    for position, (name, values) in enumerate(data.context.items()):
        each = np.eye(len(values) + 1, dtype=np.float32)[:, 1:]
        fitted = each[data.context_ids[rows, position]]
        deviation = np.maximum(fitted.std(axis=0), SMALLEST_DEVIATION)
        scores = (each - fitted.mean(axis=0)) / deviation * CONTEXT_LENGTH / np.sqrt(width)
        scores[0] = 0
        encodings[name] = scores.astype(np.float32)
    return encodings


def _looked_up(encodings: Mapping[str, Array], ids: NDArray[np.int32]) -> Array:
    tables = enumerate(encodings.values())
    return np.concatenate([table[ids[:, position]] for position, table in tables], axis=1)


def _context_tables(encodings: Mapping[str, Array], weights: Array | None) -> dict[str, Array]:
    """By context name, what each value adds, (values + 1, members * targets)."""
    if weights is None:
        return {}
    ends = np.cumsum([table.shape[1] for table in encodings.values()]).tolist()
    return {
        name: table @ weights[end - table.shape[1] : end]
        for (name, table), end in zip(encodings.items(), ends, strict=True)
    }


def read_design(
    towers: Representation,
    encodings: Mapping[str, Array],
    data: TrainingData,
    rows: NDArray[np.int64],
) -> Design:
    """What the heads read of some rows: trunks, weighted n-grams and context.

    Args:
        towers: On frozen encoders all.
        encodings: Of the context, see `context_encodings`.
        data: All rows.
        rows: Which rows.
    """
    dense: dict[str, Array] = {}
    ngrams = None
    for name, tower in towers.towers.items():
        present = data.present[rows, MODALITIES.index(name), None]
        dense[name] = trunk_features(tower, towers, rows) * present
        if tower.wide is not None:
            [weights] = tower.wide.get_layer("ngram_weight").get_weights()
            ids = towers.inputs.batch(rows, ["ngram_ids"])["ngram_ids"]
            ngrams = sparse.diags_array(present[:, 0]) @ _weighted(ids, weights[:, 0])
    if encodings:
        dense["context"] = _looked_up(encodings, data.context_ids[rows])
    return Design(dense, ngrams)


def trunk_features(tower: Tower, towers: Representation, rows: NDArray[np.int64]) -> Array:
    """What a tower's trunk says of some rows, (rows, f)."""
    names = [tensor.name for tensor in tower.trunk.inputs]
    parts = [
        np.asarray(tower.trunk(towers.inputs.batch(batch, names), training=False))
        for batch in np.array_split(rows, max(1, len(rows) // 1024))
    ]
    return np.concatenate(parts)


def _weighted(ids: NDArray[np.int32], weights: Array) -> sparse.csr_matrix:
    """(rows, ids) of the n-grams' weights, each row of unit length, as the wide branch has it."""
    row = np.repeat(np.arange(len(ids)), ids.shape[1])
    column = ids.ravel()
    kept = column > 0
    values = weights[column[kept]]
    table = sparse.csr_matrix((values, (row[kept], column[kept])), (len(ids), len(weights)))
    squares = np.asarray(table.multiply(table).sum(axis=1)).ravel()
    return sparse.diags_array(1 / np.sqrt(squares + SMALLEST_LENGTH)) @ table


def _set_weights(tower: Tower, weights: Array, ngrams: Array | None) -> None:
    tower.projection.layers[-1].set_weights([weights])
    if tower.wide is not None and ngrams is not None:
        tower.wide.get_layer("ngrams").set_weights([ngrams])
