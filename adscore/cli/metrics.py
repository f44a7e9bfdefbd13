"""How the commands print metrics."""

from collections.abc import Mapping

from rich.table import Table

from adscore.console import results
from adscore.evaluation.bootstrap import Estimate
from adscore.evaluation.metrics import CHANCE, OF_THE_TABLE
from adscore.evaluation.ranking import MIN_PAIRS

Metrics = Mapping[str, float | int | None]


def print_metrics(
    title: str, metrics: Mapping[str, Metrics], rankings: Mapping[str, Estimate] | None = None
) -> None:
    """Prints a column of metrics for each target, then in words how well each ranks.

    Args:
        title: Of the table.
        metrics: By target.
        rankings: By target, the pairwise accuracy with its interval, where that is known.
    """
    if not metrics:
        return
    grid = Table(title=title, title_justify="left")
    grid.add_column("metric")
    for name in metrics:
        grid.add_column(name, justify="right")
    for metric in next(iter(metrics.values()), {}):
        values = [row[metric] for row in metrics.values()]
        grid.add_row(metric, *("-" if value is None else f"{value:.5g}" for value in values))
    results().print(grid)
    for name, row in metrics.items():
        if text := _ranking(row, (rankings or {}).get(name)):
            results().print(f"{name}: {text}")


def print_agreement(title: str, metrics: Metrics) -> None:
    """Prints how well headlines find their images; nothing where there are no metrics."""
    if all(value is None for value in metrics.values()):
        return
    grid = Table(title=f"agreement, {title}", title_justify="left")
    grid.add_column("metric")
    grid.add_column("headline to image", justify="right")
    for name, value in metrics.items():
        grid.add_row(name, "-" if value is None else f"{value:.5g}")
    results().print(grid)


def print_ablation(
    part: str, given: Mapping[str, Metrics], exchanged: Mapping[str, Metrics]
) -> None:
    """Prints the metrics with one part of every creative another's, and what that changes."""
    grid = Table(title=f"with the {part} of another creative", title_justify="left")
    grid.add_column("metric")
    for name in given:
        grid.add_column(name, justify="right")
        grid.add_column("change", justify="right")
    for metric in next(iter(given.values()), {}):
        if metric not in OF_THE_TABLE:
            pairs = [(row[metric], exchanged[name][metric]) for name, row in given.items()]
            grid.add_row(metric, *(cell for pair in pairs for cell in _change(*pair)))
    results().print(grid)


def _change(before: float | None, after: float | None) -> tuple[str, str]:
    if before is None or after is None:
        return "-", "-"
    return f"{after:.5g}", f"{after - before:+.2g}"


def _ranking(metrics: Metrics, estimate: Estimate | None) -> str:
    """How well a target is ranked, with its interval; or that there are too few pairs to say."""
    reached, reachable = metrics["pairwise_accuracy"], metrics["pairwise_noise_ceiling"]
    pairs = metrics["pairs"]
    if reached is None or pairs is None:
        return ""
    count = f"{pairs:,} pair{'s' * (pairs != 1)} inside a group"
    if pairs < MIN_PAIRS or (estimate is not None and estimate.lower is None):
        return f"{count}: too few to say how well it ranks."
    sure = ""
    if estimate is not None and estimate.lower is not None and estimate.upper is not None:
        sure = f" (90% interval {estimate.lower:.1%} to {estimate.upper:.1%})"
    text = f"ranks {reached:.1%}{sure} of {count} right. Chance would rank {CHANCE:.0%}"
    if reachable is None or reachable <= CHANCE:
        return f"{text}."
    share = (reached - CHANCE) / (reachable - CHANCE)
    far = f": {share:.0%} of the way" if share > 0 else ""
    return f"{text}, the true rates about {reachable:.1%}{far}."
