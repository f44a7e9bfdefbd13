import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
from scipy.special import expit

from adscore.errors import TrainingError
from adscore.table import CreativeTable
from adscore.training.deep import fit_network, patience, predict_logits
from adscore.training.early_stopping import History, best_epoch
from adscore.training.encoders.published import Encoders
from adscore.training.inputs import Column, Inputs
from adscore.training.likelihood import Start, grouped_log_likelihood, starting_point
from adscore.training.network import Network
from adscore.training.presets import BASELINE, DEFAULT, Preset
from adscore.training.problem import (
    Problem,
    TrainingData,
    load_training_data,
)
from adscore.training.split import Split, split_groups

Untrained = Callable[[Preset, int, Start], Network]
START = Start(np.array([-4.5, -3.0]), np.array([6.0, 4.0]))


@pytest.fixture(scope="module")
def data(sample_table: CreativeTable, tiny_presets: dict[str, Preset]) -> TrainingData:
    return load_training_data(sample_table, tiny_presets["baseline"])


@pytest.fixture(scope="module")
def split(data: TrainingData) -> Split:
    return split_groups(data.groups, test=0.2, validation=0.2, seed=0)


@pytest.fixture(scope="module")
def inputs(data: TrainingData) -> Inputs:
    ids = np.random.default_rng(0).integers(0, 50, (len(data), 32), dtype=np.int32)
    return Inputs(
        {
            "token_ids": Column(ids, np.arange(len(data))),
            "pixels": Column(data.images, data.image_index),
            "present": Column(data.present, np.arange(len(data))),
        }
    )


Fit = Callable[..., tuple[Network, History]]


@pytest.fixture(scope="module")
def fit(untrained: Untrained, data: TrainingData, inputs: Inputs, split: Split) -> Fit:
    def run(preset: Preset, start: Start = START) -> tuple[Network, History]:
        keras.utils.set_random_seed(0)
        network = untrained(preset, 50, start)
        problem = Problem(data, split, preset, Encoders(), seed=0, align=False)
        return network, fit_network(problem, inputs, network)

    return run


def test_kept_weights_are_those_of_the_best_pass_on_the_validation_groups(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: Inputs,
    split: Split,
) -> None:
    # Steps so large that the last pass is not the best.
    preset = dataclasses.replace(tiny_presets["network"], learning_rate=0.05, max_epochs=6)
    start = starting_point(data.outcomes(split.fitting))
    network, history = fit(preset, start)
    losses = history["validation_loss"]
    assert best_epoch(losses) == 1 + int(np.argmin(losses)) < len(losses)
    rows = split.validation
    logit, spread = predict_logits(inputs, network, rows)
    loss = -grouped_log_likelihood(logit.mean(axis=1), spread, data.outcomes(rows)) / len(rows)
    assert loss == pytest.approx(min(losses), rel=1e-9)


def test_fit_ends_after_its_patience(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: Inputs,
    split: Split,
) -> None:
    preset = dataclasses.replace(
        tiny_presets["network"], learning_rate=0.0, max_epochs=9, patience=2
    )
    _, history = fit(preset)
    # Without steps every pass is as good as the first; the last of equals is kept.
    assert len(history["validation_loss"]) == 9
    preset = dataclasses.replace(preset, learning_rate=0.05, max_epochs=30)
    _, history = fit(preset)
    losses = history["validation_loss"]
    assert len(losses) == min(30, best_epoch(losses) + 2)


def test_patience_is_of_steps_so_that_large_logs_need_fewer_passes() -> None:
    assert patience(DEFAULT, steps=19) == DEFAULT.patience
    assert patience(DEFAULT, steps=50) == 8
    assert patience(DEFAULT, steps=10_000) == 5
    assert patience(BASELINE, steps=10_000) == BASELINE.patience


def test_baseline_reports_its_accuracy_weighted_by_trials(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: Inputs,
    split: Split,
) -> None:
    preset = dataclasses.replace(tiny_presets["baseline"], learning_rate=0.0, max_epochs=1)
    start = Start(np.array([-1.0, 0.3]), np.zeros(2))  # predictions on both sides of one half
    network, history = fit(preset, start)
    rows = split.fitting
    above = expit(predict_logits(inputs, network, rows)[0][:, 0]) > 0.5
    successes, trials = data.successes[rows], data.trials[rows]
    right = np.where(above, successes, trials - successes)
    assert history["accuracy"] == [pytest.approx(right.sum() / trials.sum(), rel=1e-5)]


def test_counts_have_a_likelihood_and_no_accuracy(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: Inputs,
    split: Split,
) -> None:
    _, history = fit(tiny_presets["network"])
    assert len(history["loss"]) == len(history["validation_loss"]) == 2
    assert "accuracy" not in history


@pytest.mark.parametrize("name", ["network", "baseline"])
def test_first_step_is_that_of_adam(
    name: str, tiny_presets: dict[str, Preset], fit: Fit, data: TrainingData
) -> None:
    """Adam's first step moves a weight by the learning rate, whatever its gradient."""
    preset = dataclasses.replace(
        tiny_presets[name], batch_size=len(data), max_epochs=1, learning_rate=0.01
    )
    network, _ = fit(preset)
    moved = network.core.get_layer("logit").bias.numpy() - START.logit
    np.testing.assert_allclose(np.abs(moved), 0.01, rtol=1e-2)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_fit_that_diverges_at_once_says_so(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: Inputs,
    split: Split,
) -> None:
    preset = dataclasses.replace(tiny_presets["network"], learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"finite loss.*lower learning rate"):
        fit(preset)
