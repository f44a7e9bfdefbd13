"""How sure a ranking metric is, and what a part of the creatives adds to it: bootstrap over groups.

Rows of one group share its campaign, its audience and its week, so whole groups are drawn again
(Field and Welsh 2007, the cluster bootstrap); without groups, rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from adscore.creative import INTERVAL_LEVEL
from adscore.evaluation.intervals import MIN_UNITS
from adscore.evaluation.outcomes import Floats, read_outcomes, sum_by
from adscore.evaluation.ranking import MIN_PAIRS, auc_of_counts, pairs_by_group

_DRAWS = 1_000
_AUC_DRAWS = 200  # each goes over all rows


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with the ends of its 90 % interval, which are None where there are too few cases."""

    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well creatives are ranked, and what each part of them adds.

    Attributes:
        metric: ``"pairwise_accuracy"``; without a pair of one group ``"auc"``, over all rows.
        value: The metric.
        gains: By part of a creative, the metric minus what is left of it when that part is
            another creative's.
    """

    metric: str
    value: Estimate
    gains: Mapping[str, Estimate] = field(default_factory=dict)


def estimate_ranking(
    mean: Floats,
    exchanged: Mapping[str, Floats],
    successes: ArrayLike,
    trials: ArrayLike,
    group: ArrayLike | None,
    *,
    seed: int = 0,
) -> Ranking | None:
    """Measures a ranking with its interval, and the gain of each part with its own.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        exchanged: By part of a creative, the predictions with that part of another row, (n,).
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        group: (n,) labels; None without groups.
        seed: Same seed, same interval.

    Returns:
        The estimates; None where nothing can be ranked.
    """
    predictions = np.stack([mean, *exchanged.values()])
    generator = np.random.default_rng(seed)
    counts = None if group is None else _pair_counts(predictions, successes, trials, group)
    drawn = (
        _draw_auc(predictions, successes, trials, generator)
        if counts is None
        else _draw_pairs(*counts, generator)
    )
    if drawn is None:
        return None
    value, draws = drawn
    gains = {
        part: _estimate(value[0] - value[number], draws[:, 0] - draws[:, number])
        for number, part in enumerate(exchanged, 1)
    }
    metric = "auc" if counts is None else "pairwise_accuracy"
    return Ranking(metric, _estimate(value[0], draws[:, 0]), gains)


def _pair_counts(
    predictions: Floats, successes: ArrayLike, trials: ArrayLike, group: ArrayLike
) -> tuple[Floats, Floats] | None:
    """Pairs ranked right (predictions, groups) and pairs (groups,) of the groups that have any."""
    counted = [pairs_by_group(mean, successes, trials, group) for mean in predictions]
    pairs = counted[0][0]
    if not pairs.any():
        return None
    correct = np.stack([correct for _, correct in counted])
    return correct[:, pairs > 0], pairs[pairs > 0].astype(np.float64)


def _draw_pairs(
    correct: Floats, pairs: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    groups = len(pairs)
    is_enough = groups >= MIN_UNITS and pairs.sum() >= MIN_PAIRS
    draws = np.empty((_DRAWS if is_enough else 0, len(correct)))
    for row in draws:
        times = np.bincount(generator.integers(groups, size=groups), minlength=groups)
        row[:] = correct @ times / (pairs @ times)
    return correct.sum(axis=1) / pairs.sum(), draws


def _draw_auc(
    predictions: Floats, successes: ArrayLike, trials: ArrayLike, generator: np.random.Generator
) -> tuple[Floats, Floats] | None:
    counts = [read_outcomes(mean, successes, trials) for mean in predictions]
    levels = [np.unique(rows.mean, return_inverse=True)[1] for rows in counts]
    positives, rows = counts[0].successes, len(counts[0].trials)
    negatives = counts[0].trials - positives

    def values(times: Floats) -> list[float | None]:
        return [
            auc_of_counts(sum_by(level, positives * times), sum_by(level, negatives * times))
            for level in levels
        ]

    value = values(np.ones(rows))
    if None in value:
        return None
    draws = []
    for _ in range(_AUC_DRAWS if rows >= MIN_UNITS else 0):
        drawn = generator.integers(rows, size=rows)
        again = values(np.bincount(drawn, minlength=rows).astype(np.float64))
        if None not in again:  # a draw may hold one kind of result alone
            draws.append(again)
    return np.array(value, float), np.array(draws, float).reshape(-1, len(value))


def _estimate(value: float, draws: Floats) -> Estimate:
    if not len(draws):
        return Estimate(float(value))
    tail = (1 - INTERVAL_LEVEL) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail])
    return Estimate(float(value), float(lower), float(upper))
