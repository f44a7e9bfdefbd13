"""benchmarks/quality.py: on the simulated log, on a small table in an archive's form, by itself."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import quality
from adscore.training.split import Split, split_groups
from comparison import tasks
from comparison.features import colours
from comparison.figures import Rates, of_rates, of_test
from comparison.peer import Embeddings, run_peer
from comparison.results import Cell, append_cell, differences, notes, read_cells, table_rows
from comparison.tasks import (
    BANNERS,
    DIFFERENT,
    POSTS,
    PRODUCTS,
    RANKED,
    SIMULATED,
    UPWORTHY,
    Prepared,
    prepare,
)

SHORT = ("--task", "sample", "--max-rows", "60", "--max-epochs", "1", "--seeds", "0")


# === The command ===


@pytest.mark.slow
def test_finished_cells_are_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    results = tmp_path / "cells.jsonl"
    arguments = [*SHORT, "--column", "baseline", "default", "--results", str(results)]
    assert quality.main(arguments) == 0
    once = results.read_text()
    keys = [cell.key for cell in read_cells(results)]
    assert keys == [("sample", "baseline", 0), ("sample", "default", 0)]
    assert "significant pairs ranked right" in capsys.readouterr().out
    assert quality.main(arguments) == 0
    assert results.read_text() == once


def test_shortened_cell_does_not_stand_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(tasks, "SAMPLE_CREATIVES", 60)
    results = tmp_path / "cells.jsonl"
    append_cell(results, Cell("sample", "default", 0, {RANKED: 0.1}, 1.0, {"max_rows": 60}))
    monkeypatch.setattr(quality.Bench, "run", lambda self, column, seed: {RANKED: 0.9})
    shared = ["--task", "sample", "--column", "default", "--seeds", "0", "--results", str(results)]
    assert quality.main(shared) == 0
    assert [cell.figures for cell in read_cells(results)] == [{RANKED: 0.9}]
    assert "shortened" not in capsys.readouterr().out


def test_broken_cell_fails_the_run_but_not_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def run(self: quality.Bench, column: str, seed: int) -> dict[str, float]:
        if column == "baseline":
            raise RuntimeError("no")
        return {RANKED: 0.5}

    monkeypatch.setattr(quality.Bench, "run", run)
    results = tmp_path / "cells.jsonl"
    arguments = [*SHORT, "--column", "baseline", "default", "--results", str(results)]
    assert quality.main(arguments) == 1
    assert [cell.column for cell in read_cells(results)] == ["default"]
    assert "baseline, seed 0: failed" in capsys.readouterr().out


def test_without_data_it_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("ADSCORE_DATA", raising=False)
    assert quality.main(["--results", str(tmp_path / "cells.jsonl")]) == 0
    assert "--data DIR" in capsys.readouterr().out


# === The table ===


def test_table_shows_mean_and_spread_over_seeds():
    cells = [
        Cell("banners", "default", seed, {RANKED: value, "rows": 10}, 1.0)
        for seed, value in enumerate((0.6, 0.7, 0.8))
    ]
    cells.append(Cell("posts", "encoders", 0, {"auc": 0.9, "rows": 10}, 1.0))
    header, *lines = table_rows(cells)
    banners = dict(zip(header, next(line for line in lines if line[0] == "banners"), strict=True))
    assert banners["no encoder"] == "0.700 ± 0.100"
    assert banners["with encoders"] == "-"
    assert "baseline" not in banners
    assert any("with encoders: not run with seed 0, 1, 2" in note for note in notes(cells))


def test_line_that_is_no_cell_is_named(tmp_path: Path):
    path = tmp_path / "cells.jsonl"
    path.write_text(json.dumps({"task": "banners"}) + "\n")
    with pytest.raises(ValueError, match="line 1: expected a cell"):
        read_cells(path)


# === Tasks and figures ===


def archive(tmp_path: Path) -> Prepared:
    """Two tests that count, with one headline shown twice, and one of a doubtful week."""
    rows = [
        # test, headline, eyecatcher, impressions, clicks, week
        ("t1", "A calm plan", "e1", 1000, 10, 201401 + 50),
        ("t1", "A calm plan", "e1", 1000, 60, 201401 + 50),
        ("t1", "A loud plan", "e1", 1000, 100, 201401 + 50),
        ("t1", "A loud plan", "e2", 1000, 10, 201401 + 50),
        ("t2", "Another one", "e3", 1000, 20, 201320),
        ("t3", "Never counted", "e4", 1000, 20, 201330),
    ]
    names = ("clickability_test_id", "headline", "eyecatcher_id", "impressions", "clicks")
    table = pa.table(dict(zip((*names, "test_week"), zip(*rows, strict=True), strict=True)))
    (tmp_path / "upworthy").mkdir()
    pyarrow.parquet.write_table(table, tmp_path / UPWORTHY.file)
    return prepare(UPWORTHY, tmp_path, tmp_path)


def test_doubtful_weeks_are_left_out_and_pairs_share_an_eyecatcher(tmp_path: Path):
    prepared = archive(tmp_path)
    assert len(prepared.table) == 5
    assert prepared.table.groups == ["t1", "t1", "t1", "t1", "t2"]
    assert list(prepared.pair_groups) == ["t1 / e1"] * 3 + ["t1 / e2", "t2 / e3"]


def test_one_headline_twice_is_no_pair_of_different_headlines(tmp_path: Path):
    prepared = archive(tmp_path)
    mean = np.array([0.01, 0.01, 0.05, 0.02, 0.02])
    figures = of_rates(prepared, Rates(np.arange(5), mean))
    assert figures["pairs_significant"] == 3
    assert figures["pairs_significant_same_headline"] == 1
    assert figures[RANKED] == pytest.approx(2.5 / 3)  # the tie counts half
    assert figures[DIFFERENT] == 1


def test_figures_of_new_headlines_leave_out_known_ones(tmp_path: Path):
    prepared = archive(tmp_path)
    rows = np.array([0, 1, 2])
    nothing = np.array([], dtype=np.int64)
    rates = Rates(rows, np.array([0.01, 0.01, 0.05]))
    knows_the_loud_one = Split(np.array([3]), nothing, rows)
    figures = of_test(prepared, rates, knows_the_loud_one)
    assert (figures["rows"], figures["new_rows"]) == (3, 2)
    assert figures[f"new_{DIFFERENT}"] is None


@pytest.mark.parametrize("task", [UPWORTHY, BANNERS, POSTS, PRODUCTS])
def test_every_task_has_an_aim_of_the_design(task):
    assert any(figure.aim.startswith(">= 0.") for figure in task.figures)


# === The peer ===


@pytest.fixture(scope="module")
def simulated(sample_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("peer")
    (folder / "sample").symlink_to(sample_dir)
    return prepare(SIMULATED, folder, folder)


def halves(prepared: Prepared) -> Split:
    return split_groups(prepared.groups, test=0.3, validation=0.3, seed=0)


def test_peer_finds_what_an_embedding_tells_of_the_rate(simulated: Prepared):
    successes, trials = simulated.counts
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(trials), 3))
    telling = np.column_stack([np.log((successes + 0.5) / trials), noise]).astype(np.float32)
    split = halves(simulated)
    figures = run_peer(SIMULATED, simulated, Embeddings(telling, None), split)
    assert figures["rows"] == len(split.test)
    assert figures[RANKED] > 0.9
    assert figures["interval_coverage"] is None


def test_peer_finds_the_image_that_a_text_leads_to(simulated: Prepared):
    rng = np.random.default_rng(0)
    text = rng.normal(size=(len(simulated.table), 4)).astype(np.float32)
    image = (text @ rng.normal(size=(4, 6))).astype(np.float32)
    figures = run_peer(PRODUCTS, simulated, Embeddings(text, image), halves(simulated))
    assert figures["recall_at_1"] > 0.9


def test_peer_without_encoders_reads_words_and_colours(simulated: Prepared):
    images = colours(simulated)
    assert len(images) == len(simulated.table)
    figures = run_peer(SIMULATED, simulated, Embeddings(None, images), halves(simulated))
    assert 0 <= figures[RANKED] <= 1


def test_difference_is_of_the_same_seeds_with_its_interval():
    cells = [
        Cell("posts", column, seed, {"auc": auc + 0.01 * seed}, 1.0)
        for column, auc in (("default", 0.81), ("counted", 0.80))
        for seed in (0, 1, 2)
        if (column, seed) != ("counted", 2)
    ]
    assert differences(cells)[1] == ["posts", "AUC", "-", "+0.010 (+0.010 to +0.010)"]
