import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from adscore import bundle as files
from adscore.creative import Creative, InputLimits
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import ImageSize, decode
from adscore.scoring.text import HeadlineTokenizer, normalise, train_tokenizer
from adscore.training.calibration import PATTERNS, Calibration
from adscore.training.encoders.published import Encoders
from adscore.training.export import export_network
from adscore.training.likelihood import Start
from adscore.training.network import Network
from adscore.training.presets import PRESETS, Preset

VOCABULARY_SIZE = 400
Untrained = Callable[[Preset, int, Start], Network]
DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[4] / "shared" / "data"))


class Exported:
    """A network of full size with random weights, two targets and a calibration, exported."""

    def __init__(self, preset: Preset, untrained: Untrained) -> None:
        keras.utils.set_random_seed(1)
        self.preset = preset
        start = Start(np.array([-4.5, -1.0]), np.array([6.0, 3.0]))
        self.network = untrained(preset, VOCABULARY_SIZE, start)
        self.network.calibrate(
            Calibration(
                *np.repeat(np.array([[[0.7, 1.3]], [[-1.0, 0.2]], [[0.3, -0.4]]]), PATTERNS, 1)
            )
        )
        self.files = export_network(
            {name: tower.embedding for name, tower in self.network.towers.items()},
            self.network,
            Encoders(),
        )

    def graph(self, name: str) -> Graph:
        return Graph(self.files[name], RuntimeOptions())

    def run_graphs(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        headline = self.graph(files.HEADLINE_ENCODER).run({"token_ids": inputs["token_ids"]})
        image = self.graph(files.IMAGE_ENCODER).run({"pixels": inputs["pixels"]})
        return self.graph(files.HEAD).run(
            {
                "headline_embedding": headline["embedding"],
                "image_embedding": image["embedding"],
                "present": inputs["present"],
            }
        )

    def prepare(self, creatives: Sequence[Creative]) -> dict[str, np.ndarray]:
        size, limits = self.preset.preprocessing, InputLimits()
        headlines = [normalise(creative.headline, limits) for creative in creatives]
        tokenizer = HeadlineTokenizer(
            train_tokenizer(headlines, VOCABULARY_SIZE), size.headline_tokens
        )
        image_size = ImageSize(size.image_height, size.image_width)
        pixels = [decode(creative.image, image_size, limits)[0] for creative in creatives]
        return {
            "token_ids": tokenizer.encode(headlines)[0],
            "pixels": np.stack(pixels),
            "present": np.array([[1, 1, 0]] * len(creatives), np.float32),
        }


@pytest.fixture(scope="module", params=PRESETS)
def exported(request: pytest.FixtureRequest, untrained: Untrained) -> Exported:
    return Exported(PRESETS[request.param], untrained)


def assert_graphs_agree_with_keras(exported: Exported, inputs: dict[str, np.ndarray]) -> None:
    received = exported.run_graphs(inputs)
    expected = exported.network.whole.predict_on_batch(inputs)
    assert received["mean"].shape == (len(inputs["pixels"]), 2)
    assert np.ptp(received["mean"], axis=0).min() > 1e-4  # they do look at their inputs
    np.testing.assert_allclose(received["mean"], expected["mean"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(received["concentration"], expected["concentration"], rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 33])
def test_graphs_agree_with_keras_on_random_inputs(exported: Exported, rows: int) -> None:
    size, rng = exported.preset.preprocessing, np.random.default_rng(0)
    shape = (rows + 1, size.image_height, size.image_width, 3)
    inputs = {
        "token_ids": rng.integers(
            0, VOCABULARY_SIZE, (rows + 1, size.headline_tokens), dtype=np.int32
        ),
        "pixels": rng.integers(0, 256, shape, dtype=np.uint8),
        "present": np.array([[1, 1, 0]] * (rows + 1), np.float32),
    }
    assert_graphs_agree_with_keras(exported, inputs)


def test_graphs_agree_with_keras_on_drawn_creatives(
    exported: Exported, creatives: list[Creative]
) -> None:
    assert_graphs_agree_with_keras(exported, exported.prepare(creatives))


@pytest.mark.realdata
def test_graphs_agree_with_keras_on_real_creatives(exported: Exported) -> None:
    folder = DATA / "banners"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    with (folder / "creatives.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))[::10]
    creatives = [
        Creative(row["headline"], (folder / row["asset_file"]).read_bytes()) for row in rows
    ]
    assert_graphs_agree_with_keras(exported, exported.prepare(creatives))


def test_text_tower_is_one_lstm_node_without_a_loop(exported: Exported) -> None:
    graph = onnx.load_from_string(exported.files[files.HEADLINE_ENCODER]).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("LSTM") == 1
    assert not {"Loop", "Scan", "If"} & set(kinds)


def test_head_is_small_and_straight(exported: Exported) -> None:
    """It runs for every pair of headline and image, so it may neither loop nor grow."""
    graph = onnx.load_from_string(exported.files[files.HEAD]).graph
    kinds = [node.op_type for node in graph.node]
    assert not {"Loop", "Scan", "If", "LSTM", "Conv"} & set(kinds)
    assert len(kinds) < 120


def test_keras_file_opens_with_plain_keras_and_predicts_the_same(
    exported: Exported, creatives: list[Creative], tmp_path: Path
) -> None:
    path = tmp_path / files.KERAS_MODEL
    path.write_bytes(exported.files[files.KERAS_MODEL])
    inputs = exported.prepare(creatives[:8])
    received = keras.models.load_model(path).predict_on_batch(inputs)
    expected = exported.network.whole.predict_on_batch(inputs)
    for name in ("mean", "concentration"):
        np.testing.assert_array_equal(received[name], expected[name])
