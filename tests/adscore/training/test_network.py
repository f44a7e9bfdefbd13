from collections.abc import Callable

import keras
import numpy as np
import pytest

from adscore.training.calibration import PATTERNS, Calibration
from adscore.training.likelihood import Start
from adscore.training.network import Network
from adscore.training.presets import BASELINE, NETWORK, PRESETS, Preset

START = Start(np.array([-4.5, -3.0]), np.array([6.0, 4.0]))
Untrained = Callable[[Preset, int, Start], Network]


def layer_types(model: keras.Model) -> list[str]:
    return [
        type(layer).__name__
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def inputs(preset: Preset, rows: int, vocabulary_size: int) -> dict[str, np.ndarray]:
    size, rng = preset.preprocessing, np.random.default_rng(0)
    return {
        "token_ids": rng.integers(0, vocabulary_size, (rows, size.headline_tokens), np.int32),
        "pixels": rng.integers(0, 256, (rows, size.image_height, size.image_width, 3), np.uint8),
        "present": np.array([[1, 1, 0]] * rows, np.float32),
    }


# === The baseline preset is the network that the project started from ===


@pytest.fixture(scope="module")
def baseline(untrained: Untrained) -> Network:
    return untrained(BASELINE, 300, Start(np.array([-4.5]), np.array([6.0])))


def test_baseline_text_tower_is_an_embedding_and_an_lstm(baseline: Network) -> None:
    trunk = baseline.towers["headline"].trunk
    assert layer_types(trunk) == ["Embedding", "LSTM"]
    assert not trunk.get_layer("tokens").mask_zero


def test_baseline_image_tower_is_convolution_pooling_and_flatten(baseline: Network) -> None:
    assert layer_types(baseline.towers["image"].trunk) == [
        "Rescaling", "Conv2D", "MaxPooling2D", "Flatten",
    ]  # fmt: skip


def test_baseline_head_concatenates_and_ends_in_one_sigmoid_unit(baseline: Network) -> None:
    # Beside the rate stands its spread, for the interval; the rate does not depend on it.
    assert layer_types(baseline.core) == ["Concatenate", "Reshape", "Dense", "Dense"]
    assert baseline.core.get_layer("logit").units == 1
    assert baseline.core.output["logit"].shape == (None, 1, 1)


def test_baseline_towers_have_no_projection(baseline: Network) -> None:
    text, image = (
        baseline.towers[name].embedding.output["embedding"].shape[-1]
        for name in ("headline", "image")
    )
    assert text == BASELINE.lstm_width
    assert image == baseline.towers["image"].trunk.get_layer("flatten").output.shape[-1]


def test_baseline_is_fitted_by_binary_crossentropy() -> None:
    assert BASELINE.loss == "binary_crossentropy"


# === Both presets ===


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_untrained_network_starts_at_what_the_counts_say(
    preset: Preset, untrained: Untrained
) -> None:
    network = untrained(preset, 300, START)
    for layer in ("logit",):  # so that only the starting point speaks
        weights = network.core.get_layer(layer).get_weights()
        network.core.get_layer(layer).set_weights([0 * weights[0], weights[1]])
    outputs = network.whole(inputs(preset, 3, 300))
    np.testing.assert_allclose(outputs["mean"], [1 / (1 + np.exp(-START.logit))] * 3, rtol=1e-5)
    np.testing.assert_allclose(
        outputs["concentration"], [np.exp(START.log_concentration)] * 3, rtol=1e-5
    )


def test_default_towers_end_in_one_shared_width(untrained: Untrained) -> None:
    network = untrained(NETWORK, 300, START)
    widths = {tower.embedding.output["embedding"].shape[-1] for tower in network.towers.values()}
    assert widths == {NETWORK.projection_width}


def test_calibration_moves_each_target_by_its_own_slope_and_shift(untrained: Untrained) -> None:
    network = untrained(NETWORK, 300, START)
    batch = inputs(NETWORK, 4, 300)
    core = {name: value.numpy().astype(float) for name, value in network.fitted(batch).items()}
    calibration = Calibration(
        *np.repeat(np.array([[[0.5, 1.5]], [[-1.0, 0.2]], [[0.3, -0.4]]]), PATTERNS, axis=1)
    )
    network.calibrate(calibration)
    outputs = network.whole(batch)
    logit = core["logit"] * calibration.slope[0] + calibration.shift[0]  # (b, members, targets)
    mean = (1 / (1 + np.exp(-logit))).mean(axis=1)
    alone = 1 / (1 + np.exp(core["log_concentration"] + calibration.log_concentration_shift[0]))
    variance = alone + mean * (1 - mean) * logit.var(axis=1)
    np.testing.assert_allclose(outputs["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(outputs["concentration"], 1 / variance - 1, rtol=1e-3)
    again = calibration.apply(core["logit"], core["log_concentration"], batch["present"])
    np.testing.assert_allclose(again, [mean, 1 / variance - 1], rtol=1e-9)
