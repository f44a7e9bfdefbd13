"""Finished cells in a file, a JSON line each, and the table that is printed from it."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scipy.stats import t

from comparison.figures import Figures
from comparison.tasks import TASKS, Figure, Task

# In the order of the table.
COLUMNS = {
    "baseline": "baseline",
    "default": "no encoder",
    "encoders": "with encoders",
    "sklearn": "scikit-learn",
    "counted": "scikit-learn, no encoder",
}
# Which column has what a column may not be worse than.
PEERS = {"encoders": "sklearn", "default": "counted"}
NOTES = {
    "rows": "test rows",
    "new_rows": "of them of a new headline",
    "pairs_significant": "significant pairs",
    "pairs_significant_same_headline": "of them show one headline twice",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One task, column and seed, done.

    Attributes:
        task: Name of the task.
        column: Key of the column.
        seed: Of the split and of the training.
        figures: On the test rows, by name.
        seconds: What it took, encoders included where nothing was cached.
        shortened: What made it a trial run, by option; empty for one that counts.
    """

    task: str
    column: str
    seed: int
    figures: Figures
    seconds: float
    shortened: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What identifies it."""
        return self.task, self.column, self.seed


def append_cell(path: Path, cell: Cell) -> None:
    """Adds a cell to the file in one write, so that several runs may share it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(cell)) + "\n")


def read_cells(path: Path) -> list[Cell]:
    """The cells of a file, none twice: the last one counts; none where there is no file.

    Raises:
        ValueError: A line is not a cell.
    """
    if not path.exists():
        return []
    cells = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            cell = Cell(**json.loads(line))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path}, line {number}: expected a cell. Received: {error}"
            ) from error
        cells[cell.key] = cell
    return list(cells.values())


# === The table ===


def table_rows(cells: Sequence[Cell]) -> list[list[str]]:
    """Header and lines of the table, for the tasks and columns that have a cell."""
    columns = _columns(cells)
    header = ["task", "figure", *columns.values(), "noise ceiling", "aim"]
    found = {cell.task for cell in cells}
    lines = [
        _line(task, figure, [cell for cell in cells if cell.task == task.name], columns)
        for task in TASKS.values()
        if task.name in found
        for figure in task.figures
    ]
    return [header, *lines]


def _columns(cells: Iterable[Cell]) -> dict[str, str]:
    found = {cell.column for cell in cells}
    return {column: title for column, title in COLUMNS.items() if column in found}


def _line(task: Task, figure: Figure, cells: Sequence[Cell], columns: Iterable[str]) -> list[str]:
    values = [
        _over_seeds([cell for cell in cells if cell.column == column], figure.key)
        for column in columns
    ]
    ceiling = ""
    if figure.ceiling is not None:
        # It depends on the rows, not on the model: one cell of each seed tells it.
        ceiling = _over_seeds(list({cell.seed: cell for cell in cells}.values()), figure.ceiling)
    return [task.name, figure.title, *values, ceiling, figure.aim]


def _over_seeds(cells: Iterable[Cell], key: str) -> str:
    found = [cell.figures.get(key) for cell in cells]
    values = [value for value in found if value is not None]
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def differences(cells: Sequence[Cell]) -> list[list[str]]:
    """Header and lines of a table: by how much adscore ranks better than scikit-learn.

    Both are of the same rows, seed by seed; the 90 % interval is Student's over the seeds.
    """
    lines = [["task", "figure", *(f"{COLUMNS[a]} - {COLUMNS[b]}" for a, b in PEERS.items())]]
    for task in TASKS.values():
        own = [cell for cell in cells if cell.task == task.name]
        figures = [figure for figure in task.figures if figure.aim.startswith(">=")]
        if own and figures:
            found = [_difference(own, pair, figures[0].key) for pair in PEERS.items()]
            lines.append([task.name, figures[0].title, *found])
    return lines


def _difference(cells: Sequence[Cell], columns: tuple[str, str], key: str) -> str:
    ours, theirs = (
        {c.seed: c.figures.get(key) for c in cells if c.column == column} for column in columns
    )
    pairs = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    values = [a - b for a, b in pairs if a is not None and b is not None]
    if len(values) < 2:
        return f"{values[0]:+.3f} (one seed)" if values else "-"
    middle = statistics.fmean(values)
    half = t.ppf(0.95, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{middle:+.3f} ({middle - half:+.3f} to {middle + half:+.3f})"


def notes(cells: Sequence[Cell]) -> list[str]:
    """What must be known to read the table."""
    lines = [
        "Mean ± standard deviation over seeds, on groups that nothing was fitted or chosen on."
    ]
    for name in TASKS:
        own = [cell for cell in cells if cell.task == name]
        if not own:
            continue
        by_seed = {cell.seed: cell.figures for cell in own}
        counts = [
            f"{', '.join(str(by_seed[seed][key]) for seed in sorted(by_seed))} {text}"
            for key, text in NOTES.items()
            if all(figures.get(key) for figures in by_seed.values())
        ]
        seeds = ", ".join(map(str, sorted(by_seed)))
        lines.append(f"{name}: seeds {seeds}; {'; '.join(counts)}.")
        lines += [f"  {line}" for line in _incomplete(own, by_seed, _columns(cells))]
    if any(cell.shortened for cell in cells):
        lines.append("Some cells come from shortened runs: these figures say nothing.")
    return lines


def _incomplete(
    cells: Sequence[Cell], seeds: Iterable[int], columns: Mapping[str, str]
) -> list[str]:
    lines = []
    for column, title in columns.items():
        missing = sorted(set(seeds) - {cell.seed for cell in cells if cell.column == column})
        if missing:
            lines.append(f"{title}: not run with seed {', '.join(map(str, missing))}")
    return lines
