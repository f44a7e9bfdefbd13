"""Calibrates predictions on held-out groups, so that stated intervals have their coverage."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import expit
from scipy.stats import norm, t

from adscore.bundle import Present
from adscore.creative import INTERVAL_LEVEL
from adscore.evaluation import interval_coverage
from adscore.training.likelihood import Outcomes, evidence, log_likelihood, sums_inside_groups

Array = NDArray[np.float64]
Known = NDArray[np.float32]  # whether headline, image and context are known, (rows, 3)

UPPER = (1 + INTERVAL_LEVEL) / 2
# Maximum variance of a rate over mean * (1 - mean); the beta distribution's limit is 1.
MAX_VARIANCE = 0.95
MIN_CONCENTRATION = 0.05
# With fewer groups, coverage of 90 % is too uncertain, and the likeliest spread is steadier.
MIN_GROUPS = 50
# More rows cost time, and change the numbers by less than their uncertainty.
MAX_ROWS = 20_000
# Range of the log variance of group offsets, relative to that of a row.
OFFSETS = (-8.0, 6.0)
MIN_SLOPE = 0.01  # never reverse a ranking
# In logits.
MAX_SHIFT = 5.0
# In log concentration; beyond it, coverage depends on the rows more than on the rates.
MAX_CORRECTION = 1.0

# A pattern has one bit for each known part of a creative.
PATTERN_BITS = tuple(1 << part for part in Present)
PATTERNS = sum(PATTERN_BITS) + 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """The last step of the output, per pattern of known parts; arrays are (patterns, targets).

    Attributes:
        slope: Factor of logits (Platt 1999).
        shift: Added to logits after that.
        log_concentration_shift: Added to log concentrations.
    """

    slope: Array
    shift: Array
    log_concentration_shift: Array

    def apply(self, logit: Array, log_concentration: Array, present: Known) -> tuple[Array, Array]:
        """Mean and concentration from members' logits, as in the head of a network.

        Args:
            logit: Logits, (rows, members, targets).
            log_concentration: Log concentrations, (targets,) or (rows, targets).
            present: Whether headline, image and context are known, (rows, 3).
        """
        pattern = np.rint(present).astype(np.int64) @ np.array(PATTERN_BITS)
        moved = logit * self.slope[pattern, None] + self.shift[pattern, None]
        mean = expit(moved).mean(axis=1)
        disagreement = mean * (1 - mean) * moved.var(axis=1)
        alone = 1 / (1 + np.exp(log_concentration + self.log_concentration_shift[pattern]))
        return mean, 1 / np.minimum(alone + disagreement, 1 / (1 + MIN_CONCENTRATION)) - 1


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Predictions of a network for rows that it was not fitted to, and what was observed.

    Attributes:
        logit: Predicted logits, (rows, targets).
        log_concentration: Predicted log concentrations, (rows, targets).
        disagreement: Variance of the members' logits, (rows, targets).
        outcomes: Counts of these rows.
    """

    logit: Array
    log_concentration: Array
    disagreement: Array
    outcomes: Outcomes


def calibrate_patterns(
    predict: Callable[[Known], HeldOut], present: Known, parts: Sequence[Present], *, mean: bool
) -> Calibration:
    """Calibrates a network for every pattern of known parts.

    Args:
        predict: Known parts of held-out rows -> predictions of a network that never saw the rows.
        present: Parts that these rows have in the table.
        parts: Parts that the network learned to do without, singly or together, including headline
            or image; empty for a network that needs every part.
        mean: See `calibrate`.
    """
    whole = np.stack(calibrate(_thinned(predict(present)), mean=mean))
    found = np.repeat(whole[:, None], PATTERNS, axis=1)
    for count in range(1, len(parts)):
        for pattern in itertools.combinations(parts, count):
            known = np.zeros_like(present)
            known[:, pattern] = present[:, pattern]
            if known[:, : Present.CONTEXT].any():
                number = sum(PATTERN_BITS[part] for part in pattern)
                found[:, number] = np.stack(calibrate(_thinned(predict(known)), mean=mean))
    return Calibration(*found)


def _thinned(held_out: HeldOut) -> HeldOut:
    """A random sample of at most `MAX_ROWS` rows."""
    count, outcomes = len(held_out.logit), held_out.outcomes
    if count <= MAX_ROWS:
        return held_out
    kept = np.sort(np.random.default_rng(0).choice(count, MAX_ROWS, replace=False))
    return HeldOut(
        held_out.logit[kept],
        held_out.log_concentration[kept],
        held_out.disagreement[kept],
        Outcomes(
            outcomes.successes[kept],
            outcomes.trials[kept],
            np.unique(outcomes.groups[kept], return_inverse=True)[1],
            outcomes.grouped,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Held-out rows of one target, (rows,) arrays; see `HeldOut`."""

    logit: Array
    log_concentration: Array
    disagreement: Array
    successes: Array
    trials: Array

    def concentration(self, rate: Array, slope: float, spread: float) -> Array:
        """Concentration of each row's beta distribution, including the members' disagreement."""
        alone = 1 / (1 + np.exp(self.log_concentration + spread))
        added = rate * (1 - rate) * slope**2 * self.disagreement
        concentration: Array = 1 / np.minimum(alone + added, MAX_VARIANCE) - 1
        return concentration


def calibrate(held_out: HeldOut, *, mean: bool = True) -> tuple[Array, Array, Array]:
    """Finds slope and shift of logits, and the spread around them, from held-out counts.

    The slope is fitted to differences inside groups: groups differ by more than their creatives,
    and that difference is not part of a score. For labels it is the likeliest slope; for rates,
    whose tails are heavier than a beta distribution's, the slope of a regression of log rates.

    The spread is the one whose 90 % intervals cover 90 % of held-out rates, since a score states
    these intervals: with heavy tails, the likeliest spread would make them too wide. If almost all
    spread is noise of few trials, no spread achieves this, and with few groups it would be chance;
    then the likeliest spread is kept. Groups are new to the model, so the spread includes the
    effect of an unknown campaign. It is then widened for small numbers of groups.

    The likeliest level is that of a typical creative. If much-shown creatives have other rates,
    predictions at that level do not add up to the counts, and metrics weighted by trials rate them
    below the mean rate. So the level is shifted until they add up, as far as the held-out groups
    agree on the shift.

    Args:
        held_out: Predictions and counts.
        mean: Whether to fit slope and shift of logits too, or only the spread.

    Returns:
        Slope, shift and shift of the log concentration, (targets,) each.
    """
    arrays = (
        held_out.logit,
        held_out.log_concentration,
        held_out.disagreement,
        held_out.outcomes.successes,
        held_out.outcomes.trials,
    )
    groups = len(np.unique(held_out.outcomes.groups))
    columns = []
    for target in range(held_out.logit.shape[1]):
        rows = _Rows(*(array[:, target].astype(np.float64) for array in arrays))
        number = held_out.outcomes.groups
        if mean:
            is_label = rows.trials.max() <= 1
            given = None if is_label else _slope(rows, number)
            slope, shift, likeliest = _most_likely(rows, slope=given)
            shift += _to_totals(rows, slope, shift, number)
        else:
            slope, shift, likeliest = _most_likely(rows, slope=1.0, shift=0.0)
        spread = likeliest
        if groups >= MIN_GROUPS:
            spread = _as_stated(rows, slope, shift, likeliest)
        columns.append((slope, shift, spread))
    slopes, shifts, spreads = np.array(columns).T
    return slopes, shifts, spreads - np.log(widening(groups))


def widening(groups: int) -> float:
    """Factor by which a variance from few groups is too small to predict the next group's rate.

    Student's (1908) prediction interval relative to the plug-in one. What rows of a group share
    makes each group one observation, whatever its rows. Without this factor, intervals from a dozen
    groups would cover fewer unseen rates than stated.
    """
    freedom = max(groups - 1, 1)
    quantiles = t.ppf(UPPER, freedom) / norm.ppf(UPPER)
    return float(quantiles**2 * (1 + 1 / groups) * groups / freedom)


def _slope(rows: _Rows, groups: NDArray[np.int64]) -> float:
    """Slope of log rates over predicted logits, with offsets of the groups.

    The variance of the offsets is chosen by likelihood; it has no effect if each group is one row.
    """
    precision, goal = evidence(rows.successes, rows.trials, np.exp(rows.log_concentration))
    number = np.unique(groups, return_inverse=True)[1]
    totals = np.bincount(number, precision)

    def fit(log_offsets: float) -> tuple[float, float]:
        """The slope, and minus twice the log likelihood of the offsets' variance."""
        offsets = float(np.exp(log_offsets))
        square, product, whole = sums_inside_groups(rows.logit, goal, precision, number, offsets)
        noise = max(whole - product**2 / max(square, 1e-12), 1e-12)
        prior = 2 * noise / len(goal)  # weak: it keeps a handful of rows from deciding
        slope = max((product + prior) / (square + prior), MIN_SLOPE)
        return slope, len(goal) * np.log(noise) + float(np.log1p(offsets * totals).sum())

    if len(totals) == len(goal):
        return fit(OFFSETS[0])[0]
    found = minimize_scalar(lambda offsets: fit(offsets)[1], bounds=OFFSETS, method="bounded")
    return fit(found.x)[0]


def _most_likely(
    rows: _Rows, slope: float | None = None, shift: float | None = None
) -> tuple[float, float, float]:
    """The maximum-likelihood slope, shift and spread; given values are kept."""
    weights = np.maximum(rows.trials, 1e-9)
    centre = float(np.average(rows.logit, weights=weights))
    # Start where predictions and counts agree on average, so that the search cannot stall.
    total = rows.successes.sum() + 0.5, (rows.trials - rows.successes).sum() + 0.5
    first = float(np.log(total[0]) - np.log(total[1])) - centre
    start = np.zeros(1 + (slope is None) + (shift is None))

    def loss(parameters: Array) -> float:
        turned, moved_by, spread = unpack(parameters)
        moved = moved_by + turned * rows.logit
        concentration = rows.concentration(expit(moved), turned, spread)
        value = log_likelihood(moved, np.log(concentration), rows.successes, rows.trials).mean()
        # Weak priors keep a handful of validation rows from reversing the ranking.
        return -float(value) + ((turned - 1) ** 2 + (spread / 4) ** 2) / len(rows.logit)

    def unpack(parameters: Array) -> tuple[float, float, float]:
        spread, *others = parameters.tolist()
        turned = float(np.exp(others.pop())) if slope is None else slope
        moved_by = centre + first + others.pop() - turned * centre if shift is None else shift
        return turned, moved_by, spread

    return unpack(minimize(loss, start, method="Nelder-Mead").x)


def _to_totals(rows: _Rows, slope: float, shift: float, groups: NDArray[np.int64]) -> float:
    """Shift of logits that makes predicted successes add up to those counted.

    It is shrunk as by James and Stein (1961), by the share of chance in its square: the sum of the
    groups' squared errors over the square of their sum. If a single group with many trials makes
    the difference, that share is one, and nothing moves.
    """
    at = slope * rows.logit + shift

    def missing(moved: float) -> Array:
        difference: Array = rows.successes - rows.trials * expit(at + moved)
        return difference

    if not missing(-MAX_SHIFT).sum() > 0 > missing(MAX_SHIFT).sum():
        return 0.0
    by_group = np.bincount(groups, weights=missing(0.0))
    chance = (by_group**2).sum() / max(by_group.sum() ** 2, 1e-12)
    whole = brentq(lambda moved: missing(moved).sum(), -MAX_SHIFT, MAX_SHIFT)
    return float(whole * max(0.0, 1 - chance))


def _as_stated(rows: _Rows, slope: float, shift: float, likeliest: float) -> float:
    """The spread near the likeliest one whose intervals have their stated coverage."""
    rate = expit(slope * rows.logit + shift)

    def excess(spread: float) -> float:
        concentration = rows.concentration(rate, slope, spread)
        held = interval_coverage(
            rate, concentration, rows.successes, rows.trials, level=INTERVAL_LEVEL
        )
        return 0.0 if held is None else held - INTERVAL_LEVEL

    low, high = likeliest - MAX_CORRECTION, likeliest + MAX_CORRECTION
    if not excess(low) > 0 > excess(high):
        return likeliest
    return float(brentq(excess, low, high, xtol=0.005))
