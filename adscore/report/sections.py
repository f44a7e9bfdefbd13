"""The parts of the page that belong to one target."""

from collections.abc import Mapping
from dataclasses import dataclass

from adscore.report import charts
from adscore.report.markup import Markup, element, join
from adscore.report.rows import TargetRows
from adscore.report.words import (
    FIGURES,
    UNMOVED,
    change_text,
    figure_text,
    percent,
)

_ABLATION = (
    "Each part in turn is taken from another creative at random. What gets worse is what that "
    "part told the model."
)

Figures = Mapping[str, float | int | None]


@dataclass(frozen=True, slots=True)
class _Tile:
    """One number that comes first."""

    title: str
    figure: str
    hint: str


def tiles(rows: TargetRows) -> Markup:
    """The figures that a reader looks for first, large."""
    figures: Figures = rows.figures.to_dict()
    ceiling = figure_text("pairwise_noise_ceiling", figures["pairwise_noise_ceiling"])
    shown = [
        _Tile("Pairs ranked right", "pairwise_accuracy", f"chance 50%, within reach {ceiling}"),
        _Tile(
            "Clear pairs ranked right",
            "pairwise_accuracy_significant",
            "of creatives that surely differ",
        ),
        _Tile("Calibration error", "calibration_error", _calibration_hint(rows)),
        _Tile("Interval coverage", "interval_coverage", "should be near 90%"),
    ]
    if rows.figures.pairwise_accuracy is None:
        shown[:2] = [_Tile("AUC", "auc", "a success above a failure; chance 50%")]
    return element("div", *(_tile(tile, figures) for tile in shown), class_="tiles")


def _calibration_hint(rows: TargetRows) -> str:
    perfect = rows.perfect_calibration_error
    if rows.overall is None or perfect is None:
        return "mean gap"
    return (
        f"mean gap, where the mean rate is {percent(rows.overall)}; a perfect model would show "
        f"about {percent(perfect, 2)} on these rows (simulated)"
    )


def agreement_tiles(figures: Figures) -> Markup:
    """The figures of headline-image agreement, large."""
    shown = [
        _Tile("Best image first", "recall_at_1", "headlines whose own image fits best of all"),
        _Tile("Among the ten best", "recall_at_10", "headlines whose own image is one of ten"),
        _Tile("Median rank", "median_rank", "of a headline\N{RIGHT SINGLE QUOTATION MARK}s image"),
        _Tile("AUC", "auc", "its own image above another; chance 50%"),
    ]
    return element("div", *(_tile(tile, figures) for tile in shown), class_="tiles")


def _tile(tile: _Tile, figures: Figures) -> Markup:
    value = _data(tile.figure, figures[tile.figure])
    return element(
        "div",
        element("p", tile.title, class_="lead"),
        element("p", value, class_="value"),
        element("p", tile.hint, class_="hint"),
        class_="tile",
    )


def chart_grid(rows: TargetRows, group_word: str) -> Markup:
    """All charts of a target, each with how to read it, and the table of figures."""
    panels = [
        _reliability(rows),
        _evidence(rows, group_word),
        _lift(rows),
        _coverage(rows),
        _distribution(rows),
        element("div", figures_table(rows), class_="panel scroll", style="margin:0"),
    ]
    return element("div", *panels, class_="charts")


def _reliability(rows: TargetRows) -> Markup:
    legend = [("dot bg-observed", "creatives of like prediction"), ("dash", "exactly as predicted")]
    text = "Dots above the dashed line did better than predicted, dots below it worse."
    missing = "Nothing was counted."
    return _figure(
        "Do predicted rates come true?", charts.reliability_chart(rows), legend, text, missing
    )


def _evidence(rows: TargetRows, group_word: str) -> Markup:
    legend = [
        ("box bg-model", "the model"),
        ("rule bg-ceiling", "within reach: the true rates"),
        ("dash", "chance"),
    ]
    text = (
        f"Pairs of creatives of one {group_word}, by how sure it is that they differ. On the left "
        "nobody could tell them apart; on the right the better one is plain."
    )
    missing = f"No two creatives of one {group_word} with different results to compare."
    chart = charts.evidence_chart(rows)
    return _figure("How often is the better one picked?", chart, legend, text, missing)


def _lift(rows: TargetRows) -> Markup:
    legend = [("rule bg-model", "best predicted first"), ("dash", "in any order")]
    text = (
        "The observed rate of the best predicted share, relative to that of all. The higher on "
        "the left, the more there is to gain."
    )
    missing = "There was no success to gain."
    return _figure(
        "What is gained by picking the best?", charts.lift_chart(rows), legend, text, missing
    )


def _coverage(rows: TargetRows) -> Markup:
    legend = [
        ("box bg-band", "90% interval"),
        ("rule bg-model", "predicted"),
        ("dot bg-observed", "observed inside"),
        ("diamond bg-outside", "observed outside"),
    ]
    text = "Of ten creatives, nine should lie inside the interval that was predicted for them."
    missing = "One trial a creative: an interval has nothing to hold."
    return _figure("Do the intervals hold?", charts.coverage_chart(rows), legend, text, missing)


def _distribution(rows: TargetRows) -> Markup:
    legend = [("box bg-model", "creatives"), ("dash", "observed mean rate")]
    text = "A narrow hill says that the model sees little difference between the creatives."
    chart = charts.distribution_chart(rows)
    return _figure("How far apart are the predictions?", chart, legend, text, "")


def _figure(
    title: str, chart: Markup | None, legend: list[tuple[str, str]], text: str, missing: str
) -> Markup:
    if chart is None:
        empty = element("p", missing, class_="missing")
        return element("figure", element("h3", title), empty)
    keys = [
        element("span", element("span", class_=f"key {class_}"), words) for class_, words in legend
    ]
    return element(
        "figure",
        element("h3", title),
        element("div", *keys, class_="legend"),
        chart,
        element("figcaption", text),
    )


def figures_table(rows: TargetRows) -> Markup:
    """All figures of a target, by the words and the exact values of the JSON."""
    lines = [
        element(
            "tr",
            element("th", FIGURES[name][0], element("small", FIGURES[name][1]), scope="row"),
            element("td", _data(name, value)),
        )
        for name, value in rows.figures.to_dict().items()
    ]
    return element("table", element("caption", "All figures"), element("tbody", *lines))


def ablation_table(rows: TargetRows, ablations: Mapping[str, Figures]) -> Markup:
    """What is lost when a part of each creative is another's."""
    titles = [
        "Figure",
        "As given",
        *(f"Another\N{RIGHT SINGLE QUOTATION MARK}s {part}" for part in ablations),
    ]
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    lines = [
        element(
            "tr",
            element("th", FIGURES[name][0], scope="row"),
            element("td", figure_text(name, value)),
            *(_ablated(name, value, figures[name]) for figures in ablations.values()),
        )
        for name, value in rows.figures.to_dict().items()
        if name not in UNMOVED
    ]
    table = element("table", element("thead", head), element("tbody", *lines))
    return element(
        "div",
        element("h3", "What each part contributes"),
        element("p", _ABLATION, class_="lead"),
        element("div", table, class_="scroll"),
        class_="panel",
    )


def _ablated(name: str, before: float | int | None, after: float | int | None) -> Markup:
    change = None if before is None or after is None else after - before
    return element("td", figure_text(name, after), element("small", change_text(name, change)))


def _data(name: str, value: float | int | None) -> Markup:
    """A figure, with its exact value for machines."""
    if value is None:
        return join(figure_text(name, value))
    return element("data", figure_text(name, value), value=repr(value), class_=name)
