"""All figures of one target, under the names they have in JSON."""

from dataclasses import asdict, dataclass

from numpy.typing import ArrayLike

from adscore.evaluation.calibration import calibration_error
from adscore.evaluation.coverage import interval_coverage
from adscore.evaluation.log_loss import deviance_explained, log_loss
from adscore.evaluation.pairs import PairwiseMetrics, pairwise_metrics
from adscore.evaluation.ranking import auc

_NO_PAIRS = PairwiseMetrics(None, None, None, 0, 0)


@dataclass(frozen=True, slots=True)
class TargetMetrics:
    """How well one target was predicted; None where a figure has no meaning.

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

    def to_dict(self) -> dict[str, float | int | None]:
        """The figures by their names in JSON; None stands for null, and none is NaN."""
        return asdict(self)


def evaluate_target(
    mean: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    concentration: ArrayLike | None = None,
    group: ArrayLike | None = None,
) -> TargetMetrics:
    """Measures the predictions of one target against what was observed.

    Each figure is defined at the function of its name.

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
