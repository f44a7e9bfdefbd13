"""How the commands print metrics."""

from collections.abc import Mapping

from rich.table import Table

from adscore.console import results
from adscore.evaluation.metrics import CHANCE, OF_THE_TABLE
from adscore.evaluation.ranking import MIN_PAIRS

Metrics = Mapping[str, float | int | None]

# The count of cases behind each metric.
_CASES = {
    "pairwise_accuracy": "pairs",
    "pairwise_accuracy_significant": "pairs_significant",
}


def print_metrics(title: str, metrics: Mapping[str, Metrics]) -> None:
    """Prints a column of metrics for each target, then a sentence on how well each ranks.

    Args:
        title: Title of the table.
        metrics: By target, with interval bounds where known.
    """
    if not metrics:
        return
    grid = Table(title=title, title_justify="left")
    grid.add_column("metric (90% interval)")
    for name in metrics:
        grid.add_column(name, justify="right")
    for metric in _values(next(iter(metrics.values()))):
        grid.add_row(metric, *(_cell(row, metric) for row in metrics.values()))
    results().print(grid)
    for name, row in metrics.items():
        if text := _ranking(row):
            results().print(f"{name}: {text}")


def print_agreement(title: str, metrics: Metrics) -> None:
    """Prints how well headlines find their images; nothing without metrics."""
    if all(value is None for value in metrics.values()):
        return
    grid = Table(title=f"agreement, {title}", title_justify="left")
    grid.add_column("metric (90% interval)")
    grid.add_column("headline to image", justify="right")
    for name in _values(metrics):
        grid.add_row(name, _cell(metrics, name))
    results().print(grid)


def _values(metrics: Metrics) -> list[str]:
    """Names of the metrics, without the interval bounds."""
    return [name for name in metrics if not name.endswith(("_lower", "_upper"))]


def _cell(metrics: Metrics, name: str) -> str:
    """A metric with its interval, or a remark that it has too few cases."""
    value = metrics.get(name)
    if value is None:
        return "-"
    lower, upper = metrics.get(f"{name}_lower"), metrics.get(f"{name}_upper")
    if lower is not None and upper is not None:
        return f"{value:.5g} ({lower:.4g} to {upper:.4g})"
    cases = metrics.get(_CASES.get(name, ""))
    few = f" ({count_of(cases, 'pair')})" if cases is not None else ""
    return f"{value:.5g}{few}"


def count_of(count: float, word: str) -> str:
    """A count with its word: ``1 pair``, ``2,000 pairs``."""
    return f"{count:,} {word}{'s' * (count != 1)}"


def print_ablation(
    part: str, given: Mapping[str, Metrics], exchanged: Mapping[str, Metrics]
) -> None:
    """Prints the metrics when one part comes from other rows, and the change from the original."""
    grid = Table(title=f"with the {part} of another creative", title_justify="left")
    grid.add_column("metric")
    for name in given:
        grid.add_column(name, justify="right")
        grid.add_column("change", justify="right")
    for metric in _values(next(iter(given.values()), {})):
        if metric not in OF_THE_TABLE:
            pairs = [(row[metric], exchanged[name][metric]) for name, row in given.items()]
            grid.add_row(metric, *(cell for pair in pairs for cell in _change(*pair)))
    results().print(grid)


def _change(before: float | None, after: float | None) -> tuple[str, str]:
    if before is None or after is None:
        return "-", "-"
    return f"{after:.5g}", f"{after - before:+.2g}"


def _ranking(metrics: Metrics) -> str:
    """How well a target is ranked, with its interval, or that there are too few pairs to say."""
    reached, reachable = metrics["pairwise_accuracy"], metrics["pairwise_noise_ceiling"]
    pairs = metrics["pairs"]
    if reached is None or pairs is None:
        return ""
    count = f"{count_of(pairs, 'pair')} inside a group"
    lower, upper = (metrics.get(f"pairwise_accuracy_{end}") for end in ("lower", "upper"))
    if pairs < MIN_PAIRS or (lower is None and "pairwise_accuracy_lower" in metrics):
        return f"{count}: too few to say how well it ranks."
    sure = ""
    if lower is not None and upper is not None:
        sure = f" (90% interval {lower:.1%} to {upper:.1%})"
    text = f"ranks {reached:.1%}{sure} of {count} right. Chance would rank {CHANCE:.0%}"
    if reachable is None or reachable <= CHANCE:
        return f"{text}."
    share = (reached - CHANCE) / (reachable - CHANCE)
    far = f": {share:.0%} of the way" if share > 0 else ""
    return f"{text}, the true rates about {reachable:.1%}{far}."
