"""The charts of one target."""

from collections.abc import Iterator

import numpy as np

from adscore.evaluation import EvidenceCurve, evidence_curve, lift_curve, reliability_curve
from adscore.evaluation.metrics import CHANCE
from adscore.evaluation.outcomes import Floats, Ints
from adscore.evaluation.ranking import MIN_PAIRS, SIGNIFICANT_Z
from adscore.report.rows import TargetRows
from adscore.report.svg import Axis, Chart, Mark, Plot, number_axis, rate_axis
from adscore.report.words import percent

_EVIDENCE_EDGES = (1.0, SIGNIFICANT_Z, 3.0, 5.0)
_NUMBER_HEIGHT = 0.09  # height of a bar's number, in units of the axis
_SHOWN_INTERVALS = 60  # more would merge in a chart
_HISTOGRAM_BARS = 24
_LIFT_FROM = 0.05  # below, few creatives make a jagged line
_LIFT_NOTED = 0.2
_LIFT_LISTED = (0.1, _LIFT_NOTED, 0.3, 0.5, 0.75)


def target_charts(rows: TargetRows) -> dict[str, Chart]:
    """All charts that the rows allow, by their names in the template."""
    charts = {
        "reliability": reliability_chart(rows),
        "evidence": evidence_chart(rows),
        "lift": lift_chart(rows),
        "coverage": coverage_chart(rows),
        "distribution": distribution_chart(rows),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


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
    dots = [plot.dot(x, y, "observed") for x, y in points]
    worst = max(abs(x - y) for x, y in points)
    return Chart(
        plot,
        f"Reliability in {len(points)} bins; the largest gap is {percent(worst, 2)}",
        [line, plot.line(points, "thin observed-line"), *dots],
        ("Creatives", rows.trials_word.capitalize(), "Predicted", "Observed"),
        [
            (f"{count:,}", f"{int(trials):,}", percent(x), percent(y))
            for (x, y), count, trials in zip(points, curve.rows, curve.trials, strict=True)
        ],
    )


def evidence_chart(rows: TargetRows) -> Chart | None:
    """Ranking accuracy by strength of evidence; None without groups or pairs."""
    if rows.group is None:
        return None
    curve = evidence_curve(
        rows.mean, rows.successes, rows.trials, rows.group, edges=_EVIDENCE_EDGES
    )
    bins = len(curve.pairs)
    if not bins:
        return None
    spans = [_span(curve, place) for place in range(bins)]
    counts = [f"{pairs:,}" for pairs in curve.pairs.tolist()]
    shares = [percent(accuracy) for accuracy in curve.accuracy.tolist()]
    lowest = min(float(curve.accuracy.min()), CHANCE)
    ticks = [
        (place + 0.5, f"{span}\nn {count}")
        for place, (span, count) in enumerate(zip(spans, counts, strict=True))
    ]
    plot = Plot(
        Axis(0, bins, ticks, "Strength of evidence |z|; n: pairs"),
        rate_axis(max(0, lowest - 0.05), 1, "Pairs ranked right"),
    )
    chance = plot.line([(0, CHANCE), (bins, CHANCE)], "reference")
    said = ", ".join(f"{span}: {share}" for span, share in zip(spans, shares, strict=True))
    ceilings = curve.noise_ceiling
    within = [""] * bins if ceilings is None else [percent(c) for c in ceilings.tolist()]
    return Chart(
        plot,
        f"Ranking accuracy by evidence. {said}",
        [*_evidence_bars(plot, curve), chance],
        ("Evidence |z|", "Pairs", "Ranked right", "Within reach"),
        list(zip(spans, counts, shares, within, strict=True)),
    )


def _evidence_bars(plot: Plot, curve: EvidenceCurve) -> Iterator[Mark]:
    for place, accuracy in enumerate(curve.accuracy.tolist()):
        kind = "model" if curve.pairs[place] >= MIN_PAIRS else "few"
        yield plot.bar((place + 0.16, place + 0.84), (CHANCE, accuracy), kind)
        if curve.noise_ceiling is not None:
            ceiling = float(curve.noise_ceiling[place])
            yield plot.line([(place + 0.08, ceiling), (place + 0.92, ceiling)], "ceiling")
        below = 5 if accuracy >= CHANCE else -14
        yield plot.note(
            place + 0.5, _free_of(accuracy, curve, place), f"{accuracy:.0%}", rise=below
        )


def _free_of(accuracy: float, curve: EvidenceCurve, place: int) -> float:
    """Where the number on a bar starts: above the ceiling line if it would cross it."""
    if curve.noise_ceiling is None or accuracy < CHANCE:
        return accuracy
    ceiling = float(curve.noise_ceiling[place])
    return ceiling if accuracy <= ceiling < accuracy + _NUMBER_HEIGHT else accuracy


def _span(curve: EvidenceCurve, place: int) -> str:
    low, high = float(curve.lower[place]), float(curve.upper[place])
    if np.isinf(high):
        return f"> {low:.2g}"
    return f"{low:.2g}\N{EN DASH}{high:.2g}"


def lift_chart(rows: TargetRows) -> Chart | None:
    """Rate of the best predicted share relative to the overall rate; None without successes."""
    curve = lift_curve(rows.mean, rows.successes, rows.trials)
    if curve is None:
        return None
    share, lift = curve.trials_share[1:], curve.lift
    kept = share >= _LIFT_FROM - 1e-9
    points = list(zip(share[kept].tolist(), lift[kept].tolist(), strict=True))
    low, high = min(float(lift[kept].min()), 1.0), max(float(lift[kept].max()), 1.1)
    plot = Plot(
        rate_axis(0, 1, "Best predicted share"),
        number_axis(low, high, f"{rows.name} relative to all", unit="\N{MULTIPLICATION SIGN}"),
    )
    listed = {part: float(np.interp(part, share, lift)) for part in _LIFT_LISTED}
    noted = listed[_LIFT_NOTED]
    text = f"best {_LIFT_NOTED:.0%}: {noted:.2f}\N{MULTIPLICATION SIGN}"
    marks = [
        plot.area(points, 1.0, "model-area"),
        plot.line([(0, 1), (1, 1)], "reference"),
        plot.line(points, "model-line"),
        plot.dot(_LIFT_NOTED, noted, "model"),
        plot.note(_LIFT_NOTED + 0.03, noted, text, rise=8, anchor="start"),
    ]
    return Chart(
        plot,
        f"Lift: the {text} the {rows.successes_word} of the average",
        marks,
        ("Best predicted", "Rate, relative to all"),
        [(f"{part:.0%}", f"{value:.2f}\N{MULTIPLICATION SIGN}") for part, value in listed.items()],
    )


def coverage_chart(rows: TargetRows) -> Chart | None:
    """Predictions with interval and observed rate; None if no row has two trials.

    Shows an even selection if there are many creatives.
    """
    shown = _spread(rows.mean, np.flatnonzero(rows.trials > 1), _SHOWN_INTERVALS)
    if not shown.size:
        return None
    lower, upper = rows.intervals(shown)
    observed = rows.observed[shown]
    high = max(float(np.quantile(upper, 0.98)), float(observed.max()))
    low = min(float(lower.min()), float(observed.min()))
    plot = Plot(
        Axis(-1, len(shown), [], f"{len(shown)} creatives, by prediction"),
        rate_axis(low, high, rows.name),
    )
    inside = (observed >= lower) & (observed <= upper)
    cells = zip(rows.mean[shown], lower, upper, observed, strict=True)
    return Chart(
        plot,
        f"{int(inside.sum())} of {len(shown)} shown creatives lie inside their interval",
        list(_interval_marks(plot, rows, shown, (lower, np.minimum(upper, plot.y_axis.high)))),
        ("Predicted", "90% interval", "Observed"),
        [
            (percent(mean), f"{percent(low)} to {percent(high)}", percent(rate))
            for mean, low, high, rate in cells
        ],
    )


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
        yield plot.bar((place - 0.36, place + 0.36), (low, high), "interval")
        yield plot.line([(place - 0.36, mean), (place + 0.36, mean)], "model-line")
        if low <= observed <= high:
            yield plot.dot(place, observed, "observed", radius=2.6)
        else:
            yield plot.diamond(place, observed, "outside", radius=4.2)


def distribution_chart(rows: TargetRows) -> Chart:
    """Histogram of predicted rates; if the target is a label, separately for creatives with a 1."""
    low, high = float(rows.mean.min()), float(rows.mean.max())
    overall = rows.overall if rows.trials_column else None
    ends = [low, high] if overall is None else [low, high, overall]
    x_axis = rate_axis(min(ends), max(ends), f"Predicted {rows.name}")
    counts, edges = np.histogram(rows.mean, _HISTOGRAM_BARS, (x_axis.low, x_axis.high))
    is_one = (rows.successes > 0) & (rows.trials_column is None)
    ones, _ = np.histogram(rows.mean[is_one], edges)
    plot = Plot(x_axis, number_axis(0, int(counts.max()), "Creatives"))
    marks = []
    cells = []
    for place, (count, one) in enumerate(zip(counts.tolist(), ones.tolist(), strict=True)):
        if not count:
            continue
        left, right = float(edges[place]), float(edges[place + 1])
        span = left, right - 0.12 * (right - left)
        marks.append(plot.bar(span, (one, count), "model"))
        if one:
            marks.append(plot.bar(span, (0, one), "observed"))
        cells.append((f"{percent(left)} to {percent(right)}", f"{count:,}", f"{one:,}"))
    if overall is not None:
        marks.append(plot.line([(overall, 0), (overall, plot.y_axis.high)], "overall"))
    columns = ("Predicted", "Creatives", f"{rows.successes_word} is 1")
    shown = 3 if rows.trials_column is None else 2
    return Chart(
        plot,
        f"Predictions lie between {percent(low)} and {percent(high)}",
        marks,
        columns[:shown],
        [row[:shown] for row in cells],
    )
