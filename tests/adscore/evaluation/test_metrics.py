"""The figures of a target together: names, meanings, empty cases and invariances."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adscore import evaluation
from adscore.evaluation import evaluate_target

KEYS = [
    "log_loss",
    "deviance_explained",
    "auc",
    "pairwise_accuracy",
    "pairwise_accuracy_significant",
    "pairwise_noise_ceiling",
    "pairs",
    "pairs_significant",
    "calibration_error",
    "interval_coverage",
]


@st.composite
def outcomes(draw, least_rows=0):
    rows = draw(st.integers(least_rows, 12))
    trials = draw(st.lists(st.integers(0, 60), min_size=rows, max_size=rows))
    return {
        # From few values, so that ties are common.
        "mean": np.array([draw(st.integers(1, 9)) / 10 for _ in trials]),
        "successes": np.array([draw(st.integers(0, n)) for n in trials], dtype=np.int64),
        "trials": np.array(trials, dtype=np.int64),
        "concentration": np.array([draw(st.sampled_from([0.5, 20.0, 1e4])) for _ in trials]),
        "group": np.array([draw(st.sampled_from("abc")) for _ in trials], dtype=object),
    }


def test_exported_names():
    assert evaluation.__all__ == sorted(evaluation.__all__)
    assert all(hasattr(evaluation, name) for name in evaluation.__all__)


def test_keys_of_json_are_the_contract():
    assert list(evaluate_target([0.5], [1], [2]).values) == KEYS


@given(outcomes())
def test_every_figure_is_none_or_finite_and_in_range(data):
    figures = evaluate_target(**data).values
    json.dumps(figures, allow_nan=False)
    assert all(value is None or math.isfinite(value) for value in figures.values())
    for name in set(KEYS) - {"log_loss", "deviance_explained", "pairs", "pairs_significant"}:
        assert figures[name] is None or 0 <= figures[name] <= 1, name
    assert type(figures["pairs"]) is int
    assert figures["pairs_significant"] <= figures["pairs"]
    assert (figures["pairwise_accuracy"] is None) == (figures["pairs"] == 0)


@given(outcomes(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(data, random):
    order = list(range(len(data["mean"])))
    random.shuffle(order)
    shuffled = {name: values[order] for name, values in data.items()}
    before, after = evaluate_target(**data).values, evaluate_target(**shuffled).values
    for name in KEYS:
        close = None if before[name] is None else pytest.approx(before[name], abs=1e-6)
        assert after[name] == close, name


@given(outcomes())
def test_ranking_figures_depend_on_the_order_of_predictions_alone(data):
    before = evaluate_target(**data)
    after = evaluate_target(**{**data, "mean": data["mean"] ** 3 / 2})
    for name in KEYS[2:8]:
        assert getattr(after, name) == getattr(before, name), name


@given(outcomes())
def test_reversed_prediction_mirrors_ranking_figures(data):
    before = evaluate_target(**data)
    after = evaluate_target(**{**data, "mean": 1 - data["mean"]})
    for name in ("auc", "pairwise_accuracy", "pairwise_accuracy_significant"):
        if getattr(before, name) is not None:
            assert getattr(after, name) == pytest.approx(1 - getattr(before, name)), name


@given(outcomes())
def test_rows_without_trials_change_nothing(data):
    extra = {
        "mean": [0.25],
        "successes": [0],
        "trials": [0],
        "concentration": [3.0],
        "group": ["a"],
    }
    padded = {name: np.concatenate([extra[name], data[name]]) for name in data}
    assert evaluate_target(**padded) == evaluate_target(**data)


@given(outcomes(least_rows=1))
def test_no_prediction_beats_the_observed_rates_themselves(data):
    trials = np.maximum(data["trials"], 1)
    successes = np.minimum(data["successes"], trials)
    best = evaluate_target(successes / trials, successes, trials, group=data["group"])
    given_mean = evaluate_target(data["mean"], successes, trials, group=data["group"])
    assert best.log_loss <= given_mean.log_loss + 1e-9
    assert best.calibration_error == pytest.approx(0, abs=1e-12)
    assert best.pairwise_accuracy in (None, 1.0)
    if best.auc is not None:
        assert best.auc >= given_mean.auc - 1e-12
        assert best.deviance_explained is None or best.deviance_explained == pytest.approx(1)


def test_zero_rows_have_no_figures():
    for trials in ([], [0, 0]):
        zeros = [0] * len(trials)
        half = [0.5] * len(trials)
        metrics = evaluate_target(half, zeros, trials, concentration=half, group=zeros)
        expected = dict.fromkeys(KEYS) | {"pairs": 0, "pairs_significant": 0}
        assert metrics.values == expected


@pytest.mark.parametrize("rate", [0, 1])
def test_one_kind_of_outcome_leaves_only_the_level_to_judge(rate):
    trials = np.array([10, 200, 3000])
    metrics = evaluate_target(
        np.array([0.2, 0.3, 0.4]),
        rate * trials,
        trials,
        concentration=[10.0, 10.0, 10.0],
        group=["a", "a", "a"],
    )
    absent = {name for name, value in metrics.values.items() if value is None}
    assert absent == {"deviance_explained", "auc"} | {name for name in KEYS if "pairwise" in name}
    assert metrics.pairs == 0


def test_without_groups_there_are_no_pairs():
    metrics = evaluate_target([0.1, 0.2], [1, 5], [10, 10])
    assert (metrics.pairs, metrics.pairs_significant) == (0, 0)
    assert metrics.pairwise_accuracy is None
    assert metrics.pairwise_noise_ceiling is None
    assert metrics.interval_coverage is None
    assert metrics.auc is not None


def test_a_group_per_row_has_no_pairs():
    metrics = evaluate_target([0.1, 0.2], [1, 5], [10, 10], group=["a", "b"])
    assert metrics.pairs == 0
    assert metrics.pairwise_accuracy is None


def test_zero_one_labels_have_no_interval_and_no_ceiling():
    metrics = evaluate_target(
        [0.1, 0.8, 0.4], [0, 1, 0], [1, 1, 1], concentration=[5.0] * 3, group=[0, 0, 0]
    )
    assert metrics.interval_coverage is None
    assert metrics.pairwise_noise_ceiling is None
    assert metrics.pairs == 2
    assert metrics.auc == 1


def test_saturated_prediction_stays_finite():
    metrics = evaluate_target([1.0, 0.0], [0, 5], [1, 10], concentration=[2.0, 2.0])
    json.dumps(metrics.values, allow_nan=False)
    assert metrics.log_loss > 5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mean": [0.5, 1.5]}, "mean: expected rates from 0 to 1. Received: 1.5 in row 1"),
        ({"mean": [np.nan, 0.5]}, "mean: expected finite"),
        ({"successes": [1, 11]}, "at most the row's trials. Received: 11.0 in row 1"),
        ({"successes": [-1, 1]}, "successes: expected numbers"),
        ({"trials": [10, 10.5]}, "trials: expected whole numbers"),
        ({"trials": [10]}, r"trials: expected shape \(2,\)"),
        ({"mean": [[0.5, 0.5]]}, "mean: expected one dimension"),
        ({"concentration": [0.0, 1.0]}, "concentration: expected numbers above 0"),
        ({"concentration": [np.nan, 1.0]}, "concentration: expected numbers above 0"),
        ({"concentration": [1.0]}, "concentration: expected"),
        ({"group": ["a"]}, "group: expected"),
    ],
)
def test_wrong_arrays_are_refused_by_name(changed, words):
    good = {"mean": [0.1, 0.2], "successes": [1, 2], "trials": [10, 10]}
    with pytest.raises(ValueError, match=words):
        evaluate_target(**{**good, **changed})


@settings(max_examples=20)
@given(outcomes(least_rows=2))
def test_counts_of_any_number_type_give_the_same(data):
    narrow = {**data, "successes": data["successes"].astype(np.uint8)}
    narrow["trials"] = data["trials"].astype(np.int16)
    assert evaluate_target(**narrow) == evaluate_target(**data)
