"""Ranks inside groups, and which creatives of a group cannot be told apart."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logit, ndtr, ndtri

from adscore.creative import INTERVAL_LEVEL, MIN_RATE
from adscore.evaluation.outcomes import Floats, Ints

# Two creatives are told apart if the one with the higher prediction is better with this chance.
APART = 0.8
HALF_WIDTH = float(ndtri((1 + INTERVAL_LEVEL) / 2))  # half an interval, in standard deviations


def places_in_groups(value: Floats, group: Ints) -> Ints:
    """Each row's place inside its group, from 0: highest value first, rows without one last.

    Args:
        value: Values, (rows,), NaN if a row has none.
        group: Number of each row's group, (rows,).
    """
    order = np.lexsort((-np.nan_to_num(value, nan=-np.inf), group))
    ordered = group[order]
    first = np.searchsorted(ordered, ordered, side="left")
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - first
    return places


def chance_ahead(
    mean: Floats, lower: Floats, upper: Floats, residual: float | None, first: int
) -> Floats:
    """Chance that one creative is better than each later one.

    Rates are taken as independent and normal in logits. Without the residual spread, deviations
    come from the intervals; these also cover what creatives of a group share, so the chance comes
    out somewhat too low.

    Args:
        mean: Predicted rates in falling order, (n,).
        lower: Lower ends of their intervals, (n,).
        upper: Upper ends of their intervals, (n,).
        residual: See `bundle.Spread`; None if the model does not know it.
        first: Index of the creative that is compared with those after it.
    """
    ends = logit(np.clip([mean, lower, upper], MIN_RATE, 1 - MIN_RATE))
    centre, deviation = ends[0], (ends[2] - ends[1]) / (2 * HALF_WIDTH)
    if residual is not None:
        deviation = np.full_like(centre, residual)
    spread = np.hypot(deviation[first], deviation[first + 1 :])
    chance: Floats = ndtr((centre[first] - centre[first + 1 :]) / np.maximum(spread, 1e-12))
    return chance


def tiers(mean: Floats, lower: Floats, upper: Floats, residual: float | None = None) -> list[range]:
    """Splits a ranking into tiers: a new one starts where a creative differs from the tier's first.

    Args:
        mean: Predicted rates in falling order, (n,).
        lower: Lower ends of their intervals, (n,).
        upper: Upper ends of their intervals, (n,).
        residual: See `bundle.Spread`; None if the model does not know it.

    Returns:
        Consecutive ranges of places, from 0.
    """
    found = []
    first = 0
    while first < len(mean):
        apart = chance_ahead(mean, lower, upper, residual, first) >= APART
        end = first + 1 + int(np.argmax(apart)) if apart.any() else len(mean)
        found.append(range(first, end))
        first = end
    return found


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number_word(number: int) -> str:
    """A small number as a word, a large one in digits."""
    return _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"


def tie_sentence(tiers: Sequence[range]) -> str:
    """The tiers of a group in a sentence; empty for a group of one."""
    sizes = [len(tier) for tier in tiers]
    if sum(sizes) < 2:
        return ""
    if len(sizes) == 1:
        return f"These {number_word(sizes[0])} cannot be told apart."
    if sizes[0] == 1:
        return "The first is ahead of the others."
    first = number_word(sizes[0])
    return f"The first {first} cannot be told apart; the others are behind the first."
