"""What is learned from which table, and which figures count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from adscore.creative import InputLimits
from adscore.sample import write_sample
from adscore.scoring.text import normalise
from adscore.table import Columns, CreativeTable, Target, open_stream, read_table

SAMPLE = "sample"
SAMPLE_CREATIVES = 900
ROWS_AT_ONCE = 4_096
# Of the groups: what is kept aside from every column, and what the peer chooses its penalties on.
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        key: Its name among the figures of a cell.
        title: What the table calls it.
        aim: What is to be reached, as it is printed.
        ceiling: Name of the figure that says what the noise allows; None where there is none.
    """

    key: str
    title: str
    aim: str = ""
    ceiling: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A table and what to learn from it.

    Attributes:
        name: What `--task` calls it.
        file: The table, inside the folder of the data.
        columns: Which column holds what; its groups are never split.
        target: The rate or label; None: headlines and images are aligned.
        figures: Lines of the printed table.
        pairs_within: Columns beside the group that two rows must share to be compared.
        keep: Which rows are used, by their cells.
        spaced: Whether spaces part the words of its headlines.
    """

    name: str
    file: str
    columns: Columns
    target: str | None
    figures: tuple[Figure, ...]
    pairs_within: tuple[str, ...] = ()
    keep: Callable[[Mapping[str, Any]], bool] = lambda _: True
    spaced: bool = True


# === The tasks ===


RANKED = "pairs_ranked_right"
SPEARMAN = "spearman"
CEILING = "pairs_ceiling"
DIFFERENT = "pairs_of_different_headlines_ranked_right"
OF_RATES = (
    Figure("calibration_error_relative", "calibration error / mean rate", "<= 0.1"),
    Figure("calibration_error_perfect_relative", "... of a perfect model (simulated)"),
    Figure("interval_coverage", "90 % intervals that hold", "0.90"),
)
# Weeks in which the archive's authors doubt that readers were assigned at random.
DOUBTFUL_WEEKS = (201326, 201402)


def _is_randomised(row: Mapping[str, Any]) -> bool:
    first, last = DOUBTFUL_WEEKS
    return not first <= row["test_week"] <= last


def _has_text(row: Mapping[str, Any]) -> bool:
    return bool(row["text"].strip())


UPWORTHY = Task(
    "upworthy",
    "upworthy/packages.parquet",
    Columns(id=None, image=None, group="clickability_test_id"),
    "ctr=clicks/impressions",
    (
        Figure(RANKED, "significant pairs ranked right", ceiling=CEILING),
        Figure(DIFFERENT, "... of different headlines", ">= 0.745"),
        Figure(f"new_{DIFFERENT}", "... of different headlines new to the model"),
    ),
    # Another image stands beside another eyecatcher, and the archive does not hold images.
    pairs_within=("eyecatcher_id",),
    keep=_is_randomised,
)
BANNERS = Task(
    "banners",
    "banners/creatives.csv",
    Columns(image="asset_file", context=("format", "vertical", "language")),
    "ctr=first_7d_clicks/first_7d_impressions",
    (Figure(RANKED, "significant pairs ranked right", ">= 0.82", CEILING), *OF_RATES),
)
POSTS = Task(
    "posts",
    "posts/posts.csv",
    Columns(id=None, headline="text", group=None),
    "positive=positive",
    (
        Figure("auc", "AUC", ">= 0.86"),
        Figure("new_auc", "... of texts new to the model"),
        Figure("calibration_error", "calibration error", "<= 0.02"),
        Figure("calibration_error_perfect", "... of a perfect model (simulated)"),
    ),
    keep=_has_text,
)
PRODUCTS = Task(
    "products",
    "products/products.csv",
    Columns(id=None, headline="product_name", group="product_name"),
    None,
    (
        Figure("recall_at_10", "name finds its photo in the first 10", ">= 0.88"),
        Figure("recall_at_1", "... as the first"),
    ),
)
TITLES = Task(
    "titles_zh",
    "titles_zh/titles.csv",
    Columns(id="title_id", headline="title", image=None, group=None),
    "comment_rate=comments/views",
    (
        Figure(SPEARMAN, "rank correlation of the rate", ">= 0.40"),
        Figure("interval_coverage", "90 % intervals that hold", "0.90"),
    ),
    spaced=False,
)
SIMULATED = Task(
    SAMPLE,
    "sample/creatives.csv",
    Columns(),
    "ctr=clicks/impressions",
    (Figure(RANKED, "significant pairs ranked right", ceiling=CEILING), *OF_RATES),
)

TASKS = {task.name: task for task in (UPWORTHY, BANNERS, POSTS, PRODUCTS, TITLES, SIMULATED)}


# === Reading them ===


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows of a task, read.

    Attributes:
        table: All rows that are used.
        headlines: Normalised headlines, one for each row.
        pair_groups: What rows are compared within, (rows,) text; None without groups.
    """

    table: CreativeTable
    headlines: Sequence[str]
    pair_groups: NDArray[np.object_] | None

    @property
    def groups(self) -> NDArray[np.int64]:
        """Group of each row, (rows,), numbered from 0 in the order of training."""
        names = np.array(self.table.group_names, dtype=object)
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    @property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Successes and trials of the one target, (rows,) each."""
        (successes,), (trials,) = self.table.successes.values(), self.table.trials.values()
        return successes, trials


def prepare(task: Task, data: Path, folder: Path, max_rows: int | None = None) -> Prepared:
    """Reads the rows of a task, by way of a table of its own that holds no others.

    Args:
        task: What is learned.
        data: Folder of the data.
        folder: Where that table is written.
        max_rows: Use the first rows only: for trying the script, not for figures.

    Raises:
        TableError: The data are not what the task expects.
    """
    source = data / task.file
    rows = pa.Table.from_batches(open_stream(source).batches(ROWS_AT_ONCE))
    kept = [bool(task.keep(row)) for row in rows.to_pylist()]
    rows = rows.filter(pa.array(kept, pa.bool_())).slice(0, max_rows)
    path = folder / f"{task.name}.parquet"
    pyarrow.parquet.write_table(rows, path)
    targets = [] if task.target is None else [Target.parse(task.target)]
    table = read_table(path, task.columns, targets, source.parent)
    headlines = [normalise(text, InputLimits()) for text in table.headlines]
    return Prepared(table, headlines, _pair_groups(task, rows))


def draw_sample(folder: Path, max_rows: int | None = None) -> None:
    """Simulates a campaign log in a folder of data."""
    creatives = min(SAMPLE_CREATIVES, max_rows or SAMPLE_CREATIVES)
    write_sample(folder / SAMPLE, creatives=creatives, campaigns=max(3, creatives // 10))


def _pair_groups(task: Task, rows: pa.Table) -> NDArray[np.object_] | None:
    if task.columns.group is None:
        return None
    columns = [rows.column(name).to_pylist() for name in (task.columns.group, *task.pairs_within)]
    names = [" / ".join(map(str, cells)) for cells in zip(*columns, strict=True)]
    return np.array(names, dtype=object)
