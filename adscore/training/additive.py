"""An ensemble of linear heads on fixed features.

The logit of a rate is a sum over blocks of features and of n-grams, and an offset of its group.
Weights and offsets have normal priors around zero, with variances chosen on held-out groups (see
`strengths`); the heads are the posterior modes. Each member of the ensemble leaves out a part of
the groups, so that every row has a logit from a member that never saw its group. Calibration uses
these logits, and so needs no separate validation rows.

n rows, f features, v n-gram ids, m members, t targets; a column is one member's of one target.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, logit

from adscore.training.conjugate_gradients import Preconditioner, conjugate_gradients
from adscore.training.feature_rows import (
    FeatureRows,
    InMemory,
    second_moment,
    times,
    transposed_times,
)
from adscore.training.likelihood import Outcomes, evidence, starting_point
from adscore.training.split import deal_groups
from adscore.training.strengths import Rows, Strengths

Array = NDArray[np.float64]
Features = NDArray[np.float32]

NEWTON_STEPS = 5  # for a cross-entropy loss
NGRAMS = "headline n-grams"
FREQUENT, RARE = "headline frequent n-grams", "headline rare n-grams"
# An n-gram in at least this share of rows is frequent. What many headlines share, such as offers
# and calls to action, has other effects than names have, and of another size.
FREQUENT_SHARE = 0.02


@dataclass(frozen=True)
class Design:
    """Features of some rows.

    Attributes:
        dense: Features by part, ``"headline"``, ``"image"`` and ``"context"``, (n, f) each; rows
            of zeros where a part is absent.
        ngrams: Weighted n-grams of the headlines, (n, v) float32; None without n-grams.
        widths: By part, the number of features in each of its blocks, by name; each block has a
            variance of its own.
        frequent: Which n-grams form a separate block, (v,); None: all are one block.
    """

    dense: Mapping[str, FeatureRows]
    ngrams: sparse.csr_matrix | None
    widths: Mapping[str, Mapping[str, int]]
    frequent: NDArray[np.bool_] | None = None

    @property
    def blocks(self) -> list[str]:
        """Names of the blocks, in the order of the parts; n-grams come last."""
        return [f"{part} {name}" for part in self.dense for name in self.widths[part]] + [
            *self.ngram_blocks
        ]

    @property
    def ngram_blocks(self) -> dict[str, Features]:
        """By block, 1 for each n-gram that belongs to it, else 0, (v, 1)."""
        if self.ngrams is None:
            return {}
        if self.frequent is None:
            return {NGRAMS: np.ones((self.ngrams.shape[1], 1), np.float32)}
        frequent = self.frequent[:, None].astype(np.float32)
        return {FREQUENT: frequent, RARE: 1 - frequent}

    def ends(self, part: str) -> list[int]:
        """End of each block of a part, except the last."""
        return list(itertools.accumulate(self.widths[part].values()))[:-1]

    @cached_property
    def second_moments(self) -> list[Features]:
        """Mean products of each part's features, (f, f) each; for n-grams mean squares, (v, 1).

        Estimated from an even sample if there are many rows, since they only guide the solver.
        """
        found = [second_moment(features) for features in self.dense.values()]
        if self.ngrams is not None:
            squares = self.ngrams.multiply(self.ngrams).mean(axis=0)
            found.append(np.asarray(squares, np.float32).reshape(-1, 1))
        return found

    def of(self, rows: Rows) -> "Design":
        """Features of a subset of the rows."""
        dense = {part: InMemory(each.taken(rows)) for part, each in self.dense.items()}
        ngrams = None if self.ngrams is None else self.ngrams[rows]
        return Design(dense, ngrams, self.widths, self.frequent)

    def kernels(self, rows: Rows) -> dict[str, Array]:
        """By block, the products of the features of some rows, (rows, rows)."""
        found: list[Any] = []
        for part, features in self.dense.items():
            found += np.split(features.taken(rows), self.ends(part), axis=1)
        if self.ngrams is not None:
            taken, blocks = self.ngrams[rows], self.ngram_blocks.values()
            found += [taken @ sparse.diags_array(kept[:, 0]) for kept in blocks]
        return dict(zip(self.blocks, map(_products, found), strict=True))


def frequent_ngrams(ngrams: sparse.csr_matrix) -> NDArray[np.bool_]:
    """Which n-grams are frequent, (v,)."""
    counts = np.bincount(ngrams.indices, minlength=ngrams.shape[1])
    return np.asarray(counts >= FREQUENT_SHARE * ngrams.shape[0])


def _products(block: Any) -> Array:  # an array, or a sparse one
    product = block @ block.T
    return np.asarray(product.toarray() if sparse.issparse(product) else product, np.float64)


@dataclass(frozen=True, slots=True)
class AdditiveHeads:
    """Fitted weights.

    Attributes:
        dense: Weights by part, (f, m * t) float32.
        ngrams: Weights of n-grams, (v, m * t) float32; None without n-grams.
        bias: Bias of each column, (m * t,) float32.
        folds: The member that left a row out, (n,).
        strengths: Strengths that they were fitted with.
        shares: By block, the standard deviation of its part of the fitted rows' logits, (t,).
    """

    dense: Mapping[str, Features]
    ngrams: Features | None
    bias: Features
    folds: NDArray[np.int64]
    strengths: Strengths
    shares: Mapping[str, Array]

    def parts(self, design: Design) -> dict[str, Features]:
        """What each part adds to the logits of some rows, (n, m * t) float32 each."""
        parts = {name: times(each, self.dense[name]) for name, each in design.dense.items()}
        if design.ngrams is not None:
            parts["headline"] = parts["headline"] + design.ngrams @ self.ngrams
        return parts

    def left_out(self, design: Design) -> Array:
        """Logits of the fitted rows, each from the member that never saw its group, (n, t)."""
        total = self.bias + sum(self.parts(design).values())
        by_member = total.reshape(len(total), -1, len(self.strengths.learns))
        logit: Array = by_member[np.arange(len(total)), self.folds].astype(np.float64)
        return logit


def fit_additive(
    design: Design, outcomes: Outcomes, members: int, seed: int, strengths: Strengths
) -> AdditiveHeads:
    """Fits all members at once; deterministic for a seed.

    Args:
        design: Features of the fitted rows.
        outcomes: Counts of the fitted rows.
        members: Number of members.
        seed: Decides which member leaves out which groups.
        strengths: Strengths of the blocks and of the groups' offsets.
    """
    folds = deal_groups(outcomes.groups, members, seed)
    kept = (folds[:, None] != np.arange(members)).astype(np.float64)  # (n, m)
    if members == 1:
        kept[:] = 1
    columns = _Columns(design, outcomes, kept, strengths)
    weights, bias = columns.fit()
    dense = dict(zip(design.dense, weights, strict=False))
    ngrams = weights[-1] if design.ngrams is not None else None
    shares = _shares(design, dense, ngrams, members)
    return AdditiveHeads(dense, ngrams, bias.astype(np.float32), folds, strengths, shares)


def _shares(
    design: Design, dense: Mapping[str, Features], ngrams: Features | None, members: int
) -> dict[str, Array]:
    """By block, the standard deviation over rows of its part of the mean logit, (t,)."""

    def mean(weights: Features) -> Features:
        found: Features = weights.reshape(len(weights), members, -1).mean(axis=1)
        return found

    added: list[Array] = []
    for part, features in design.dense.items():
        ends, weights = design.ends(part), mean(dense[part])
        blocks = np.zeros((len(ends) + 1, features.shape[0], weights.shape[1]))
        pairs = np.split(weights, ends)
        for rows, piece in features.pieces():
            for block, each, found in zip(
                np.split(piece, ends, axis=1), pairs, blocks, strict=True
            ):
                found[rows] = block @ each
        added += list(blocks)
    if design.ngrams is not None and ngrams is not None:
        added += [design.ngrams @ (mean(ngrams) * kept) for kept in design.ngram_blocks.values()]
    return {name: each.std(axis=0) for name, each in zip(design.blocks, added, strict=True)}


class _Columns:
    """The fits of all members and targets, which go on side by side; weights are over their scales.

    Args:
        design: Features of the rows.
        outcomes: Their counts.
        kept: Which rows each member is fitted to, (n, m).
        strengths: Scales of the weights.
    """

    def __init__(
        self, design: Design, outcomes: Outcomes, kept: Array, strengths: Strengths
    ) -> None:
        members, targets = kept.shape[1], outcomes.trials.shape[1]
        self._parts = [*design.dense.values()]
        scales = {
            name: np.tile(np.sqrt(strengths.blocks[name]), members).astype(np.float32)
            for name in design.blocks
        }
        each = [
            np.broadcast_to(scales[f"{part} {name}"], (width, members * targets))
            for part in design.dense
            for name, width in design.widths[part].items()
        ]
        if design.ngrams is not None:
            self._parts.append(InMemory(design.ngrams))
            pairs = [kept * scales[name] for name, kept in design.ngram_blocks.items()]
            each.append(np.sum(pairs, axis=0))
        self._scales = np.concatenate(each)  # (all f, m * t)
        self._ends = np.cumsum([part.shape[1] for part in self._parts])[:-1]
        self._offsets = np.tile(strengths.offsets, members)
        number, rows = outcomes.groups, np.arange(len(outcomes.groups))
        self._groups = sparse.csr_matrix((np.ones(len(rows)), (number, rows)))
        self._number = number
        concentration = np.exp(starting_point(outcomes).log_concentration)
        observed = [
            evidence(outcomes.successes[:, t], outcomes.trials[:, t], concentration[t])
            for t in range(targets)
        ]
        self._kept = np.repeat(kept, targets, axis=1)
        self._precision = np.tile(np.stack([pair[0] for pair in observed], 1), members) * self._kept
        self._goal = np.tile(np.stack([pair[1] for pair in observed], 1), members)
        self._labels = np.tile(outcomes.trials.max(axis=0) <= 1, members)
        self._successes = np.tile(outcomes.successes, members)
        self._trials = np.tile(outcomes.trials, members)
        self._precondition = self._preconditioner(design.second_moments, targets)

    def _preconditioner(self, moments: Sequence[Features], targets: int) -> Preconditioner:
        # Of labels the most that each can tell: what it tells depends on the others.
        most = np.where(self._labels, self._trials * self._kept / 4, self._precision)
        precision = self._shrinking(most)(np.ones_like(most)).sum(axis=0)
        scales = np.split(self._scales[:, :targets], self._ends)
        return Preconditioner(moments, scales, precision.reshape(-1, targets).mean(axis=0))

    def fit(self) -> tuple[list[Features], Array]:
        """Weights by part, n-grams last, (f, m * t) each, and bias, (m * t,)."""
        weights = np.zeros_like(self._scales)
        bias = np.zeros(len(self._offsets))
        if self._labels.any():
            counts = (self._kept * values for values in (self._successes, self._trials))
            successes, trials = (values.sum(axis=0) for values in counts)
            bias[self._labels] = logit(successes / trials)[self._labels]
        for _ in range(NEWTON_STEPS if self._labels.any() else 1):
            weights, bias = self._step(weights, bias)
        return np.split(weights * self._scales, self._ends), bias

    def _step(self, weights: Features, bias: Array) -> tuple[Features, Array]:
        """One step of Newton: of rates, whose loss is a square, the last one."""
        precision, goal = self._precision, self._goal
        if self._labels.any():
            at = self._logits(weights) + bias
            mean = expit(at)
            slope = np.maximum(mean * (1 - mean), 1e-6)
            precision = np.where(self._labels, slope * self._trials * self._kept, precision)
            moved = at + (self._successes / np.maximum(self._trials, 1) - mean) / slope
            goal = np.where(self._labels, moved, goal)
        shrunk = self._shrinking(precision)
        ones = shrunk(np.ones_like(goal))
        total = np.maximum(ones.sum(axis=0), 1e-12)

        def seen(values: Array) -> Array:
            """What is left of some logits once offsets and bias have taken their share."""
            taken = shrunk(values)
            left: Array = taken - ones * (taken.sum(axis=0) / total)
            return left

        def apply(weights: Features) -> Features:
            return self._gradients(seen(self._logits(weights))) + weights

        right = self._gradients(seen(goal))
        weights = conjugate_gradients(apply, right, weights, self._precondition)
        bias = shrunk(goal - self._logits(weights)).sum(axis=0) / total
        return weights, bias

    def _shrinking(self, precision: Array) -> Callable[[Array], Array]:
        """Logits (n, c) -> the same times the precision that is left beside the groups' offsets."""
        share = self._offsets / (1 + self._offsets * (self._groups @ precision))  # (groups, c)

        def shrunk(values: Array) -> Array:
            weighted = precision * values
            left: Array = weighted - precision * (share * (self._groups @ weighted))[self._number]
            return left

        return shrunk

    def _logits(self, weights: Features) -> Array:
        total = np.zeros(self._goal.shape)
        scaled = np.split(weights * self._scales, self._ends)
        for features, part in zip(self._parts, scaled, strict=True):
            total += times(features, part)
        return total

    def _gradients(self, values: Array) -> Features:
        values = values.astype(np.float32)
        return np.concatenate([transposed_times(p, values) for p in self._parts]) * self._scales
