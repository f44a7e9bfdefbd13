"""Ranking metrics: over all rows (AUC, lift), and between creatives of one group (pairs)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adscore.evaluation.outcomes import (
    Floats,
    Ints,
    Outcomes,
    read_groups,
    read_outcomes,
    sum_by,
)
from adscore.evaluation.true_rates import TrueRates, infer_true_rates

SIGNIFICANT_Z = 1.96
MIN_PAIRS = 30  # a share of fewer is off by 15 points and more, one time in ten
_BLOCK_PAIRS = 1 << 19  # pairs at a time: about 50 MB of temporary arrays


# === All rows ===


def auc(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float | None:
    """Probability that a random success was predicted above a random failure, ties half.

    Each row holds as many positives as successes and as many negatives as failures. This is
    the Mann-Whitney statistic of the trials, exact, in O(n log n).

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.

    Returns:
        From 0 to 1; None where there is no success or no failure.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    return auc_of_counts(*_counts_by_prediction(read_outcomes(mean, successes, trials)))


def auc_of_counts(positives: Floats, negatives: Floats) -> float | None:
    """The same from the successes and failures of each distinct prediction, in rising order."""
    if not positives.sum() or not negatives.sum():
        return None
    negatives_below = np.cumsum(negatives) - negatives
    beaten = positives @ (negatives_below + negatives / 2)
    return float(beaten / positives.sum() / negatives.sum())


@dataclass(frozen=True, slots=True)
class LiftCurve:
    """Successes gained by showing the best predicted creatives first.

    Attributes:
        trials_share: (points,) float64, share of all trials, rising from 0 to 1.
        successes_share: (points,) float64, share of all successes among them, from 0 to 1.
    """

    trials_share: Floats
    successes_share: Floats

    @property
    def lift(self) -> Floats:
        """(points - 1,) float64: rate of the best share over the overall rate, from share > 0."""
        ratio: Floats = self.successes_share[1:] / self.trials_share[1:]
        return ratio


def lift_curve(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, *, points: int = 101
) -> LiftCurve | None:
    """Cumulative gains of the rows in falling order of prediction.

    Rows of one prediction enter together, as a straight segment: what a random order among
    them gives on average.

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        points: Length of the curve, from 2; evenly spaced in trials.

    Returns:
        The curve; None without a success.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    if points < 2:
        raise ValueError(f"points: expected at least 2. Received: {points}")
    positives, negatives = _counts_by_prediction(read_outcomes(mean, successes, trials))
    if not positives.sum():
        return None
    gained = np.concatenate([[0.0], np.cumsum(positives[::-1])])
    shown = np.concatenate([[0.0], np.cumsum((positives + negatives)[::-1])])
    share = np.linspace(0, 1, points)
    return LiftCurve(share, np.interp(share, shown / shown[-1], gained / gained[-1]))


def _counts_by_prediction(rows: Outcomes) -> tuple[Floats, Floats]:
    """Successes and failures of each distinct prediction, in rising order of prediction."""
    levels, level = np.unique(rows.mean, return_inverse=True)
    successes = sum_by(level, rows.successes, len(levels))
    failures = sum_by(level, rows.trials - rows.successes, len(levels))
    return successes, failures


# === Pairs of one group ===


@dataclass(frozen=True, slots=True)
class PairwiseMetrics:
    """Ranking accuracy inside groups.

    Attributes:
        accuracy: Share of the pairs ordered as observed, from 0 to 1; None without a pair.
        accuracy_significant: The same over significant pairs; None without one.
        noise_ceiling: Expected ``accuracy`` of the true rates; None without a pair, or where
            the counts cannot tell spread from noise (one trial a row).
        pairs: Pairs of one group whose observed rates differ.
        pairs_significant: Those of them with |z| > 1.96.
    """

    accuracy: float | None
    accuracy_significant: float | None
    noise_ceiling: float | None
    pairs: int
    pairs_significant: int


def pairwise_metrics(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, group: ArrayLike
) -> PairwiseMetrics:
    """Compares the predicted with the observed order of every pair of one group.

    A pair is two rows of one group with different observed rates. The prediction scores 1
    for the observed order, 1/2 for a tie, 0 otherwise. z is that of the pooled two-proportion
    test. Time grows with the square of a group's size, memory does not.

    The noise ceiling is the mean, over the same pairs, of the probability that the true
    rates differ in the observed direction (see ``adscore.evaluation.true_rates``).

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        group: (n,) labels; None and NaN mean that a row belongs to no group.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    tally = _tally(_in_groups(mean, successes, trials, group), [SIGNIFICANT_Z])
    pairs, significant = int(tally.pairs.sum()), int(tally.pairs[1])
    ceiling = tally.expected
    return PairwiseMetrics(
        accuracy=float(tally.correct.sum() / pairs) if pairs else None,
        accuracy_significant=float(tally.correct[1] / significant) if significant else None,
        noise_ceiling=float(ceiling.sum() / pairs) if pairs and ceiling is not None else None,
        pairs=pairs,
        pairs_significant=significant,
    )


def pairs_by_group(
    mean: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    group: ArrayLike,
    *,
    min_z: float = 0.0,
) -> tuple[Ints, Floats]:
    """The pairs of each group, and how many of them are ordered as observed, ties half.

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        group: (n,) labels; None and NaN mean that a row belongs to no group.
        min_z: Count pairs of |z| above this alone.

    Returns:
        Two (groups,) arrays, in an order that depends on the groups and the counts alone.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = _in_groups(mean, successes, trials, group)
    groups = int(rows.group.max(initial=-1)) + 1
    pairs, correct = np.zeros(groups, np.int64), np.zeros(groups)
    for low, high in _pair_blocks(rows):
        if min_z:
            clear = _z(rows, low, high) > min_z
            low, high = low[clear], high[clear]
        pairs += np.bincount(rows.group[low], minlength=groups)
        correct += sum_by(rows.group[low], _rises(rows, low, high), groups)
    return pairs, correct


@dataclass(frozen=True, slots=True)
class EvidenceCurve:
    """Ranking accuracy by strength of evidence, in bins ``lower < |z| <= upper``.

    Attributes:
        lower: (bins,) float64, from 0.
        upper: (bins,) float64; the last may be infinite.
        pairs: (bins,) int64, from 1.
        accuracy: (bins,) float64, share of the pairs ordered as observed.
        noise_ceiling: (bins,) float64, expected accuracy of the true rates, or None where it
            cannot be told.
    """

    lower: Floats
    upper: Floats
    pairs: Ints
    accuracy: Floats
    noise_ceiling: Floats | None


def evidence_curve(
    mean: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    group: ArrayLike,
    *,
    edges: Sequence[float] = (0.5, 1.0, 1.5, SIGNIFICANT_Z, 3.0, 4.0, 6.0),
) -> EvidenceCurve:
    """Pairwise accuracy by |z| of the observed difference.

    Args:
        mean: (n,) predicted rate, from 0 to 1; only its order matters.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        group: (n,) labels; None and NaN mean that a row belongs to no group.
        edges: Rising, above 0: where bins meet. The first bin begins at 0 and the last has
            no end; bins without a pair are left out.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    ends = np.array([0.0, *edges, np.inf])
    if not (np.diff(ends) > 0).all():
        raise ValueError(f"edges: expected rising numbers above 0. Received: {list(edges)}")
    tally = _tally(_in_groups(mean, successes, trials, group), edges)
    some = tally.pairs > 0
    pairs = tally.pairs[some]
    ceiling = None if tally.expected is None else tally.expected[some] / pairs
    return EvidenceCurve(
        ends[:-1][some], ends[1:][some], pairs, tally.correct[some] / pairs, ceiling
    )


@dataclass(frozen=True, slots=True)
class _GroupedRows:
    """Rows in order of group, inside it of observed rate."""

    mean: Floats
    observed: Floats
    successes: Floats
    trials: Floats
    group: Ints

    def true_rates(self) -> TrueRates | None:
        """What is known of the truth."""
        return infer_true_rates(self.successes, self.trials, self.group)


@dataclass(frozen=True, slots=True)
class _Tally:
    """Sums over the pairs of each bin of |z|."""

    pairs: Ints
    correct: Floats
    expected: Floats | None


def _in_groups(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, group: ArrayLike
) -> _GroupedRows:
    rows = read_outcomes(mean, successes, trials)
    numbers = read_groups(group, rows.kept)
    order = np.lexsort((rows.observed, numbers))
    return _GroupedRows(
        rows.mean[order],
        rows.observed[order],
        rows.successes[order],
        rows.trials[order],
        numbers[order],
    )


def _tally(rows: _GroupedRows, edges: Sequence[float]) -> _Tally:
    bins = len(edges) + 1
    pairs = np.zeros(bins, np.int64)
    correct, expected = np.zeros(bins), np.zeros(bins)
    true_rates = rows.true_rates()
    for low, high in _pair_blocks(rows):
        # side="left" puts |z| equal to an edge below it: significant is strictly above 1.96.
        place = np.searchsorted(edges, _z(rows, low, high), side="left")
        pairs += np.bincount(place, minlength=bins)
        correct += sum_by(place, _rises(rows, low, high), bins)
        if true_rates is not None:
            expected += sum_by(place, true_rates.order_probability(low, high), bins)
    return _Tally(pairs, correct, None if true_rates is None else expected)


def _rises(rows: _GroupedRows, low: Ints, high: Ints) -> Floats:
    """1 where the prediction of a pair has the observed order, 1/2 for a tie, 0 otherwise."""
    rises: Floats = 0.5 * (1 + np.sign(rows.mean[high] - rows.mean[low]))
    return rises


def _pair_blocks(rows: _GroupedRows) -> Iterator[tuple[Ints, Ints]]:
    """Yields all pairs (low, high) of one group with observed[low] < observed[high].

    A block holds whole rows with all their partners: at most ``_BLOCK_PAIRS`` pairs, or
    those of one row.
    """
    row = np.arange(len(rows.group))
    group_end = np.searchsorted(rows.group, rows.group, side="right")
    partners = group_end - row - 1
    before = np.concatenate([[0], np.cumsum(partners)])
    start = 0
    while start < len(row):
        fits = int(np.searchsorted(before, before[start] + _BLOCK_PAIRS, side="right")) - 1
        end = max(start + 1, fits)
        low = np.repeat(row[start:end], partners[start:end])
        high = low + 1 + np.arange(before[start], before[end]) - before[low]
        differ = rows.observed[low] < rows.observed[high]
        yield low[differ], high[differ]
        start = end


def _z(rows: _GroupedRows, low: Ints, high: Ints) -> Floats:
    """Statistic of the pooled two-proportion test, above 0."""
    trials_low, trials_high = rows.trials[low], rows.trials[high]
    pooled = (rows.successes[low] + rows.successes[high]) / (trials_low + trials_high)
    variance = pooled * (1 - pooled) * (1 / trials_low + 1 / trials_high)
    z: Floats = (rows.observed[high] - rows.observed[low]) / np.sqrt(variance)
    return z
