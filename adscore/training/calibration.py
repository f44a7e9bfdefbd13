"""Calibration on groups that were not fitted to, so that the stated spread is the real one."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit
from scipy.stats import norm, t

from adscore.bundle import Present
from adscore.creative import INTERVAL_LEVEL
from adscore.evaluation import interval_coverage
from adscore.training.likelihood import Outcomes, log_likelihood

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
    """Finds the slope and shift under which held-out counts are most likely, and their spread.

    The spread is the one whose 90 % intervals hold 90 % of the held-out rates, since these
    intervals are what a score states: rates have heavier tails than a beta distribution, so
    that the likeliest one is too wide for them. Where nearly all of the spread is the noise of
    few trials no spread does that, and of few groups it would be chance: there the likeliest
    stands. The groups are new to the model, so the spread includes what an unknown campaign adds.
    It is then widened for how few groups it was found on.

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
        slope, shift, likeliest = _most_likely(rows, mean=mean)
        if mean:
            shift += _to_totals(rows, slope, shift, held_out.outcomes.groups)
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


def _most_likely(rows: _Rows, *, mean: bool) -> tuple[float, float, float]:
    """Slope, shift and spread under which the counts are most likely."""
    weights = np.maximum(rows.trials, 1e-9)
    centre = float(np.average(rows.logit, weights=weights))
    # Started where predictions and counts agree on average, the search cannot stall far away.
    total = rows.successes.sum() + 0.5, (rows.trials - rows.successes).sum() + 0.5
    first = float(np.log(total[0]) - np.log(total[1])) - centre

    def loss(parameters: Array) -> float:
        slope, shift, spread = unpack(parameters)
        moved = centre + shift + slope * (rows.logit - centre)
        concentration = rows.concentration(expit(moved), slope, spread)
        value = log_likelihood(moved, np.log(concentration), rows.successes, rows.trials).mean()
        # Weak priors keep a handful of validation rows from turning the ranking over.
        return -float(value) + ((slope - 1) ** 2 + (spread / 4) ** 2) / len(rows.logit)

    def unpack(parameters: Array) -> tuple[float, float, float]:
        if not mean:
            return 1.0, 0.0, float(parameters[0])
        return float(np.exp(parameters[0])), first + float(parameters[1]), float(parameters[2])

    best = minimize(loss, np.zeros(3 if mean else 1), method="Nelder-Mead")
    slope, shift, spread = unpack(best.x)
    return slope, centre + shift - slope * centre, spread


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
