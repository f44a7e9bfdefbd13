"""Linear heads on towers of frozen features: fit, held-out predictions, and network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from adscore.bundle import Choice, Present
from adscore.training.additive import AdditiveHeads, Design, fit_additive, frequent_ngrams
from adscore.training.calibration import HeldOut, Known
from adscore.training.feature_rows import FeatureRows, InMemory, in_pieces, keep_rows
from adscore.training.inputs import Inputs
from adscore.training.likelihood import Start, starting_point
from adscore.training.network import Network, additive_core, build_network
from adscore.training.problem import Problem, TrainingData
from adscore.training.refined import refine
from adscore.training.strengths import choose_strengths
from adscore.training.towers import MIN_LENGTH, KerasTower

Array = NDArray[np.float32]

# Length of a typical row of the context's features; chosen on validation groups.
CONTEXT_LENGTH = 2.7
MIN_DEVIATION = 0.05  # rarer values are not scaled up further


@dataclass(frozen=True)
class AdditiveFit:
    """Fitted linear heads, with their inputs.

    Attributes:
        problem: Defines the fitted rows.
        towers: Towers whose trunks compute the features.
        encodings: Encodings of the context, see `context_encodings`.
        heads: The weights.
        start: What the counts of the fitted rows say without looking at creatives.
        inputs: Inputs of every row.
        added: By part, its part of the fitted rows' logits, (n, m * t) each.
    """

    problem: Problem
    towers: Mapping[str, KerasTower]
    encodings: Mapping[str, Array]
    heads: AdditiveHeads
    start: Start
    inputs: Inputs
    added: Mapping[str, Array]

    def held_out(self) -> Callable[[Known], HeldOut]:
        """Returns a function: known parts -> held-out predictions of the fitted rows."""
        rows, folds = self.problem.fitted, self.heads.folds
        outcomes = self.problem.data.outcomes(rows)

        def predict(known: Known) -> HeldOut:
            logit = self._logits(self.added, known)
            return HeldOut(
                logit=logit[np.arange(len(logit)), folds],
                log_concentration=np.broadcast_to(self.start.log_concentration, logit[:, 0].shape),
                disagreement=disagreement_of_new_rows(logit, folds),
                outcomes=outcomes,
            )

        return predict

    def logits(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Logits of each member for some rows, possibly with inputs of other rows, (n, m, t)."""
        return self._logits(self._parts(inputs, rows), inputs.batch(rows, ("present",))["present"])

    def choices(self) -> dict[str, Choice]:
        """Choices made on held-out groups, by target."""
        return {
            target: Choice(
                parts={name: round(float(s[t]), 4) for name, s in self.heads.shares.items()},
                learns=bool(self.heads.strengths.learns[t]),
            )
            for t, target in enumerate(self.problem.data.targets)
        }

    def network(self) -> Network:
        """Builds an uncalibrated network from the weights."""
        heads = self.heads
        for name, tower in self.towers.items():
            _set_weights(tower, heads.dense[name], heads.ngrams if name == "headline" else None)
        tables = _context_tables(self.encodings, heads.dense.get("context"))
        core = additive_core(self.towers, tables, heads.bias, self.start)
        return build_network(self.towers, core, len(self.problem.data.targets))

    def _parts(self, inputs: Inputs, rows: NDArray[np.int64]) -> dict[str, Array]:
        pieces = [
            self.heads.parts(read_design(inputs, self.towers, self.encodings, some))
            for some in in_pieces(rows)
        ]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def _logits(self, parts: Mapping[str, Array], known: Known) -> NDArray[np.float64]:
        total = self.heads.bias + sum(
            part * known[:, Present[name.upper()], None] for name, part in parts.items()
        )
        targets = len(self.problem.data.targets)
        logits: NDArray[np.float64] = total.reshape(len(total), -1, targets).astype(np.float64)
        return logits


def fit_heads(problem: Problem, inputs: Inputs, towers: Mapping[str, KerasTower]) -> AdditiveFit:
    """Fits linear heads to the features that untrained towers compute for the fitted rows."""
    rows = problem.fitted
    encodings = context_encodings(problem.data, rows)
    design = read_design(inputs, towers, encodings, rows)
    outcomes = problem.data.outcomes(rows)
    members, seed = problem.preset.members, problem.seed
    strengths = choose_strengths(design.kernels, outcomes, seed)
    strengths = refine(strengths, design, outcomes, members, seed)
    heads = fit_additive(design, outcomes, members, seed, strengths)
    start, added = starting_point(outcomes), heads.parts(design)
    return AdditiveFit(problem, towers, encodings, heads, start, inputs, added)


def disagreement_of_new_rows(
    logit: NDArray[np.float64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variance of the members' logits (n, m, t) as for new rows, (n, t).

    For a surprising row, the member that left it out is far from the others. New rows have no such
    member: if it counted, calibration would attribute errors to disagreement, and intervals of new
    rows would be too narrow.
    """
    rows, members, targets = logit.shape
    if members < 3:
        return np.asarray(logit.var(axis=1))
    others = logit[folds[:, None] != np.arange(members)].reshape(rows, members - 1, targets)
    variance: NDArray[np.float64] = others.var(axis=1, ddof=1) * (members - 1) / members
    return variance


def context_encodings(data: TrainingData, rows: NDArray[np.int64]) -> dict[str, Array]:
    """By context name, the features of each value, (values + 1, values); zeros for an absent one.

    One-hot encodings, standardised over the fitted rows.
    """
    width = sum(len(values) for values in data.context.values())
    encodings = {}
    for position, (name, values) in enumerate(data.context.items()):
        each = np.eye(len(values) + 1, dtype=np.float32)[:, 1:]
        fitted = each[data.context_ids[rows, position]]
        deviation = np.maximum(fitted.std(axis=0), MIN_DEVIATION)
        scores = (each - fitted.mean(axis=0)) / deviation * CONTEXT_LENGTH / np.sqrt(width)
        scores[0] = 0
        encodings[name] = scores.astype(np.float32)
    return encodings


def _looked_up(encodings: Mapping[str, Array], ids: NDArray[np.int32]) -> Array:
    tables = enumerate(encodings.values())
    return np.concatenate([table[ids[:, position]] for position, table in tables], axis=1)


def _context_tables(encodings: Mapping[str, Array], weights: Array | None) -> dict[str, Array]:
    """By context name, what each value adds to the logits, (values + 1, members * targets)."""
    if weights is None:
        return {}
    ends = np.cumsum([table.shape[1] for table in encodings.values()]).tolist()
    return {
        name: table @ weights[end - table.shape[1] : end]
        for (name, table), end in zip(encodings.items(), ends, strict=True)
    }


def read_design(
    inputs: Inputs,
    towers: Mapping[str, KerasTower],
    encodings: Mapping[str, Array],
    rows: NDArray[np.int64],
) -> Design:
    """Trunk features, weighted n-grams and context of some rows.

    Args:
        inputs: Inputs of all rows.
        towers: Towers with frozen trunks.
        encodings: Encodings of the context, see `context_encodings`.
        rows: Rows to read.
    """
    dense: dict[str, FeatureRows] = {}
    ngrams = None
    for name, tower in towers.items():
        present = partial(_present, inputs, part=Present[name.upper()])
        features = (tower.features(inputs, some) * present(some) for some in in_pieces(rows))
        dense[name] = keep_rows(features, (len(rows), tower.trunk.output.shape[1]))
        if tower.wide is not None:
            [weights] = tower.wide.get_layer("ngram_weight").get_weights()
            ids = zip(in_pieces(rows), inputs.pieces("ngram_ids", rows), strict=True)
            weighted = [
                sparse.diags_array(present(some)[:, 0]) @ _weighted(each, weights[:, 0])
                for some, each in ids
            ]
            ngrams = sparse.vstack(weighted, format="csr")
    blocks = {name: dict(tower.blocks) for name, tower in towers.items()}
    if encodings:
        looked_up = _looked_up(encodings, inputs.batch(rows, ("context_ids",))["context_ids"])
        dense["context"] = InMemory(looked_up)
        blocks["context"] = {"values": looked_up.shape[1]}
    frequent = None if ngrams is None else frequent_ngrams(ngrams)
    return Design(dense, ngrams, blocks, frequent)


def _present(inputs: Inputs, rows: NDArray[np.int64], part: Present) -> Array:
    """Whether each row has a part, (n, 1)."""
    found: Array = inputs.batch(rows, ("present",))["present"][:, part, None]
    return found


def _weighted(ids: NDArray[np.int32], weights: Array) -> sparse.csr_matrix:
    """Matrix (rows, ids) of n-gram weights, with rows of unit length as in the wide branch."""
    row = np.repeat(np.arange(len(ids)), ids.shape[1])
    column = ids.ravel()
    kept = column > 0
    values = weights[column[kept]]
    table = sparse.csr_matrix((values, (row[kept], column[kept])), (len(ids), len(weights)))
    squares = np.asarray(table.multiply(table).sum(axis=1)).ravel()
    return sparse.diags_array(1 / np.sqrt(squares + MIN_LENGTH)) @ table


def _set_weights(tower: KerasTower, weights: Array, ngrams: Array | None) -> None:
    tower.projection.layers[-1].set_weights([weights])
    if tower.wide is not None and ngrams is not None:
        tower.wide.get_layer("ngrams").set_weights([ngrams])
