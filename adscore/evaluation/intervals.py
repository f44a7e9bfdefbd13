"""How sure each metric is: its 90 % interval by bootstrap over groups.

Rows of one group share its campaign, its audience and its week, so whole groups are drawn again
(Field and Welsh 2007, the cluster bootstrap); without groups, rows. Every metric but the AUC is
made of sums over groups, which are multiplied by how often a draw took each.

d draws, g groups, k sums, n rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from adscore.creative import INTERVAL_LEVEL, MIN_RATE
from adscore.evaluation.calibration import bin_by_mass, inside_of_rows
from adscore.evaluation.outcomes import Floats, Ints, Outcomes, read_groups, read_outcomes, sum_by
from adscore.evaluation.ranking import MIN_PAIRS, SIGNIFICANT_Z, auc_of_counts, pairs_by_group

MIN_UNITS = 8  # groups, or rows without groups; an interval from fewer would be too narrow
DRAWS = 400
AUC_DRAWS = 200  # each goes over all rows
_BLOCK_CELLS = 1 << 22
_TAIL = (1 - INTERVAL_LEVEL) / 2

Interval = tuple[float, float]


def metric_intervals(
    mean: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    concentration: ArrayLike | None = None,
    group: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, Interval]:
    """Ends of the 90 % intervals of the metrics of one target.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.
        concentration: (n,) above 0; None: the model states no interval.
        group: (n,) labels; None and NaN inside mean that a row belongs to none. None: no groups.
        seed: Same seed, same intervals.

    Returns:
        By the names of `TargetMetrics`, those of which there are cases enough.
    """
    rows = read_outcomes(mean, successes, trials)
    unit = np.arange(len(rows.trials)) if group is None else read_groups(group, rows.kept)
    units = int(unit.max(initial=-1)) + 1
    if units < MIN_UNITS:
        return {}
    sums = _sums(rows, unit)
    if concentration is not None:
        sums |= _coverage_sums(mean, concentration, successes, trials, rows, unit)
    if group is not None:
        sums |= _pair_sums(mean, successes, trials, group)
    drawn = _drawn(sums, np.random.default_rng(seed))
    found = {name: _ends(values) for name, values in _metrics(drawn).items()}
    if "calibration_error" in found:
        found["calibration_error"] = _unbiased(found["calibration_error"], _metrics(_once(sums)))
    found |= _auc_interval(rows, unit, np.random.default_rng(seed))
    return found


# === Sums over groups ===


def _sums(rows: Outcomes, unit: Ints) -> dict[str, Floats]:
    rate = np.clip(rows.mean, MIN_RATE, 1 - MIN_RATE)
    observed, failures = rows.observed, rows.trials - rows.successes
    likelihood = rows.successes * np.log(rate) + failures * np.log1p(-rate)
    entropy = special.xlogy(rows.successes, observed) + special.xlogy(failures, 1 - observed)
    each = {
        "successes": rows.successes,
        "trials": rows.trials,
        "likelihood": likelihood,
        "entropy": entropy,
    }
    place = bin_by_mass(rows.mean, rows.trials)
    gap = rows.trials * rows.mean - rows.successes
    each |= {f"gap {n}": np.where(place == n, gap, 0) for n in range(int(place.max()) + 1)}
    return {name: sum_by(unit, values) for name, values in each.items()}


def _coverage_sums(
    mean: ArrayLike,
    concentration: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    rows: Outcomes,
    unit: Ints,
) -> dict[str, Floats]:
    inside = inside_of_rows(mean, concentration, successes, trials)
    if inside is None:
        return {}
    several, units = rows.trials > 1, int(unit.max()) + 1
    count = np.bincount(unit[several], minlength=units).astype(np.float64)
    return {"inside": sum_by(unit[several], inside, units), "intervals": count}


def _pair_sums(
    mean: ArrayLike, successes: ArrayLike, trials: ArrayLike, group: ArrayLike
) -> dict[str, Floats]:
    sums: dict[str, Floats] = {}
    for name, least in (("pairs", 0.0), ("clear pairs", SIGNIFICANT_Z)):
        pairs, right = pairs_by_group(mean, successes, trials, group, min_z=least)
        if pairs.sum() >= MIN_PAIRS and np.count_nonzero(pairs) >= MIN_UNITS:
            sums |= {name: pairs.astype(np.float64), f"{name} right": right}
    return sums


# === Draws ===


def draw_units(units: int, draws: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each draw with replacement took each unit, (some draws, units) at a time."""
    step = max(1, _BLOCK_CELLS // units)
    for start in range(0, draws, step):
        yield np.stack(
            [
                np.bincount(generator.integers(units, size=units), minlength=units)
                for _ in range(min(step, draws - start))
            ]
        ).astype(np.float64)


def _drawn(sums: Mapping[str, Floats], generator: np.random.Generator) -> dict[str, Floats]:
    """Sums of the groups of each draw, (d,) each."""
    columns = np.stack(list(sums.values()), axis=1)  # (g, k)
    blocks = [times @ columns for times in draw_units(len(columns), DRAWS, generator)]
    return dict(zip(sums, np.concatenate(blocks).T, strict=True))


def _once(sums: Mapping[str, Floats]) -> dict[str, Floats]:
    """Sums of all groups, (1,) each."""
    return {name: values.sum(keepdims=True) for name, values in sums.items()}


def _metrics(drawn: Mapping[str, Floats]) -> dict[str, Floats]:
    """Metrics from sums, at most (d,) each; those of which most draws hold nothing are absent."""
    trials, successes = drawn["trials"], drawn["successes"]
    overall = special.xlogy(successes, successes / trials)
    overall = overall + special.xlogy(trials - successes, 1 - successes / trials)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "log_loss": -drawn["likelihood"] / trials,
            "deviance_explained": 1
            - (drawn["entropy"] - drawn["likelihood"]) / (drawn["entropy"] - overall),
            "calibration_error": sum(
                np.abs(values) for name, values in drawn.items() if name.startswith("gap ")
            )
            / trials,
        }
        for name, above, below in (
            ("pairwise_accuracy", "pairs right", "pairs"),
            ("pairwise_accuracy_significant", "clear pairs right", "clear pairs"),
            ("interval_coverage", "inside", "intervals"),
        ):
            if above in drawn:
                found[name] = drawn[above] / drawn[below]
    finite = {name: values[np.isfinite(values)] for name, values in found.items()}
    return {name: values for name, values in finite.items() if 2 * values.size > trials.size}


def _ends(draws: Floats) -> Interval:
    lower, upper = np.quantile(draws, [_TAIL, 1 - _TAIL])
    return float(lower), float(upper)


def _unbiased(ends: Interval, metrics: Mapping[str, Floats]) -> Interval:
    """Noise only adds to a mean of absolute gaps, and drawing again adds it once more.

    So the lower end is mirrored at the value, as the basic bootstrap has it (Davison and Hinkley
    1997).
    """
    value = float(metrics["calibration_error"][0])
    return max(0.0, min(ends[0], 2 * value - ends[1])), ends[1]


def _auc_interval(
    rows: Outcomes, unit: Ints, generator: np.random.Generator
) -> dict[str, Interval]:
    level = np.unique(rows.mean, return_inverse=True)[1]
    failures = rows.trials - rows.successes
    units = int(unit.max()) + 1
    found = [
        auc_of_counts(sum_by(level, rows.successes * by_row), sum_by(level, failures * by_row))
        for times in draw_units(units, AUC_DRAWS, generator)
        for by_row in (one[unit] for one in times)
    ]
    known = np.array([value for value in found if value is not None])
    return {"auc": _ends(known)} if 2 * known.size > AUC_DRAWS else {}


# === Agreement ===


@dataclass(frozen=True, slots=True)
class Found:
    """What each headline found, (n,) each.

    Attributes:
        rank: Of its best match, from 1.
        cluster: Equal for headlines that stand or fall together, numbers from 0.
        matches: How many images match it.
        beaten: Summed over these, the share of all others that each is above; None without others.
    """

    rank: Floats
    cluster: Ints
    matches: Floats
    beaten: Floats | None = None


def found_intervals(found: Found, seed: int = 0) -> dict[str, Interval]:
    """Ends of the 90 % intervals of the metrics of agreement, drawing clusters of headlines."""
    units = int(found.cluster.max(initial=-1)) + 1
    if units < MIN_UNITS:
        return {}
    order = np.argsort(found.rank)
    ranks, cluster = found.rank[order], found.cluster[order]
    draws: dict[str, list[float]] = {"recall_at_1": [], "recall_at_10": [], "median_rank": []}
    for times in draw_units(units, DRAWS, np.random.default_rng(seed)):
        for by_row in (one[cluster] for one in times):
            total = np.cumsum(by_row)
            draws["recall_at_1"].append(float(by_row[ranks <= 1].sum() / total[-1]))
            draws["recall_at_10"].append(float(by_row[ranks <= 10].sum() / total[-1]))
            draws["median_rank"].append(float(ranks[np.searchsorted(total, total[-1] / 2)]))
            if found.beaten is not None:
                again = by_row @ found.beaten[order] / (by_row @ found.matches[order])
                draws.setdefault("auc", []).append(float(again))
    return {name: _ends(np.array(values)) for name, values in draws.items()}
