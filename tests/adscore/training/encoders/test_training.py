"""Training on frozen encoders: the bundle scores what the training path computed."""

import dataclasses
import shutil

import keras
import numpy as np
import onnx
import pytest

from adscore.bundle import HEADLINE_ENCODER, IMAGE_ENCODER, read_bundle, resolve_bundle
from adscore.errors import TrainingError
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.scorer import Scorer
from adscore.scoring.text import HeadlineReader
from adscore.table import Columns, Target, read_table
from adscore.training import TrainingOptions, train
from adscore.training.encoders.published import Encoders
from adscore.training.export import export_network
from adscore.training.inputs import read_inputs
from adscore.training.model import fit_model
from adscore.training.presets import BASELINE, DEFAULT
from adscore.training.problem import load_training_data, read_problem
from adscore.training.towers import build_towers

TINY = dataclasses.replace(
    DEFAULT, conv_filters=(4, 4), lstm_width=8, max_epochs=2, ngram_buckets=64
)


@pytest.fixture
def table(sample_dir):
    target = Target.parse("ctr=clicks/impressions")
    return read_table(sample_dir / "creatives.csv", Columns(), [target])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("towers", "version"), [(("text", "image"), 17), (("text",), 18), (("image",), 21)]
)
def test_trained_bundle_opens_and_scores(
    towers, version, table, creatives, text_encoder, image_encoder, cache, tmp_path
):
    for folder in (text_encoder, image_encoder):
        model = onnx.load(folder / "onnx" / "model.onnx")
        model.opset_import[0].version = version  # its operators have not changed since 17
        onnx.save(model, folder / "onnx" / "model.onnx")
    options = TrainingOptions(
        TINY,
        text_encoder=str(text_encoder) if "text" in towers else None,
        image_encoder=str(image_encoder) if "image" in towers else None,
    )
    result = train(table, tmp_path / "model", options)
    shutil.rmtree(text_encoder)
    shutil.rmtree(image_encoder)
    scorer = Scorer.open(result.path)  # checks the golden scores
    scores = scorer.score(creatives[:5])
    assert all(0 < score.targets["ctr"].mean < 1 for score in scores)
    names = {"text": ("headline", "toy-bert"), "image": ("image", "toy-conv-net")}
    assert dict(scorer.manifest.training.encoders) == dict(names[tower] for tower in towers)
    card = (result.path / "MODEL_CARD.md").read_text()
    assert all(names[tower][1] in card for tower in towers)
    assert {path.name for path in result.path.glob("*.onnx")} == {
        "headline_encoder.onnx", "image_encoder.onnx", "head.onnx"
    }  # fmt: skip
    if len(towers) == 2:
        assert_keras_file_holds_the_trained_part(result.path)


def assert_keras_file_holds_the_trained_part(path):
    model = keras.models.load_model(path / "model.keras")
    assert {tensor.name for tensor in model.inputs} == {
        "headline_features", "headline_statistics", "ngram_ids", "image_features", "present"
    }  # fmt: skip
    bundle = read_bundle(resolve_bundle(path.parent))
    assert bundle.manifest.preprocessing.ngram_buckets == 64
    assert bundle.manifest.preprocessing.image_resampling == 3


def test_exported_graphs_agree_with_cached_features_and_keras(
    table, text_encoder, image_encoder, cache
):
    options = TrainingOptions(
        TINY, text_encoder=str(text_encoder), image_encoder=str(image_encoder)
    )
    problem = read_problem(table, options)
    data, read = problem.data, problem.preset.preprocessing
    every = read_inputs(problem)
    models = {name: tower.embedding for name, tower in build_towers(problem, every).items()}
    rng = np.random.default_rng(0)
    for model in models.values():  # as if it had been fitted
        for weight in model.trainable_weights:
            weight.assign(rng.normal(size=weight.shape) * 0.3)
    exported = export_network(models, None, problem.encoders)
    rows = np.arange(len(data))
    inputs = every.batch(rows)

    graph = Graph(exported[HEADLINE_ENCODER], RuntimeOptions(1))
    arrays, _ = HeadlineReader(every.tokenizer, read, graph.input_names).read(data.headlines)
    names = ("headline_features", "headline_statistics", "ngram_ids")
    fitted = models["headline"].predict_on_batch({name: inputs[name] for name in names})
    assert graph.run(arrays)["embedding"] == pytest.approx(fitted["embedding"], abs=1e-2)

    graph = Graph(exported[IMAGE_ENCODER], RuntimeOptions(1))
    decoded = load_training_data(table, problem.preset)
    served = graph.run({"pixels": decoded.images[decoded.image_index]})["embedding"]
    fitted = models["image"].predict_on_batch({"image_features": inputs["image_features"]})
    assert served == pytest.approx(fitted["embedding"], abs=1e-2)


@pytest.mark.slow
def test_every_row_is_predicted_once_by_heads_that_never_saw_its_group(
    table, text_encoder, image_encoder, cache
):
    places = [f"place of {name}" for name in table.group_names]
    options = TrainingOptions(
        TINY, text_encoder=str(text_encoder), image_encoder=str(image_encoder)
    )
    problem = read_problem(dataclasses.replace(table, context={"placement": places}), options)
    before = fit_model(problem).left_out
    assert before.folds == 5
    assert before.rows.tolist() == list(range(60))
    data, group = problem.data, problem.data.groups == problem.data.groups[0]
    successes = data.successes.copy()
    successes[group] = data.trials[group] - successes[group]
    changed = dataclasses.replace(data, successes=successes)
    after = fit_model(dataclasses.replace(problem, data=changed)).left_out
    np.testing.assert_array_equal(before.rates.mean[group], after.rates.mean[group])
    others = data.groups[:, None] != data.groups[group][0]
    assert (before.rates.mean != after.rates.mean)[others].mean() > 0.5
    # A value of context that the others do not have is not known: another's changes nothing.
    np.testing.assert_array_equal(before.exchanged["context"].mean, before.rates.mean)


def test_preset_without_projection_takes_no_encoder(text_encoder):
    with pytest.raises(TrainingError, match=r"preset 'baseline': .*Received: toy-bert"):
        Encoders.open(str(text_encoder), None).adapt(BASELINE)
