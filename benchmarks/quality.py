"""How well does adscore rank, beside its baseline and scikit-learn? See docs/quality.md.

    make bench ONLY=quality ARGS="--data DIR --encoders DIR"

Each cell of the table (task, column, seed) is appended to a file when it is done, and is not run
again while it is there: a run that was stopped goes on where it was.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from adscore.errors import AdscoreError
from comparison.bench import Bench, Settings
from comparison.results import (
    COLUMNS,
    Cell,
    append_cell,
    differences,
    notes,
    read_cells,
    table_rows,
)
from comparison.tasks import SAMPLE, TASKS
from shared.encoders import add_encoder_names, encoder_choices
from shared.table import format_table

RESULTS = Path("build/quality.jsonl")
DATA_VARIABLE = "ADSCORE_DATA"
NO_DATA = f"skipped: it needs tables of your own: --data DIR, or {DATA_VARIABLE}=DIR"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cells that are missing and prints the table; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.data is None and not options.table_only and options.task != [SAMPLE]:
        print(NO_DATA)
        return 0
    failed = 0 if options.table_only else _run_missing(options)
    cells = read_cells(options.results)
    if cells:
        print(format_table(table_rows(cells), markdown=options.markdown))
        print()
        print(format_table(differences(cells), markdown=options.markdown))
        print("", *notes(cells), sep="\n")
    else:
        print(f"no cell is done: {options.results}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compares adscore with its baseline and a peer.")
    data = os.environ.get(DATA_VARIABLE)
    add = parser.add_argument
    add("--data", type=Path, default=Path(data) if data else None, help="folder of the tables")
    add("--encoders", type=Path, help="folder of the encoders; by default beside that of the data")
    add_encoder_names(parser)
    add("--markdown", action="store_true", help="print the table for a document")
    add("--max-rows", type=int, help="first rows only: to try the script, not for figures")
    add("--task", nargs="+", choices=TASKS, default=[name for name in TASKS if name != SAMPLE])
    add("--column", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--results", type=Path, default=RESULTS, help="file of finished cells (%(default)s)")
    add("--table-only", action="store_true", help="run nothing")
    add("--max-epochs", type=int, help="passes at most: the same")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    folder = options.encoders or (options.data or Path()).resolve().parent / "encoders"
    encoders = encoder_choices(options, folder)
    return Settings(
        options.data, **encoders, max_rows=options.max_rows, max_epochs=options.max_epochs
    )


def _run_missing(options: argparse.Namespace) -> int:
    """Runs the cells that are not done; returns how many broke."""
    settings = _settings(options)
    # A shortened run stands for no other.
    cells = read_cells(options.results)
    done = {cell.key for cell in cells if cell.shortened == settings.shortened}
    failed = 0
    for name in options.task:
        wanted = [(column, seed) for column in options.column for seed in options.seeds]
        missing = [cell for cell in wanted if (name, *cell) not in done]
        if not missing:
            continue
        with tempfile.TemporaryDirectory(prefix="quality-") as folder:
            bench = Bench(TASKS[name], settings, Path(folder))
            for column, seed in missing:
                failed += not _run_cell(bench, name, column, seed, settings, options.results)
    return failed


def _run_cell(
    bench: Bench, task: str, column: str, seed: int, settings: Settings, results: Path
) -> bool:
    """Runs one cell and appends it; returns False where it broke."""
    where = f"{task}, {COLUMNS[column]}, seed {seed}"
    print(f"{where} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        figures = bench.run(column, seed)
    except AdscoreError as error:  # a network that cannot learn this task says so
        cause = str(error).partition("\n")[0]
        print(f"{where}: skipped: {cause}", flush=True)
        return True
    except Exception:  # hours of other cells may follow
        print(f"{where}: failed", flush=True)
        traceback.print_exc()
        return False
    seconds = round(time.monotonic() - started, 1)
    append_cell(results, Cell(task, column, seed, figures, seconds, settings.shortened))
    return True


if __name__ == "__main__":
    sys.exit(main())
