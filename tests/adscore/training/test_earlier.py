"""A new version against the one before it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from adscore.errors import TrainingError
from adscore.evaluation.table import Evaluation, evaluate_table
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, CreativeTable, Target, read_table
from adscore.training.earlier import compare_with_earlier, require_no_worse


@pytest.fixture
def newer(sample_dir: Path) -> CreativeTable:
    """The log as if of campaigns that came later."""
    path = sample_dir / "creatives.csv"
    table = read_table(path, Columns(), [Target.parse("ctr=clicks/impressions")])
    return dataclasses.replace(table, groups=[f"new {name}" for name in table.group_names])


def predicting(evaluation: Evaluation, mean: np.ndarray) -> Evaluation:
    predictions = dataclasses.replace(evaluation.predictions, mean=mean[:, None])
    return dataclasses.replace(evaluation, predictions=predictions)


def test_a_version_that_ranks_as_the_truth_does_is_better_and_its_opposite_refused(
    model_dir: Path, scorer: Scorer, newer: CreativeTable
) -> None:
    evaluation = evaluate_table(scorer, newer)
    truth = newer.successes["ctr"] / newer.trials["ctr"]
    better = compare_with_earlier(model_dir, newer, predicting(evaluation, truth), seed=0)
    assert better is not None
    assert (better.version, better.rows, better.groups) == ("1", 60, 10)
    assert better.targets["ctr"].metric == "pairwise_accuracy"
    assert better.targets["ctr"].new == 1
    assert better.targets["ctr"].gain.lower > 0
    require_no_worse(better)
    worse = compare_with_earlier(model_dir, newer, predicting(evaluation, 1 - truth), seed=0)
    assert worse is not None
    with pytest.raises(TrainingError, match=r"no worse than version 1.*90% interval.*--force"):
        require_no_worse(worse)


def test_the_same_predictions_differ_by_nothing(
    model_dir: Path, scorer: Scorer, newer: CreativeTable
) -> None:
    same = compare_with_earlier(model_dir, newer, evaluate_table(scorer, newer), seed=0)
    assert same is not None
    assert same.targets["ctr"].gain.value == 0
    require_no_worse(same)
    (sentence,) = same.describe()
    assert "on 60 creatives of 10 groups that neither version has seen" in sentence


def test_groups_that_the_earlier_version_has_seen_do_not_count(
    model_dir: Path, scorer: Scorer, newer: CreativeTable, sample_dir: Path
) -> None:
    names = [
        name if row % 3 else name.removeprefix("new ") for row, name in enumerate(newer.groups)
    ]
    some = dataclasses.replace(newer, groups=names)
    found = compare_with_earlier(model_dir, some, evaluate_table(scorer, some), seed=0)
    assert found is not None
    assert found.rows == 40
    seen = dataclasses.replace(newer, groups=[name.removeprefix("new ") for name in newer.groups])
    none = compare_with_earlier(model_dir, seen, evaluate_table(scorer, seen), seed=0)
    assert none is not None
    assert none.describe() == ["not compared with version 1: no group of this table is new to it"]
    require_no_worse(none)


def test_a_first_version_and_a_broken_one_hinder_nothing(
    scorer: Scorer, newer: CreativeTable, tmp_path: Path
) -> None:
    evaluation = evaluate_table(scorer, newer)
    assert compare_with_earlier(tmp_path, newer, evaluation, seed=0) is None
    (tmp_path / "3").mkdir()
    broken = compare_with_earlier(tmp_path, newer, evaluation, seed=0)
    assert broken is not None
    assert broken.describe()[0].startswith("not compared with version 3: ")
