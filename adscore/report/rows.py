"""Predictions and observations of one target, row by row, for the evaluation report."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adscore.creative import INTERVAL_LEVEL, MIN_RATE, Target
from adscore.evaluation.calibration import beta_binomial_below_and_at, perfect_calibration_error
from adscore.evaluation.metrics import TargetMetrics
from adscore.evaluation.outcomes import MAX_CONCENTRATION, Floats, Ints
from adscore.evaluation.table import Evaluation
from adscore.table import CreativeTable


@dataclass(frozen=True, slots=True)
class TargetRows:
    """One target of an evaluation; arrays have one value per row.

    Attributes:
        name: Name of the target.
        successes_column: Column of the successes, e.g. ``"clicks"``, or of the label.
        trials_column: Column of the trials, e.g. ``"impressions"``; None for a label.
        metrics: Metrics of the target.
        numbers: Row numbers in the table, from 0.
        mean: Predicted rate, from 0 to 1.
        concentration: alpha + beta of the predicted beta distribution.
        successes: Observed successes.
        trials: Observed trials, at least 0.
        group: Group number of each row; None without groups.
    """

    name: str
    successes_column: str
    trials_column: str | None
    metrics: TargetMetrics
    numbers: Ints
    mean: Floats
    concentration: Floats
    successes: Floats
    trials: Floats
    group: NDArray[np.object_] | None

    @property
    def columns(self) -> str:
        """The columns of the counts: ``SUCCESSES/TRIALS`` or ``LABEL``."""
        trials = self.trials_column
        return self.successes_column if trials is None else f"{self.successes_column}/{trials}"

    @property
    def trials_word(self) -> str:
        """Word for the trials: the column's name, or "creatives" if the target is a label."""
        return (self.trials_column or "creatives").replace("_", " ")

    @property
    def successes_word(self) -> str:
        """Word for the successes: the column's name."""
        return self.successes_column.replace("_", " ")

    @property
    def has_intervals(self) -> bool:
        """Whether any row has more than one trial, so that its rate can have an interval."""
        return bool((self.trials > 1).any())

    @property
    def observed(self) -> Floats:
        """Observed rate; NaN without trials."""
        with np.errstate(invalid="ignore"):
            rate: Floats = self.successes / self.trials
        return rate

    @property
    def overall(self) -> float | None:
        """Observed rate of all rows together; None without trials."""
        total = self.trials.sum()
        return float(self.successes.sum() / total) if total else None

    @property
    def perfect_calibration_error(self) -> float | None:
        """The calibration error that exactly right predictions would have."""
        return perfect_calibration_error(self.mean, self.trials, concentration=self.concentration)

    @property
    def surprise(self) -> Floats:
        """Distance of observed from predicted rate, in predicted standard deviations.

        0 without trials. The deviation is that of a beta-binomial with the row's trials.
        """
        trials = np.maximum(self.trials, 1)
        rate = np.clip(self.mean, MIN_RATE, 1 - MIN_RATE)
        spread = 1 + (trials - 1) / (self.concentration + 1)
        deviation = np.sqrt(rate * (1 - rate) * spread / trials)
        distance: Floats = np.nan_to_num(np.abs(self.observed - self.mean)) / deviation
        return distance

    def intervals(self, places: Ints) -> tuple[Floats, Floats]:
        """Ends of the central 90 % predictive interval of the observed rate of some rows.

        Args:
            places: Indices into the arrays; each row needs a trial.

        Returns:
            Lower and upper ends, each a whole number of successes over the trials.
        """
        tail = (1 - INTERVAL_LEVEL) / 2
        return self._quantile(places, tail), self._quantile(places, 1 - tail)

    def _quantile(self, places: Ints, level: float) -> Floats:
        """Smallest rate k / trials with P(K <= k) >= level, by bisection on k."""
        trials = self.trials[places]
        rate = np.clip(self.mean[places], MIN_RATE, 1 - MIN_RATE)
        spread = np.minimum(self.concentration[places], MAX_CONCENTRATION)
        low, high = np.zeros_like(trials), trials.copy()
        while (low < high).any():
            middle = np.floor((low + high) / 2)
            below, at = beta_binomial_below_and_at(
                middle, trials, rate * spread, (1 - rate) * spread
            )
            enough = below + at >= level
            low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
            low = np.minimum(low, high)
        return high / trials


def target_rows(
    evaluation: Evaluation, table: CreativeTable, model_targets: tuple[str, ...], name: str
) -> TargetRows:
    """Extracts one target from an evaluation.

    Args:
        evaluation: The evaluation.
        table: The evaluated table.
        model_targets: Targets of the model, in the order of its predictions.
        name: Name of the target.
    """
    numbers, column = evaluation.row_numbers, model_targets.index(name)
    target = Target.parse(f"{name}={table.target_columns[name]}")
    groups = table.groups
    return TargetRows(
        name=name,
        successes_column=target.successes,
        trials_column=target.trials,
        metrics=evaluation.targets[name],
        numbers=numbers,
        mean=evaluation.predictions.mean[:, column],
        concentration=evaluation.predictions.concentration[:, column],
        successes=table.successes[name][numbers].astype(np.float64),
        trials=table.trials[name][numbers].astype(np.float64),
        group=None if groups is None else np.array(groups, dtype=object)[numbers],
    )
