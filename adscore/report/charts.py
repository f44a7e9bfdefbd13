"""The charts of one target."""

from collections.abc import Iterator

import numpy as np

from adscore.evaluation.calibration import reliability_curve
from adscore.evaluation.outcomes import Floats, Ints
from adscore.evaluation.ranking import EvidenceCurve, evidence_curve, lift_curve
from adscore.report.rows import TargetRows
from adscore.report.svg import Axis, Chart, Mark, Plot, number_axis, rate_axis
from adscore.report.words import CHANCE, percent

_SHOWN_INTERVALS = 60  # as many as can be told apart across a chart
_HISTOGRAM_BARS = 24
_LIFT_FROM = 0.05  # the first creatives alone make a jagged line
_LIFT_NOTED = 0.2


def reliability_chart(rows: TargetRows) -> Chart | None:
    """Predicted against observed rate; None without a trial."""
    curve = reliability_curve(rows.mean, rows.successes, rows.trials)
    if curve is None:
        return None
    ends = np.concatenate([curve.predicted, curve.observed])
    low, high = float(ends.min()), float(ends.max())
    plot = Plot(
        rate_axis(low, high, f"Predicted {rows.name}"),
        rate_axis(low, high, f"Observed {rows.name}"),
    )
    line = plot.line([(plot.x_axis.low,) * 2, (plot.x_axis.high,) * 2], "reference")
    points = list(zip(curve.predicted.tolist(), curve.observed.tolist(), strict=True))
    tips = [
        f"{count} creatives, {int(trials):,} {rows.trials_word}: predicted {percent(x)}, "
        f"observed {percent(y)}"
        for (x, y), count, trials in zip(points, curve.rows, curve.trials, strict=True)
    ]
    dots = [plot.dot(x, y, "observed", tip) for (x, y), tip in zip(points, tips, strict=True)]
    worst = max(abs(x - y) for x, y in points)
    summary = f"Reliability in {len(points)} bins; the largest gap is {percent(worst, 2)}"
    return Chart(plot, summary, [line, plot.line(points, "thin observed-line"), *dots])


def evidence_chart(rows: TargetRows) -> Chart | None:
    """Ranking accuracy by strength of evidence; None without a pair."""
    if rows.group is None:
        return None
    curve = evidence_curve(rows.mean, rows.successes, rows.trials, rows.group)
    bins = len(curve.pairs)
    if not bins:
        return None
    lowest = min(float(curve.accuracy.min()), CHANCE)
    ticks = [(place + 0.5, _span(curve, place)) for place in range(bins)]
    plot = Plot(
        Axis(0, bins, ticks, "Strength of evidence |z| between the two"),
        rate_axis(max(0, lowest - 0.02), 1, "Pairs ranked right"),
    )
    chance = plot.line([(0, CHANCE), (bins, CHANCE)], "reference")
    said = ", ".join(
        f"{text}: {percent(accuracy)}"
        for (_, text), accuracy in zip(ticks, curve.accuracy, strict=True)
    )
    marks = [*_evidence_bars(plot, curve), chance]
    return Chart(plot, f"Ranking accuracy by evidence. {said}", marks)


def _evidence_bars(plot: Plot, curve: EvidenceCurve) -> Iterator[Mark]:
    for place, accuracy in enumerate(curve.accuracy.tolist()):
        tip = f"{int(curve.pairs[place]):,} pairs: {percent(accuracy)} ranked right"
        if curve.noise_ceiling is not None:
            tip += f", {percent(float(curve.noise_ceiling[place]))} within reach"
        span = place + 0.16, place + 0.84
        yield plot.bar(span, (CHANCE, accuracy), "model", tip)
        if curve.noise_ceiling is not None:
            ceiling = float(curve.noise_ceiling[place])
            yield plot.line([(place + 0.08, ceiling), (place + 0.92, ceiling)], "ceiling")


def _span(curve: EvidenceCurve, place: int) -> str:
    low, high = float(curve.lower[place]), float(curve.upper[place])
    if np.isinf(high):
        return f"> {low:.2g}"
    return f"{low:.2g}\N{EN DASH}{high:.2g}"


def lift_chart(rows: TargetRows) -> Chart | None:
    """Rate of the best predicted share over the overall rate; None without a success."""
    curve = lift_curve(rows.mean, rows.successes, rows.trials)
    if curve is None:
        return None
    share, lift = curve.trials_share[1:], curve.lift
    kept = share >= _LIFT_FROM - 1e-9
    points = list(zip(share[kept].tolist(), lift[kept].tolist(), strict=True))
    low, high = min(float(lift[kept].min()), 1.0), max(float(lift[kept].max()), 1.1)
    plot = Plot(
        rate_axis(0, 1, f"Best predicted share of the {rows.trials_word}"),
        number_axis(low, high, f"{rows.name} relative to all", unit="\N{MULTIPLICATION SIGN}"),
    )
    noted = float(np.interp(_LIFT_NOTED, share, lift))
    text = f"best {_LIFT_NOTED:.0%}: {noted:.2f}\N{MULTIPLICATION SIGN}"
    marks = [
        plot.area(points, 1.0, "model-area"),
        plot.line([(0, 1), (1, 1)], "reference"),
        plot.line(points, "model-line"),
        plot.dot(_LIFT_NOTED, noted, "model", text),
        plot.note(_LIFT_NOTED + 0.025, noted + 0.04 * (plot.y_axis.high - low), text),
    ]
    return Chart(plot, f"Lift: the {text} the {rows.successes_word} of the average", marks)


def coverage_chart(rows: TargetRows) -> Chart | None:
    """Creatives by prediction, with interval and observed rate; None where no row has two trials.

    Of many creatives every n-th is shown.
    """
    shown = _spread(rows.mean, np.flatnonzero(rows.trials > 1), _SHOWN_INTERVALS)
    if not shown.size:
        return None
    lower, upper = rows.intervals(shown)
    observed = rows.observed[shown]
    high = max(float(np.quantile(upper, 0.98)), float(observed.max()))
    low = min(float(lower.min()), float(observed.min()))
    plot = Plot(
        Axis(-1, len(shown), [], f"{len(shown)} creatives, from lowest to highest prediction"),
        rate_axis(low, high, rows.name),
    )
    upper = np.minimum(upper, plot.y_axis.high)
    inside = (observed >= lower) & (observed <= upper)
    marks = list(_interval_marks(plot, rows, shown, (lower, upper)))
    summary = f"{int(inside.sum())} of {len(shown)} shown creatives lie inside their interval"
    return Chart(plot, summary, marks)


def _spread(mean: Floats, candidates: Ints, most: int) -> Ints:
    """At most ``most`` rows, evenly spaced in order of prediction."""
    ordered = candidates[np.argsort(mean[candidates], kind="stable")]
    if len(ordered) <= most:
        return ordered
    places = np.linspace(0, len(ordered) - 1, most).round().astype(np.int64)
    spread: Ints = ordered[places]
    return spread


def _interval_marks(
    plot: Plot, rows: TargetRows, shown: Ints, ends: tuple[Floats, Floats]
) -> Iterator[Mark]:
    for place, row in enumerate(shown.tolist()):
        low, high = float(ends[0][place]), float(ends[1][place])
        mean, observed = float(rows.mean[row]), float(rows.observed[row])
        tip = f"predicted {percent(mean)} ({percent(low)} to {percent(high)}), "
        tip += f"observed {percent(observed)}"
        yield plot.bar((place - 0.36, place + 0.36), (low, high), "interval", tip)
        yield plot.line([(place - 0.36, mean), (place + 0.36, mean)], "model-line")
        if low <= observed <= high:
            yield plot.dot(place, observed, "observed", tip, radius=2.6)
        else:
            yield plot.diamond(place, observed, "outside", tip, radius=4.2)


def distribution_chart(rows: TargetRows) -> Chart:
    """How many creatives are predicted which rate."""
    low, high = float(rows.mean.min()), float(rows.mean.max())
    overall = rows.overall
    ends = [low, high] if overall is None else [low, high, overall]
    x_axis = rate_axis(min(ends), max(ends), f"Predicted {rows.name}")
    counts, edges = np.histogram(rows.mean, _HISTOGRAM_BARS, (x_axis.low, x_axis.high))
    plot = Plot(x_axis, number_axis(0, int(counts.max()), "Creatives"))
    marks = [
        plot.bar(
            (float(edges[place]), float(edges[place + 1]) - 0.12 * float(edges[1] - edges[0])),
            (0, count),
            "model",
            f"{count} creatives from {percent(edges[place])} to {percent(edges[place + 1])}",
        )
        for place, count in enumerate(counts.tolist())
        if count
    ]
    if overall is not None:
        marks.append(plot.line([(overall, 0), (overall, plot.y_axis.high)], "overall"))
    return Chart(plot, f"Predictions lie between {percent(low)} and {percent(high)}", marks)


def target_charts(rows: TargetRows) -> dict[str, Chart | None]:
    """All charts of a target, by the names that the template gives them."""
    return {
        "reliability": reliability_chart(rows),
        "evidence": evidence_chart(rows),
        "lift": lift_chart(rows),
        "coverage": coverage_chart(rows),
        "distribution": distribution_chart(rows),
    }
