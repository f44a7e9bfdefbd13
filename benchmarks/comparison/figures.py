"""Predictions beside what was observed -> the figures of a cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from adscore.evaluation import (
    AgreementMetrics,
    evaluate_target,
    evidence_curve,
    perfect_calibration_error,
)
from adscore.evaluation.ranking import SIGNIFICANT_Z
from comparison.tasks import CEILING, DIFFERENT, RANKED, SPEARMAN, Prepared

if TYPE_CHECKING:  # the table alone does not need TensorFlow
    from adscore.training.split import Split

OF_NEW_HEADLINES = ("rows", "auc", RANKED, DIFFERENT, SPEARMAN)

Figures = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Rates:
    """What a model predicts for some rows.

    Attributes:
        rows: Which rows of the table, (n,) int64.
        mean: Rates from 0 to 1, (n,).
        concentration: Of each rate's beta distribution, (n,); None: no interval is stated.
    """

    rows: NDArray[np.int64]
    mean: NDArray[np.float64]
    concentration: NDArray[np.float64] | None = None


def of_test(prepared: Prepared, rates: Rates, split: "Split") -> Figures:
    """Figures of a rate or label on test rows, and again on those of a headline new to the model.

    A headline may come again in another group: a test that was repeated, a text that was
    passed on. Whoever remembers it has an easy task.
    """
    headlines = np.array(prepared.headlines, dtype=object)
    known = np.isin(headlines, headlines[np.concatenate([split.fitting, split.validation])])
    new = ~known[rates.rows]
    spread = None if rates.concentration is None else rates.concentration[new]
    again = of_rates(prepared, Rates(rates.rows[new], rates.mean[new], spread))
    named = {f"new_{name}": value for name, value in again.items() if name in OF_NEW_HEADLINES}
    return of_rates(prepared, rates) | named


def of_rates(prepared: Prepared, rates: Rates) -> Figures:
    """Figures of a rate or label, by name; None where one has no meaning."""
    successes, trials = (counts[rates.rows] for counts in prepared.counts)
    observed = rates.mean, successes, trials
    group = None if prepared.pair_groups is None else prepared.pair_groups[rates.rows]
    metrics = evaluate_target(*observed, concentration=rates.concentration, group=group)
    mean_rate = successes.sum() / max(1, trials.sum())
    error = metrics.calibration_error
    perfect = None
    if (
        rates.concentration is not None or trials.max(initial=0) <= 1
    ):  # else their spread is not known
        perfect = perfect_calibration_error(rates.mean, trials, concentration=rates.concentration)
    figures: Figures = {
        "rows": len(rates.rows),
        "auc": metrics.auc,
        "log_loss": metrics.log_loss,
        "calibration_error": error,
        "calibration_error_perfect": perfect,
        "calibration_error_relative": _relative(error, mean_rate),
        "calibration_error_perfect_relative": _relative(perfect, mean_rate),
        "interval_coverage": metrics.interval_coverage,
    }
    if group is None:
        if trials.max(initial=0) > 1:
            observed_rates = successes / np.maximum(trials, 1)
            figures[SPEARMAN] = float(spearmanr(rates.mean, observed_rates).statistic)
        return figures
    figures |= {
        RANKED: metrics.pairwise_accuracy_significant,
        CEILING: _ceiling_of_significant_pairs(*observed, group),
        "pairs_significant": metrics.pairs_significant,
    }
    if any(prepared.table.images):
        return figures
    headlines = np.array(prepared.headlines, dtype=object)[rates.rows]
    return figures | _of_different_headlines(observed, group, headlines)


def _relative(error: float | None, mean_rate: float) -> float | None:
    return None if error is None or not mean_rate else float(error / mean_rate)


def of_agreement(metrics: AgreementMetrics, rows: int) -> Figures:
    """Figures of headline-image agreement, by name."""
    return {"rows": rows, **metrics.values}


def _ceiling_of_significant_pairs(
    mean: NDArray[np.float64],
    successes: NDArray[np.int64],
    trials: NDArray[np.int64],
    group: NDArray[np.object_],
) -> float | None:
    """Share of the significant pairs that the true rates would rank right, as far as known."""
    curve = evidence_curve(mean, successes, trials, group, edges=(SIGNIFICANT_Z,))
    last = np.flatnonzero(curve.lower == SIGNIFICANT_Z)
    if curve.noise_ceiling is None or not last.size:
        return None
    return float(curve.noise_ceiling[last[0]])


def _of_different_headlines(
    observed: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
    group: NDArray[np.object_],
    headlines: NDArray[np.object_],
) -> Figures:
    """Accuracy on the significant pairs without those that show one headline twice.

    Whoever reads headlines alone cannot rank these; that so many are significant is chance,
    or something that the table does not tell.
    """
    same_group = np.array([f"{g} / {h}" for g, h in zip(group, headlines, strict=True)], object)
    every, same = (evaluate_target(*observed, group=labels) for labels in (group, same_group))
    pairs = every.pairs_significant - same.pairs_significant
    right = _count_right(every.pairwise_accuracy_significant, every.pairs_significant)
    right -= _count_right(same.pairwise_accuracy_significant, same.pairs_significant)
    return {
        DIFFERENT: right / pairs if pairs else None,
        "pairs_significant_same_headline": same.pairs_significant,
    }


def _count_right(accuracy: float | None, pairs: int) -> float:
    return 0.0 if accuracy is None else accuracy * pairs
