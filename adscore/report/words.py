"""Formats numbers for readers, and the words for what they measure."""

import math

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
_NO_CHANGE = 1e-9  # rounding differences of sums
_MIN_SHOWN = 1e-6  # digits of smaller rates mean nothing
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


def group_word(column: str | None) -> str:
    """The word for the groups of a column: ``campaign`` for ``campaign_id``."""
    return (column or "group").removesuffix("_id").replace("_", " ")


def points(share: float) -> str:
    """A difference of shares in percentage points, signed: 0.031 is ``+3.1``."""
    text = f"{100 * share:+.1f}"
    return text.replace("-", "\N{MINUS SIGN}")


def odds(effect: float) -> str:
    """An effect in logits as the factor of the odds: 0.0953 is ``1.10``."""
    return f"\N{MULTIPLICATION SIGN}{math.exp(effect):.2f}"


def percent(share: float, digits: int = 3) -> str:
    """A share in per cent with three significant digits: 0.0123 is ``1.23%``."""
    if not share:
        return "0%"
    if abs(share) < _MIN_SHOWN:
        return f"<{100 * _MIN_SHOWN:.4f}%"
    decimals = digits - 1 - math.floor(math.log10(abs(100 * share)))
    return f"{100 * share:.{max(decimals, 0)}f}%"


def whole_percent(share: float) -> str:
    """A share in whole per cent; only 0 and 1 themselves are shown as 0% and 100%."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def chance(share: float) -> str:
    """A chance in whole per cent; never shown as certain."""
    return whole_percent(min(max(share, 1e-9), 1 - 1e-9))


def metric_text(value: float | int | None, name: str) -> str:
    """A metric as text; a dash if it is undefined."""
    if value is None:
        return "\N{EN DASH}"
    if name in _SHARES:
        return percent(value)
    if name == "median_rank":
        return f"{value:,g}"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
    return text.replace("-", "\N{MINUS SIGN}")


def change_text(values: tuple[float | int | None, float | int | None], name: str) -> str:
    """Signed change of a metric; shares in percentage points."""
    before, after = values
    if before is None or after is None:
        return "\N{EN DASH}"
    change = after - before
    if abs(change) < _NO_CHANGE:
        change = 0
    sign = "+" if change > 0 else "\N{MINUS SIGN}" if change < 0 else ""
    if name in _SHARES:
        return f"{sign}{percent(abs(change), 2).removesuffix('%')} points"
    return f"{sign}{abs(change):,}" if isinstance(change, int) else f"{sign}{abs(change):.4f}"


def share_below(percentile: float) -> str:
    """A percentile in whole per cent; below 100 it is shown as at most 99."""
    return f"{percentile if percentile == 100 else min(percentile, 99):.0f}"
