"""Which fusion of headline, image and context ranks best, and by which loss? See docs/quality.md.

    make bench ONLY=fusion ARGS="--data DIR --encoders DIR"

Heads on frozen features, fitted to the fitting rows of every seed's split and judged on its
validation rows; no test row is looked at.
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from adscore.training.additive import AdditiveOptions
from adscore.training.representation import Encoders
from comparison.heads import Rig, build_rig
from comparison.options import NO_DATA, data_parser, encoder_folders
from comparison.results import format_table
from comparison.tasks import RANKED, TASKS, Figure, prepare
from comparison.variants import VARIANTS, Variant

REFERENCE = "additive"
FIGURES = {
    "banners": (Figure(RANKED, "significant pairs"),),
    "posts": (Figure("auc", "AUC"), Figure("log_loss", "log loss")),
    "upworthy": (Figure(RANKED, "significant pairs"),),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every variant on every task and prints a table each; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.data is None:
        print(NO_DATA)
        return 0
    for task in options.task:
        lines = _lines(_rigs(options, task), options.variant, FIGURES[task])
        header = [task, *(text for figure in FIGURES[task] for text in (figure.title, "change"))]
        print(format_table([header, *lines], markdown=options.markdown), flush=True)
        print()
    seeds = ", ".join(map(str, options.seeds))
    print(f"Mean ± standard deviation over seeds {seeds}, on validation groups; change: against")
    print(f"{VARIANTS[REFERENCE].title} on the same groups.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = data_parser("Compares fusions of headline, image and context.")
    add = parser.add_argument
    add("--task", nargs="+", choices=FIGURES, default=["banners", "posts"])
    add("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    return parser


def _rigs(options: argparse.Namespace, name: str) -> list[Rig]:
    """One for each seed."""
    task = TASKS[name]
    text, image = encoder_folders(options)
    encoders = Encoders.open(text, image if task.columns.image else None)
    with tempfile.TemporaryDirectory(prefix="fusion-") as scratch:
        prepared = prepare(task, options.data, Path(scratch), options.max_rows)
        return [build_rig(prepared, encoders, seed) for seed in options.seeds]


def _lines(rigs: Sequence[Rig], names: Sequence[str], figures: Sequence[Figure]) -> list[list[str]]:
    """A line for each variant that has what it needs: its title, and two cells a figure."""
    reference = _measured(VARIANTS[REFERENCE], rigs)
    lines = []
    for variant in (VARIANTS[name] for name in names):
        if any(not variant.needs <= rig.offers for rig in rigs):
            continue
        print(f"{variant.title} ...", file=sys.stderr, flush=True)
        found = reference if variant is VARIANTS[REFERENCE] else _measured(variant, rigs)
        cells = [variant.title]
        for figure in figures:
            values, before = ([cell[figure.key] for cell in run] for run in (found, reference))
            changes = [value - old for value, old in zip(values, before, strict=True)]
            cells += [_over_seeds(values, ""), _over_seeds(changes, "+") if any(changes) else ""]
        lines.append(cells)
    return lines


def _measured(variant: Variant, rigs: Sequence[Rig]) -> list[dict[str, float]]:
    """Figures on the validation rows of each seed; NaN for what has no meaning there."""
    changed = replace(AdditiveOptions(), **variant.options)
    return [
        {name: math.nan if value is None else value for name, value in figures.items()}
        for figures in (rig.judge(variant.head, changed) for rig in rigs)
    ]


def _over_seeds(values: Sequence[float], sign: str) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):{sign}.3f}{spread}"


if __name__ == "__main__":
    sys.exit(main())
