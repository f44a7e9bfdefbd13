"""All metrics of one target, under the names they have in JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from adscore.creative import MIN_RATE
from adscore.evaluation.calibration import calibration_error, interval_coverage
from adscore.evaluation.outcomes import Floats, read_outcomes
from adscore.evaluation.ranking import PairwiseMetrics, auc, pairwise_metrics

CHANCE = 0.5  # of ranking a pair right by throwing a coin
# Of the table alone: they stay what they are, whatever is predicted.
OF_THE_TABLE = frozenset({"pairwise_noise_ceiling", "pairs", "pairs_significant"})

_NO_PAIRS = PairwiseMetrics(None, None, None, 0, 0)


@dataclass(frozen=True, slots=True)
class TargetMetrics:
    """How well one target was predicted; None where a metric has no meaning.

    Attributes:
        log_loss: Nats per trial; None without a trial.
        deviance_explained: 1 - deviance / that of the overall rate, at most 1; None where all
            observed rates are equal.
        auc: Of a success against a failure, from 0 to 1; None where there is only one kind.
        pairwise_accuracy: Share of the pairs of one group ordered as observed; None without
            a pair, as without groups.
        pairwise_accuracy_significant: The same over pairs with |z| > 1.96.
        pairwise_noise_ceiling: Expected ``pairwise_accuracy`` of the true rates; None without
            a pair, or where every row of a pair has one trial.
        pairs: Pairs of one group with different observed rates; 0 without groups.
        pairs_significant: Those of them with |z| > 1.96.
        calibration_error: In units of the rate, from 0 to 1; None without a trial.
        interval_coverage: Share of rows inside their 90 % interval; None without a
            concentration, or where no row has two trials.
        intervals: Ends of the 90 % interval of each metric of which there are cases enough, by
            name; see `adscore.evaluation.intervals`.
    """

    log_loss: float | None
    deviance_explained: float | None
    auc: float | None
    pairwise_accuracy: float | None
    pairwise_accuracy_significant: float | None
    pairwise_noise_ceiling: float | None
    pairs: int
    pairs_significant: int
    calibration_error: float | None
    interval_coverage: float | None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float | int | None]:
        """The metrics by name, without their intervals."""
        return {name: value for name, value in asdict(self).items() if name != "intervals"}

    def to_dict(self) -> dict[str, float | int | None]:
        """The metrics by their names in JSON; None stands for null, and none is NaN.

        After each metric that has an interval come ``NAME_lower`` and ``NAME_upper``.
        """
        return with_ends(self.values, self.intervals)


def with_ends(
    values: Mapping[str, float | int | None], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, float | int | None]:
    """Metrics by name, each that is no count with the ends of its interval, or None for them."""
    written: dict[str, float | int | None] = {}
    for name, value in values.items():
        written[name] = value
        if name not in OF_THE_TABLE:
            lower, upper = intervals.get(name, (None, None))
            written |= {f"{name}_lower": lower, f"{name}_upper": upper}
    return written


def evaluate_target(
    mean: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    concentration: ArrayLike | None = None,
    group: ArrayLike | None = None,
) -> TargetMetrics:
    """Measures the predictions of one target against what was observed.

    Each metric is defined at the function of its name.

    Args:
        mean: (n,) predicted rate, from 0 to 1.
        successes: (n,) whole numbers from 0 to trials, e.g. clicks, or a 0/1 label.
        trials: (n,) whole numbers from 0, e.g. impressions, or 1; rows of 0 are left out.
        concentration: (n,) above 0, alpha + beta of the predicted beta distribution of the
            rate; infinite for a plain binomial. None: the model states no interval.
        group: (n,) labels, e.g. campaigns; None and NaN inside mean that a row belongs to
            none. None: there are no groups.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = mean, successes, trials
    coverage = None
    if concentration is not None:
        coverage = interval_coverage(mean, concentration, successes, trials)
    inside = _NO_PAIRS if group is None else pairwise_metrics(*rows, group)
    return TargetMetrics(
        log_loss=log_loss(*rows),
        deviance_explained=deviance_explained(*rows),
        auc=auc(*rows),
        pairwise_accuracy=inside.accuracy,
        pairwise_accuracy_significant=inside.accuracy_significant,
        pairwise_noise_ceiling=inside.noise_ceiling,
        pairs=inside.pairs,
        pairs_significant=inside.pairs_significant,
        calibration_error=calibration_error(*rows),
        interval_coverage=coverage,
    )


def log_loss(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float | None:
    """Mean negative log likelihood of a trial under the predicted rate.

    The likelihood is Bernoulli's, of the mean alone: each trial counts once, models with
    and without a concentration compare, and 0/1 labels give the usual cross-entropy.

    Args:
        mean: (n,) predicted rate, from 0 to 1; taken as at least 1e-12 from both ends.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.

    Returns:
        Nats per trial, from 0; None without a trial.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = read_outcomes(mean, successes, trials)
    if not len(rows.trials):
        return None
    rate = np.clip(rows.mean, MIN_RATE, 1 - MIN_RATE)
    failures = rows.trials - rows.successes
    log_likelihood = rows.successes * np.log(rate) + failures * np.log1p(-rate)
    return float(-log_likelihood.sum() / rows.trials.sum())


def deviance_explained(mean: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float | None:
    """Share of the binomial deviance of a constant rate that the prediction removes.

    1 - D(model) / D(constant), the constant being the overall observed rate of these rows,
    so the comparison is with a constant that has seen the answers. With one trial a row this
    is McFadden's R² (1974); in general that of Cameron and Windmeijer (1997).

    Args:
        mean: (n,) predicted rate, from 0 to 1; taken as at least 1e-12 from both ends.
        successes: (n,) whole numbers from 0 to trials.
        trials: (n,) whole numbers from 0; rows of 0 are left out.

    Returns:
        At most 1; 0 is as good as the constant, below 0 is worse. None where all observed
        rates are equal (all 0 or all 1 included): there is nothing to explain.

    Raises:
        ValueError: The arrays differ in length, or hold a value outside its range.
    """
    rows = read_outcomes(mean, successes, trials)
    if not len(rows.trials) or (rows.observed == rows.observed[0]).all():
        return None
    rate = np.clip(rows.mean, MIN_RATE, 1 - MIN_RATE)
    overall = np.full_like(rate, rows.successes.sum() / rows.trials.sum())
    of_model = _half_deviance(rate, rows.observed, rows.trials)
    of_constant = _half_deviance(overall, rows.observed, rows.trials)
    return 1 - of_model / of_constant


def _half_deviance(rate: Floats, observed: Floats, trials: Floats) -> float:
    """Trials times the Kullback-Leibler divergence from observed to predicted, summed."""
    divergence = special.rel_entr(observed, rate) + special.rel_entr(1 - observed, 1 - rate)
    return float((trials * divergence).sum())
