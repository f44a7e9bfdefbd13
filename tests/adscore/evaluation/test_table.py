from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adscore import bundle
from adscore.bundle import group_digest
from adscore.errors import TableError
from adscore.evaluation import table as table_module
from adscore.evaluation.metrics import TargetMetrics
from adscore.evaluation.table import evaluate_table, rows_not_trained_on
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, CreativeTable, Target, read_table

CTR = Target.parse("ctr=clicks/impressions")


@pytest.fixture(scope="module")
def log(sample_dir: Path) -> CreativeTable:
    return read_table(sample_dir / "creatives.csv", Columns(), [CTR])


@pytest.fixture(scope="module")
def training_groups(model_dir: Path) -> str:
    return (model_dir / "1" / bundle.TRAINING_GROUPS).read_text()


def rewritten(sample_dir: Path, path: Path, change: dict[int, str]) -> CreativeTable:
    """The log with some of its rows (counted from 0) given another image."""
    lines = (sample_dir / "creatives.csv").read_text().splitlines()
    for row, image in change.items():
        place = lines[row + 1].index("images/")
        lines[row + 1] = lines[row + 1][:place] + image + lines[row + 1][place + 7 :]
    path.write_text("\n".join(lines))
    return read_table(path, Columns(), [CTR], sample_dir)


def test_figures_are_those_of_the_contract(scorer: Scorer, log: CreativeTable) -> None:
    figures: dict[str, Any] = evaluate_table(scorer, log).to_dict()
    assert figures.keys() == {"rows", "targets", "agreement"}
    assert figures["rows"] == len(log)
    assert {"recall_at_1", "recall_at_10", "median_rank", "auc"} < figures["agreement"].keys()
    assert set(figures["agreement"].values()) == {None}
    (ctr,) = figures["targets"].values()
    for name in ("log_loss", "auc", "pairwise_accuracy", "interval_coverage"):
        assert ctr[f"{name}_lower"] <= ctr[name] <= ctr[f"{name}_upper"]
    assert ctr["pairwise_accuracy_lower"] < ctr["pairwise_accuracy_upper"]
    assert not {"pairs_lower", "pairwise_noise_ceiling_lower"} & ctr.keys()
    assert ctr["pairs"] > 0
    assert 0 <= ctr["pairwise_accuracy"] <= 1
    assert 0 <= ctr["interval_coverage"] <= 1


def test_figures_are_those_of_the_rows_asked_for(scorer: Scorer, log: CreativeTable) -> None:
    rows = np.array([5, 3, 41, 12])
    part = evaluate_table(scorer, log, rows)
    assert part.rows == 4
    one_by_one = [evaluate_table(scorer, log, np.array([row])) for row in rows]
    losses = [evaluation.targets["ctr"].log_loss for evaluation in one_by_one]
    trials = log.trials["ctr"][rows]
    assert part.targets["ctr"].log_loss == pytest.approx(np.average(losses, weights=trials))


def test_rows_are_decoded_some_at_a_time(
    scorer: Scorer, log: CreativeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sizes = evaluate_table(scorer, log), []
    prepare = table_module.prepare_rows

    def prepare_rows(scorer, table, rows, pool):
        sizes.append(len(rows))
        return prepare(scorer, table, rows, pool)

    monkeypatch.setattr(table_module, "ROWS_AT_ONCE", 25)
    monkeypatch.setattr(table_module, "prepare_rows", prepare_rows)
    assert evaluate_table(scorer, log).to_dict() == whole.to_dict()
    assert sizes == [25, 25, 10]


def test_without_groups_nothing_is_compared_within_one(scorer: Scorer, sample_dir: Path) -> None:
    table = read_table(sample_dir / "creatives.csv", Columns(group=None), [CTR])
    figures: TargetMetrics = evaluate_table(scorer, table).targets["ctr"]
    assert figures.pairs == 0
    assert figures.pairwise_accuracy is None
    assert figures.log_loss > 0


def test_rows_of_training_groups_are_left_out(log: CreativeTable, training_groups: str) -> None:
    assert not rows_not_trained_on(log, training_groups).size
    few = training_groups.splitlines()[:7]
    seen, held_out = set(few), rows_not_trained_on(log, "\n".join(few))
    assert 0 < len(held_out) < len(log)
    for row, name in enumerate(log.group_names):
        assert (group_digest(name) not in seen) == (row in held_out)


def test_no_group_was_seen_by_a_model_of_another_log(log: CreativeTable) -> None:
    other = group_digest("another campaign")
    assert len(rows_not_trained_on(log, f"{other}\n")) == len(log)
    assert len(rows_not_trained_on(log, "")) == len(log)


def test_no_rows_are_refused(scorer: Scorer, log: CreativeTable) -> None:
    with pytest.raises(TableError, match="expected rows to evaluate on"):
        evaluate_table(scorer, log, np.array([], dtype=np.int64))


def test_an_unknown_target_is_refused(scorer: Scorer, sample_dir: Path) -> None:
    target = Target.parse("cvr=conversions/clicks")
    table = read_table(sample_dir / "creatives.csv", Columns(), [CTR, target])
    with pytest.raises(TableError, match=r"targets of the model \(ctr\)\. Received: cvr"):
        evaluate_table(scorer, table)


def test_rows_that_cannot_be_scored_are_named(
    scorer: Scorer, sample_dir: Path, tmp_path: Path
) -> None:
    table = rewritten(sample_dir, tmp_path / "log.csv", {2: "gone/", 7: "gone/"})
    with pytest.raises(TableError) as caught:
        evaluate_table(scorer, table)
    first, second = str(caught.value).splitlines()
    assert f"row 3 (id {table.ids[2]}): image: expected an image file" in first
    assert "row 8" in second
    assert evaluate_table(scorer, table, np.array([0, 1])).rows == 2
