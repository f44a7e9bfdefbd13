import csv
import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from adscore import bundle as files
from adscore.bundle import Manifest, group_digest, read_bundle
from adscore.errors import BrokenRowsError, TrainingError
from adscore.progress import Progress
from adscore.sample import write_sample
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, CreativeTable, Target, read_table
from adscore.training import TrainingOptions, TrainingResult, train
from adscore.training.left_out import evaluate_left_out
from adscore.training.manifest import build_manifest
from adscore.training.model import fit_model
from adscore.training.presets import DEFAULT, NETWORK, Preset
from adscore.training.problem import LEFT_OUT_SHARE, VALIDATION_SHARE, read_problem
from adscore.training.split import hold_out, split_groups

MakeTable = Callable[..., CreativeTable]

# === Same seed, same model ===


@pytest.fixture(scope="module")
def two_processes(sample_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What two fresh processes trained, whose sets have other orders: seed 0, and 1 then 0."""
    script = Path(__file__).with_name("train_in_process.py")
    out = tmp_path_factory.mktemp("twice")
    processes = [
        subprocess.Popen(
            [sys.executable, script, sample_dir, out / hash_seed, *seeds],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
        for hash_seed, seeds in (("1", ["0"]), ("2", ["1", "0"]))
    ]
    assert [process.wait() for process in processes] == [0, 0]
    return [json.loads((out / hash_seed / "found.json").read_text()) for hash_seed in ("1", "2")]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["network", "baseline"])
def test_same_seed_gives_the_same_weights_and_scores_in_another_process(
    preset: str, two_processes: list[dict]
) -> None:
    first, second = (process[preset]["0"] for process in two_processes)
    assert first == second


@pytest.mark.slow
def test_another_seed_gives_another_model(two_processes: list[dict]) -> None:
    _, second = two_processes
    assert second["network"]["1"]["golden"] != second["network"]["0"]["golden"]


# === The bundle that training leaves ===


class Told(Progress):
    """Keeps each stage with the shares that were told of it."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, list[float]]] = []

    def __call__(self, stage: str) -> None:
        self.stages.append((stage, []))

    def advance(self, share: float | None, what: str = "") -> None:
        assert share is not None
        assert what
        self.stages[-1][1].append(share)


@pytest.fixture(scope="module")
def two_targets(
    sample_table: CreativeTable,
    tiny_presets: dict[str, Preset],
    tmp_path_factory: pytest.TempPathFactory,
) -> TrainingResult:
    told = Told()
    result = train(
        sample_table,
        tmp_path_factory.mktemp("two") / "model",
        TrainingOptions(preset=tiny_presets["baseline"]),
        told,
    )
    assert [stage.split()[0] for stage, _ in told.stages] == [
        "reading", "fitting", "fitting", "exporting", "writing"
    ]  # fmt: skip
    for stage, shares in told.stages[:-1]:
        assert shares == sorted(shares), stage
        assert 0 <= shares[0] <= shares[-1] <= 1, stage
    return result


@pytest.mark.slow
def test_bundle_of_two_targets_scores_both(
    two_targets: TrainingResult, sample_table: CreativeTable
) -> None:
    scorer = Scorer.open(two_targets.path)
    score = scorer.score([sample_table.creative(0)])[0]
    assert list(score.targets) == ["ctr", "cvr"]
    assert set(two_targets.manifest.metrics) == {"ctr", "cvr"}
    assert all(target.lower < target.mean < target.upper for target in score.targets.values())


@pytest.mark.slow
def test_bundle_names_the_groups_it_has_seen_and_no_others(
    two_targets: TrainingResult, sample_table: CreativeTable
) -> None:
    bundle = read_bundle(two_targets.path)
    seen = bundle.files[files.TRAINING_GROUPS].decode().split()
    assert set(seen) == {group_digest(name) for name in sample_table.group_names}
    training = bundle.manifest.training
    assert (training.groups, training.creatives) == (10, 60)
    assert (training.folds, training.left_out) == (1, 12)
    assert two_targets.manifest.metrics["ctr"]["pairs"] <= 2 * 15


@pytest.mark.slow
def test_percentiles_rise_and_span_the_predictions(
    two_targets: TrainingResult, sample_table: CreativeTable
) -> None:
    scorer = Scorer.open(two_targets.path)
    rows = range(len(sample_table))
    mean = scorer.predict(scorer.preparer.creative(sample_table.creative(row)) for row in rows).mean
    for column, name in enumerate(("ctr", "cvr")):
        reference = np.array(two_targets.manifest.reference[name])
        assert len(reference) == 101
        assert (np.diff(reference) >= 0).all()
        np.testing.assert_allclose(
            reference[[0, -1]], [mean[:, column].min(), mean[:, column].max()], rtol=1e-4
        )


@pytest.mark.slow
def test_rows_left_out_are_predicted_without_their_results(
    make_table: MakeTable, tiny_presets: dict[str, Preset]
) -> None:
    table = make_table(60, groups=[f"g{row // 6}" for row in range(60)])
    options = TrainingOptions(dataclasses.replace(tiny_presets["network"], max_epochs=1))
    problem = read_problem(table, options)
    before = fit_model(problem).left_out
    assert before.folds == 1
    successes = problem.data.successes.copy()
    successes[before.rows] = problem.data.trials[before.rows] - successes[before.rows]
    after = fit_model(
        dataclasses.replace(problem, data=dataclasses.replace(problem.data, successes=successes))
    ).left_out
    np.testing.assert_array_equal(before.rates.mean, after.rates.mean)
    np.testing.assert_array_equal(before.rates.concentration, after.rates.concentration)
    for part in ("headline", "image"):
        assert not np.array_equal(before.exchanged[part].mean, before.rates.mean)


# === Nothing to learn from ===


def test_table_without_a_target_is_refused(make_table: MakeTable, tmp_path: Path) -> None:
    table = dataclasses.replace(make_table(), successes={}, trials={}, target_columns={})
    with pytest.raises(TrainingError, match="expected a target to learn, or alignment"):
        train(table, tmp_path / "model")


@pytest.mark.parametrize("successes", [[0] * 12, [1_000] * 12])
def test_target_of_one_outcome_cannot_be_learned(
    successes: list[int], make_table: MakeTable, tmp_path: Path
) -> None:
    table = make_table(successes=successes, trials=[1_000] * 12)
    with pytest.raises(TrainingError, match="target 'ctr': expected both successes and failures"):
        train(table, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_broken_rows_are_named_as_in_the_whole_table_where_groups_are_kept_aside(
    make_table: MakeTable, tmp_path: Path
) -> None:
    groups = [f"g{row % 6}" for row in range(12)]
    aside = hold_out(make_table(groups=groups), 0.4, seed=0)
    assert aside.size
    last = max(set(range(12)) - set(aside.tolist()))
    images = [*make_table().images]
    images[last] = b"no image"
    with pytest.raises(BrokenRowsError, match=f"row {last + 1} ") as error:
        train(
            make_table(groups=groups, images=images),
            tmp_path / "model",
            TrainingOptions(hold_out=0.4),
        )
    assert error.value.rows == {last}


def test_validation_rows_without_trials_are_refused(make_table: MakeTable, tmp_path: Path) -> None:
    split = split_groups(np.arange(12), test=LEFT_OUT_SHARE, validation=VALIDATION_SHARE, seed=0)
    # Groups are numbered in the order of their names, and the rows' ids are already in it.
    trials = np.full(12, 1_000)
    trials[split.validation] = 0
    table = make_table(successes=trials // 100, trials=trials)
    with pytest.raises(TrainingError, match="target 'ctr': expected trials among the 2 rows"):
        train(table, tmp_path / "model", TrainingOptions(NETWORK))


@pytest.mark.parametrize("groups", [["a"] * 12, ["a", "b"] * 6])
def test_fewer_than_three_groups_cannot_be_learned_from(
    groups: list[str], make_table: MakeTable, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="at least 3 groups"):
        train(make_table(groups=groups), tmp_path / "model")


@pytest.mark.slow
def test_three_groups_are_enough(make_table: MakeTable, tmp_path: Path) -> None:
    result = train(make_table(12, groups=["a", "b", "c"] * 4), tmp_path / "model")
    assert result.manifest.training.groups == 3
    Scorer.open(result.path)


@pytest.mark.slow
def test_a_group_for_each_row_trains_as_no_groups_and_reports_no_pairs(
    make_table: MakeTable,
) -> None:
    def manifest(groups: Sequence[str] | None) -> Manifest:
        table = make_table(30, groups=groups)
        problem = read_problem(table, TrainingOptions())
        model = fit_model(problem)
        evaluation = evaluate_left_out(model.left_out, problem.data, table)
        return build_manifest(problem, model, evaluation, seconds=0.0)

    results = [manifest(groups) for groups in (None, make_table(30).ids)]
    assert [result.training.groups for result in results] == [0, 0]
    assert [result.metrics["ctr"]["pairs"] for result in results] == [0, 0]
    assert results[0].metrics == results[1].metrics


# === Learning ===


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    """Shares of pairs ranked as the truth ranks them: by a trained model, by the counts."""
    folder = tmp_path_factory.mktemp("learning")
    known = write_sample(folder / "known", creatives=400, campaigns=40, seed=3)
    new = write_sample(folder / "new", creatives=480, campaigns=48, seed=4)
    target = [Target.parse("ctr=clicks/impressions")]
    preset = dataclasses.replace(DEFAULT, max_epochs=8)
    table = read_table(known.creatives_path, Columns(), target)
    scorer = Scorer.open(train(table, folder / "model", TrainingOptions(preset=preset)).path)
    unseen = read_table(new.creatives_path, Columns(), target)
    rows = range(len(unseen))
    predicted = scorer.predict(scorer.preparer.creative(unseen.creative(row)) for row in rows).mean[
        :, 0
    ]
    with new.truth_path.open(newline="") as file:
        truth = np.array([float(row["true_ctr"]) for row in csv.DictReader(file)])
    groups = np.array(unseen.group_names)
    observed = unseen.successes["ctr"] / unseen.trials["ctr"]
    return ranked_right(groups, truth, predicted), ranked_right(groups, truth, observed)


def ranked_right(groups: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the pairs of one group that a prediction ranks as the truth does."""
    right = [
        (truth[a] > truth[b]) == (predicted[a] > predicted[b])
        for a, b in itertools.combinations(range(len(groups)), 2)
        if groups[a] == groups[b] and truth[a] != truth[b]
    ]
    return float(np.mean(right))


@pytest.mark.slow
def test_new_campaigns_are_ranked_well_above_chance(learned: tuple[float, float]) -> None:
    """Guessing ranks half of the pairs right, give or take 0.018.

    Under chance Kendall's tau of ten creatives has variance 2 (2 n + 5) / (9 n (n - 1)) = 0.062;
    the share is (tau + 1) / 2, over 48 campaigns: sqrt(0.062 / 4 / 48) = 0.018. Four of these
    above a half is 0.57, which luck reaches once in thirty thousand times.
    """
    model, _ = learned
    assert model > 0.57


@pytest.mark.slow
def test_ranking_of_the_model_stays_below_that_of_the_counts_it_never_saw(
    learned: tuple[float, float],
) -> None:
    """The counts of the new campaigns rank nearly as the truth does: a model above is cheating."""
    model, counts = learned
    assert 0.85 < counts < 1
    assert model < counts
