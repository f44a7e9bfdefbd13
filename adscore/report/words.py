"""Numbers and findings in plain words."""

import math

from adscore.report.rows import TargetRows

CHANCE = 0.5  # of ranking a pair right by throwing a coin
# A 90 % interval that covers between these does what it says; 90 +- 3 %.
COVERAGE_AS_STATED = (0.87, 0.93)
# A predicted rate is called close when it is off by less than this share of the mean rate.
CLOSE_CALIBRATION = 0.1
FAR_CALIBRATION = 0.5  # and far off by more than this

METRICS = {
    "log_loss": ("Log loss", "nats per trial; lower is better"),
    "deviance_explained": ("Deviance explained", "1 is perfect, 0 is the overall rate for all"),
    "auc": ("AUC", "a success predicted above a failure; chance is 50%"),
    "pairwise_accuracy": ("Pairs ranked right", "inside a group; chance is 50%"),
    "pairwise_accuracy_significant": ("Clear pairs ranked right", "those with |z| above 1.96"),
    "pairwise_noise_ceiling": ("Noise ceiling", "pairs that the true rates would rank right"),
    "pairs": ("Pairs", "two creatives of one group with different rates"),
    "pairs_significant": ("Clear pairs", "those with |z| above 1.96"),
    "calibration_error": ("Calibration error", "mean gap of predicted and observed rate"),
    "interval_coverage": ("Interval coverage", "observed rates inside their 90% interval"),
    "recall_at_1": ("Best image first", "headlines whose own image fits best"),
    "recall_at_10": ("Among the ten best", "headlines whose own image is one of ten"),
    "median_rank": ("Median rank", "place of a headline's own image; 1 is best"),
}
# Of the table alone: they stay what they are, whatever is predicted.
OF_THE_TABLE = frozenset({"pairwise_noise_ceiling", "pairs", "pairs_significant"})
_SHARES = frozenset(
    {
        "auc",
        "pairwise_accuracy",
        "pairwise_accuracy_significant",
        "pairwise_noise_ceiling",
        "interval_coverage",
        "calibration_error",
        "recall_at_1",
        "recall_at_10",
    }
)


def percent(share: float, digits: int = 3) -> str:
    """A share in per cent with three significant digits: 0.0123 is ``1.23%``."""
    if not share:
        return "0%"
    decimals = digits - 1 - math.floor(math.log10(abs(100 * share)))
    return f"{100 * share:.{max(decimals, 0)}f}%"


def metric_text(value: float | int | None, name: str) -> str:
    """A metric as a person reads it; a dash where it has no meaning."""
    if value is None:
        return "\N{EN DASH}"
    if name in _SHARES:
        return percent(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
    return text.replace("-", "\N{MINUS SIGN}")


def change_text(values: tuple[float | int | None, float | int | None], name: str) -> str:
    """From one value of a metric to another, signed; shares in percentage points."""
    before, after = values
    if before is None or after is None:
        return "\N{EN DASH}"
    change = after - before
    sign = "+" if change > 0 else "\N{MINUS SIGN}" if change < 0 else ""
    if name in _SHARES:
        return f"{sign}{percent(abs(change), 2).removesuffix('%')} points"
    return f"{sign}{abs(change):,}" if isinstance(change, int) else f"{sign}{abs(change):.4f}"


def summary(rows: TargetRows, group_word: str) -> str:
    """Two sentences: how well the target is ranked, and how far its rates can be trusted."""
    return f"{_ranking(rows, group_word)} {_calibration(rows)}"


def calibration_hint(rows: TargetRows) -> str:
    """What to compare the calibration error with."""
    perfect = rows.perfect_calibration_error
    if rows.overall is None or perfect is None:
        return "mean gap"
    return (
        f"mean gap, where the mean rate is {percent(rows.overall)}; a perfect model would show "
        f"about {percent(perfect, 2)} on these rows (simulated)"
    )


def _ranking(rows: TargetRows, group_word: str) -> str:
    metrics = rows.metrics
    reached, ceiling = metrics.pairwise_accuracy, metrics.pairwise_noise_ceiling
    if reached is None:
        return _ranking_without_pairs(rows)
    start = f"Of two creatives of one {group_word}, the model picks the better one "
    start += f"{percent(reached)} of the time; a coin would pick it {CHANCE:.0%}"
    if ceiling is None or ceiling <= CHANCE:
        return f"{start}."
    share = (reached - CHANCE) / (ceiling - CHANCE)
    far = f": {share:.0%} of the way from guessing to knowing" if share > 0 else ""
    return f"{start}, and knowing the true rates about {percent(ceiling)}{far}."


def _ranking_without_pairs(rows: TargetRows) -> str:
    none = "There are no groups to compare creatives within"
    if rows.metrics.auc is None:
        return f"{none}, and results of one kind only, so how well it ranks cannot be told."
    return (
        f"{none}; over all rows, a success was predicted above a failure "
        f"{percent(rows.metrics.auc)} of the time, where chance is {CHANCE:.0%}."
    )


def _calibration(rows: TargetRows) -> str:
    error, overall = rows.metrics.calibration_error, rows.overall
    if error is None or overall is None:
        return "Nothing was counted, so its rates cannot be checked."
    relative = error / overall if overall else float("inf")
    close, far = relative <= CLOSE_CALIBRATION, relative > FAR_CALIBRATION
    verdict = "close to" if close else "far from" if far else "some way from"
    part = f", {relative:.0%} of the mean rate of {percent(overall)}" if overall else ""
    points = percent(error, 2).removesuffix("%")
    return (
        f"Its predicted rates are {verdict} what happened, off by {points} percentage points on "
        f"average{part}{_coverage(rows.metrics.interval_coverage)}."
    )


def _coverage(coverage: float | None) -> str:
    if coverage is None:
        return ""
    low, high = COVERAGE_AS_STATED
    verdict = "too narrow" if coverage < low else "wider than need be" if coverage > high else ""
    held = f"its 90% intervals hold {percent(coverage)} of the observed rates"
    return f"; {held}: {verdict}" if verdict else f"; {held}, as they should"
