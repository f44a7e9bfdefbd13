"""Places inside a group, and which of its creatives cannot be told apart."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logit, ndtr, ndtri

from adscore.creative import INTERVAL_LEVEL, MIN_RATE
from adscore.evaluation.outcomes import Floats, Ints

# Two creatives are told apart if the one that is predicted better is better with this chance.
APART = 0.8
HALF_WIDTH = float(ndtri((1 + INTERVAL_LEVEL) / 2))  # of an interval, in standard deviations


def places_in_groups(value: Floats, group: Ints) -> Ints:
    """The place of each row inside its group, from 0: highest first, rows without a value last.

    Args:
        value: (rows,), NaN where a row has none.
        group: (rows,), numbers of the groups.
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
    """The chance that one creative is better than each one after it.

    Rates are taken to be independent and normal as logits. Without the spread inside a group they
    are as wide as their intervals, which hold what creatives of a group share, too: the chance is
    then rather too low.

    Args:
        mean: (n,) predicted rates, falling.
        lower: (n,) lower ends of their intervals.
        upper: (n,) upper ends.
        residual: See `bundle.Spread`; None if the model does not know it.
        first: The one that is compared with those after it.
    """
    ends = logit(np.clip([mean, lower, upper], MIN_RATE, 1 - MIN_RATE))
    centre, deviation = ends[0], (ends[2] - ends[1]) / (2 * HALF_WIDTH)
    if residual is not None:
        deviation = np.full_like(centre, residual)
    spread = np.hypot(deviation[first], deviation[first + 1 :])
    chance: Floats = ndtr((centre[first] - centre[first + 1 :]) / np.maximum(spread, 1e-12))
    return chance


def tiers(mean: Floats, lower: Floats, upper: Floats, residual: float | None = None) -> list[range]:
    """Cuts a ranking where a creative is told apart from the first of those before it.

    Args:
        mean: (n,) predicted rates, falling.
        lower: (n,) lower ends of their intervals.
        upper: (n,) upper ends.
        residual: See `bundle.Spread`; None if the model does not know it.

    Returns:
        The places of each tier, from 0, which follow each other.
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
    """What the tiers of a group say, in a sentence; nothing of a group of one."""
    sizes = [len(tier) for tier in tiers]
    if sum(sizes) < 2:
        return ""
    if len(sizes) == 1:
        return f"These {number_word(sizes[0])} cannot be told apart."
    if sizes[0] == 1:
        return "The first is ahead of the others."
    first = number_word(sizes[0])
    return f"The first {first} cannot be told apart; the others are behind the first."
