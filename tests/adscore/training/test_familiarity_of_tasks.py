"""Real tables against each other: a model's own creatives are familiar, those of others are not.

With -s the test prints the table of docs/warnings.md.
"""

import dataclasses
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from adscore.table import Columns, CreativeTable, read_table
from adscore.training.encoders.published import Encoders
from adscore.training.familiarity import fit_familiarity
from adscore.training.inputs import read_inputs
from adscore.training.presets import DEFAULT
from adscore.training.problem import Problem, load_training_data
from adscore.training.split import split_groups
from adscore.training.towers import build_towers

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[4] / "shared" / "data"))
ENCODERS = DATA.parent / "encoders"
ROWS, FOREIGN_ROWS = 4_000, 400

TASKS = {
    "banners": ("banners/creatives.csv", Columns(image="asset_file")),
    "posts": ("posts/posts.csv", Columns(id="post_id", headline="text", group=None)),
    "products": (
        "products/products.csv",
        Columns(id="product_id", headline="product_name", group="product_name"),
    ),
    "titles_zh": (
        "titles_zh/titles.csv",
        Columns(id="title_id", headline="title", image=None, group="creator"),
    ),
    "upworthy": (
        "upworthy/packages.parquet",
        Columns(id=None, image=None, group="clickability_test_id"),
    ),
}
# Posts are of everything, in many tongues: little is foreign to them. From nothing but tokens,
# English headlines look alike.
LEAST = {
    "encoders": {"banners": 0.98, "products": 0.98, "titles_zh": 0.95, "upworthy": 0.4},
    "scratch": {"banners": 0.98, "products": 0.4},
}

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "banners").is_dir() or not ENCODERS.is_dir(),
        reason="ADSCORE_DATA names no folder with banners, and encoders beside it",
    ),
]


@pytest.fixture(scope="module")
def tables() -> dict[str, CreativeTable]:
    return {name: read_task(name) for name in TASKS}


@pytest.mark.parametrize("kind", LEAST)
@pytest.mark.parametrize("task", TASKS)
def test_a_hundredth_of_held_out_rows_and_nearly_all_of_other_tasks_are_unfamiliar(
    tables: dict[str, CreativeTable], task: str, kind: str
) -> None:
    others = sorted(TASKS.keys() - {task})
    problem, foreign = as_problem(tables[task], [tables[name] for name in others], kind)
    inputs = read_inputs(problem)
    models, limits = fit_familiarity(problem, inputs, build_towers(problem, inputs))

    def unfamiliar(rows: np.ndarray) -> float:
        far = np.zeros(len(problem.data), dtype=bool)
        for name, model in models.items():
            there = problem.data.rows_with(name, rows)
            for start in range(0, len(there), 256):
                some = there[start : start + 256]
                distance = np.asarray(model(inputs.read_by(model, some)))
                far[some] |= distance[:, 0] > limits[name]
        return float(far[rows].mean())

    held_out = unfamiliar(problem.split.test)
    shares = {name: unfamiliar(rows) for name, rows in zip(others, foreign, strict=True)}
    row = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
    sys.stdout.write(f"\n{kind}, {task}: held out {held_out:.3f}; {row}\n")
    assert held_out <= 0.04
    assert min(shares.values()) >= LEAST[kind].get(task, 0)


def read_task(name: str) -> CreativeTable:
    """The first rows of a task that have a headline, its images by absolute paths."""
    file, columns = TASKS[name]
    folder = (DATA / file).parent
    table = read_table(str(DATA / file), columns, [], str(folder))
    images = [str(folder / str(path)) if path else "" for path in table.images]
    rows = [row for row, text in enumerate(table.headlines) if text.strip()]
    return taken(dataclasses.replace(table, images=images), np.array(rows[:ROWS]))


def taken(table: CreativeTable, rows: np.ndarray) -> CreativeTable:
    return dataclasses.replace(
        table,
        ids=[table.ids[row] for row in rows],
        headlines=[table.headlines[row] for row in rows],
        images=[table.images[row] for row in rows],
        groups=[table.group_names[row] for row in rows],
    )


def as_problem(
    own: CreativeTable, others: Sequence[CreativeTable], kind: str
) -> tuple[Problem, list[np.ndarray]]:
    """A problem whose split leaves out the rows of others, which stand behind its own."""
    rng = np.random.default_rng(1)
    foreign = [
        taken(table, rng.choice(len(table), min(FOREIGN_ROWS, len(table)), replace=False))
        for table in others
    ]
    reads_images = any(own.images)
    whole = dataclasses.replace(
        own,
        ids=[str(n) for n in range(sum(map(len, (own, *foreign))))],
        headlines=[text for table in (own, *foreign) for text in table.headlines],
        images=[path if reads_images else "" for table in (own, *foreign) for path in table.images],
        groups=[f"{n} {name}" for n, t in enumerate((own, *foreign)) for name in t.group_names],
    )
    folders = [str(ENCODERS / name) for name in ("minilm-l6", "mobilenet-v2")]
    encoders = Encoders.open(*(folders if kind == "encoders" else (None, None)))
    preset = encoders.adapt(DEFAULT)
    data = load_training_data(whole, preset, encoders.image)
    groups = np.unique(data.groups[: len(own)], return_inverse=True)[1]
    split = split_groups(groups, test=0.2, validation=0.15, seed=0)
    ends = np.cumsum([len(own), *map(len, foreign)])
    parts = [np.arange(start, end) for start, end in itertools.pairwise(ends.tolist())]
    return Problem(data, split, preset, encoders.only(data.modalities), 0, align=False), parts
