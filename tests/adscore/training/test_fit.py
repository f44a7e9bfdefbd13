import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
from scipy.special import expit

from adscore.creative import InputLimits
from adscore.errors import TrainingError
from adscore.scoring.image import ImageSize
from adscore.table import CreativeTable
from adscore.training.data import Split, TrainingData, load_training_data, split_groups
from adscore.training.fit import FitResult, fit_network, predict_rows
from adscore.training.inputs import Column, TowerInputs
from adscore.training.likelihood import Start, grouped_log_likelihood, starting_point
from adscore.training.network import Network
from adscore.training.presets import Preset

Untrained = Callable[[Preset, int, Start], Network]
START = Start(np.array([-4.5, -3.0]), np.array([6.0, 4.0]))


@pytest.fixture(scope="module")
def data(sample_table: CreativeTable) -> TrainingData:
    return load_training_data(sample_table, ImageSize(64, 64), InputLimits(), complete=True)


@pytest.fixture(scope="module")
def split(data: TrainingData) -> Split:
    return split_groups(data.groups, test=0.2, validation=0.2, seed=0)


@pytest.fixture(scope="module")
def inputs(data: TrainingData) -> TowerInputs:
    ids = np.random.default_rng(0).integers(0, 50, (len(data), 32), dtype=np.int32)
    return TowerInputs(
        {
            "token_ids": Column(ids, np.arange(len(data))),
            "pixels": Column(data.pixels, data.image_index),
            "present": Column(data.present, np.arange(len(data))),
        }
    )


Fit = Callable[..., tuple[Network, FitResult]]


@pytest.fixture(scope="module")
def fit(untrained: Untrained, data: TrainingData, inputs: TowerInputs, split: Split) -> Fit:
    def run(preset: Preset, start: Start = START) -> tuple[Network, FitResult]:
        keras.utils.set_random_seed(0)
        network = untrained(preset, 50, start)
        return network, fit_network(network, preset, data, inputs, split, seed=0)

    return run


def test_kept_weights_are_those_of_the_best_pass_on_the_validation_groups(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: TowerInputs,
    split: Split,
) -> None:
    # Steps so large that the last pass is not the best.
    preset = dataclasses.replace(tiny_presets["default"], learning_rate=0.05, max_epochs=6)
    rows = split.fitting
    start = starting_point(data.successes[rows], data.trials[rows], data.groups[rows])
    network, result = fit(preset, start)
    assert result.epochs == 1 + int(np.argmin(result.validation_losses))
    rows = split.validation
    outputs = predict_rows(network, data, inputs, rows, data.present[rows])
    loss = -grouped_log_likelihood(
        outputs["logit"].mean(axis=1),
        outputs["log_concentration"],
        data.successes[rows],
        data.trials[rows],
        data.groups[rows],
    ) / len(rows)
    assert loss == pytest.approx(min(result.validation_losses), rel=1e-9)


def test_fit_ends_after_its_patience(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: TowerInputs,
    split: Split,
) -> None:
    preset = dataclasses.replace(
        tiny_presets["default"], learning_rate=0.0, max_epochs=9, patience=2
    )
    _, result = fit(preset)
    # Without steps every pass is as good as the first; the last of equals is kept.
    assert len(result.validation_losses) == 9
    preset = dataclasses.replace(preset, learning_rate=0.05, max_epochs=30)
    _, result = fit(preset)
    assert len(result.validation_losses) == min(30, result.epochs + 2)


def test_baseline_reports_its_accuracy_weighted_by_trials(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: TowerInputs,
    split: Split,
) -> None:
    preset = dataclasses.replace(tiny_presets["baseline"], learning_rate=0.0, max_epochs=1)
    start = Start(np.array([-1.0, 0.3]), np.zeros(2))  # predictions on both sides of one half
    network, result = fit(preset, start)
    rows = split.fitting
    above = (
        expit(predict_rows(network, data, inputs, rows, data.present[rows])["logit"][:, 0]) > 0.5
    )
    successes, trials = data.successes[rows], data.trials[rows]
    right = np.where(above, successes, trials - successes)
    assert result.accuracies == [pytest.approx(right.sum() / trials.sum(), rel=1e-5)]


def test_counts_have_a_likelihood_and_no_accuracy(
    tiny_presets: dict[str, Preset],
    fit: Fit,
    data: TrainingData,
    inputs: TowerInputs,
    split: Split,
) -> None:
    _, result = fit(tiny_presets["default"])
    assert len(result.losses) == len(result.validation_losses) == 2
    assert result.accuracies == []


@pytest.mark.parametrize("name", ["default", "baseline"])
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
    inputs: TowerInputs,
    split: Split,
) -> None:
    preset = dataclasses.replace(tiny_presets["default"], learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"finite loss.*lower learning rate"):
        fit(preset)
