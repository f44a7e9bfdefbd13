"""Calibration on groups that were not fitted to, so that the stated spread is the real one."""

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
# Of a rate, over mean * (1 - mean): at 1 the beta distribution ends.
MAX_VARIANCE = 0.95
MIN_CONCENTRATION = 0.05
# Fewer groups say too little of one rate in ten; their likeliest spread is steadier.
MIN_GROUPS = 50
# More rows take their time, and change the numbers by less than they are known.
MAX_ROWS = 20_000
# Logarithms of the variance of a group's offset, over that of a row.
OFFSETS = (-8.0, 6.0)
MIN_SLOPE = 0.01  # a ranking is never turned over
# Of a shift of logits.
MAX_SHIFT = 5.0
# In logarithms of the concentration; beyond it, coverage says more of the rows than of the rates.
MAX_CORRECTION = 1.0

# A pattern says which parts of a creative are known, by a bit each.
PATTERN_BITS = tuple(1 << part for part in Present)
PATTERNS = sum(PATTERN_BITS) + 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """Last step of the output, for each pattern of known parts; each (patterns, targets).

    Attributes:
        slope: What logits are multiplied with (Platt 1999).
        shift: What is then added.
        log_concentration_shift: What is added to log concentrations.
    """

    slope: Array
    shift: Array
    log_concentration_shift: Array

    def apply(self, logit: Array, log_concentration: Array, present: Known) -> tuple[Array, Array]:
        """Members' logits -> mean and concentration, as the head of a network does it.

        Args:
            logit: (rows, members, targets).
            log_concentration: (targets,) or (rows, targets).
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
        logit: (rows, targets).
        log_concentration: (rows, targets).
        disagreement: Variance of the members' logits, (rows, targets).
        outcomes: Of these rows.
    """

    logit: Array
    log_concentration: Array
    disagreement: Array
    outcomes: Outcomes


def calibrate_patterns(
    predict: Callable[[Known], HeldOut], present: Known, parts: Sequence[Present], *, mean: bool
) -> Calibration:
    """Calibrates a network for every pattern of known parts that it may be given.

    Args:
        predict: What is known of held-out rows -> predictions of a network that never saw them.
        present: What the table has of these rows.
        parts: Those that the network learned to do without, each or together, headline or image
            among them; none for a network that needs all it reads.
        mean: As `calibrate` has it.
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
    """At most `MAX_ROWS` of the rows, drawn from all groups."""
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
    """The held-out rows of one target, each attribute (rows,); see `HeldOut`."""

    logit: Array
    log_concentration: Array
    disagreement: Array
    successes: Array
    trials: Array

    def concentration(self, rate: Array, slope: float, spread: float) -> Array:
        """Of each row's beta distribution, the members' disagreement in it."""
        alone = 1 / (1 + np.exp(self.log_concentration + spread))
        added = rate * (1 - rate) * slope**2 * self.disagreement
        concentration: Array = 1 / np.minimum(alone + added, MAX_VARIANCE) - 1
        return concentration


def calibrate(held_out: HeldOut, *, mean: bool = True) -> tuple[Array, Array, Array]:
    """Finds slope and shift of the logits by held-out counts, and the spread around them.

    The slope is what a difference of logits inside a group is worth: groups differ by more than
    their creatives, and what they differ by is no part of a score. Of labels it is the
    likeliest; of rates, whose tails are heavier than a beta distribution's, that of a regression
    of the log rate.

    The spread is the one whose 90 % intervals hold 90 % of the held-out rates, since these
    intervals are what a score states: for the same tails, the likeliest one is too wide for them.
    Where nearly all of the spread is the noise of few trials no spread does that, and of few
    groups it would be chance: there the likeliest stands. The groups are new to the model, so the
    spread includes what an unknown campaign adds. It is then widened for how few groups it was
    found on.

    The likeliest level is that of a typical creative. Where much-shown creatives have other rates,
    predictions at it do not add up to what was counted, and whatever is measured by trials calls
    them worse than the mean rate. So the level is moved to where they add up, as far as the
    held-out groups agree that it is off.

    Args:
        held_out: Predictions and counts.
        mean: Whether slope and shift of the logits are fitted too, or the spread alone.

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
    """By how much a variance found on few groups is too small to tell the next group's rate.

    Student's (1908) prediction interval over the plug-in one: what groups have in common
    makes each of them one observation, whatever its rows.
    Without it, intervals from a dozen groups hold fewer rates of unseen ones than they say.
    """
    freedom = max(groups - 1, 1)
    quantiles = t.ppf(UPPER, freedom) / norm.ppf(UPPER)
    return float(quantiles**2 * (1 + 1 / groups) * groups / freedom)


def _slope(rows: _Rows, groups: NDArray[np.int64]) -> float:
    """Of the log rates over the predicted logits, beside offsets of the groups.

    How far groups differ is what makes the log rates likeliest; where each is one row, that
    changes nothing.
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
    """Slope, shift and spread under which the counts are most likely, unless they are given."""
    weights = np.maximum(rows.trials, 1e-9)
    centre = float(np.average(rows.logit, weights=weights))
    # Started where predictions and counts agree on average, the search cannot stall far away.
    total = rows.successes.sum() + 0.5, (rows.trials - rows.successes).sum() + 0.5
    first = float(np.log(total[0]) - np.log(total[1])) - centre
    start = np.zeros(1 + (slope is None) + (shift is None))

    def loss(parameters: Array) -> float:
        turned, moved_by, spread = unpack(parameters)
        moved = moved_by + turned * rows.logit
        concentration = rows.concentration(expit(moved), turned, spread)
        value = log_likelihood(moved, np.log(concentration), rows.successes, rows.trials).mean()
        # Weak priors keep a handful of validation rows from turning the ranking over.
        return -float(value) + ((turned - 1) ** 2 + (spread / 4) ** 2) / len(rows.logit)

    def unpack(parameters: Array) -> tuple[float, float, float]:
        spread, *others = parameters.tolist()
        turned = float(np.exp(others.pop())) if slope is None else slope
        moved_by = centre + first + others.pop() - turned * centre if shift is None else shift
        return turned, moved_by, spread

    return unpack(minimize(loss, start, method="Nelder-Mead").x)


def _to_totals(rows: _Rows, slope: float, shift: float, groups: NDArray[np.int64]) -> float:
    """What is added to logits so that predicted successes add up to those counted.

    It is shrunk as James and Stein (1961) have it, by the share of chance in its square: what
    groups miss, squared one by one, over what they miss together. Where one group of many trials
    is all that differs, that share is one, and nothing moves.
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
    """The spread near the likeliest whose intervals hold as many rates as they state."""
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
