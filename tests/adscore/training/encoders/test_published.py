"""Encoders' folders: what their features are, and which folders are refused."""

import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from adscore.errors import TrainingError
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.text import SubwordTokenizer
from adscore.training.encoders.onnx_graph import MIN_OPSET, opset
from adscore.training.encoders.published import (
    open_image_encoder,
    open_text_encoder,
    require_encoders,
)
from adscore.training.encoders.statistics import WIDTHS, image_statistics
from adscore.training.presets import DEFAULT

HEADLINES = ["Save 20% on running shoes", "A calmer way to plan"]


def run_exposed(path, inputs, names):
    """Outputs of an encoder as it was published, inner ones too."""
    model = onnx.load(path)
    for name in names:
        if name not in {output.name for output in model.graph.output}:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(names, inputs)


def nodes_of(path, operator):
    return [node.output[0] for node in onnx.load(path).graph.node if node.op_type == operator]


def features_of(model, inputs):
    return Graph(model.SerializeToString(), RuntimeOptions(1)).run(inputs)["features"]


def test_text_features_are_pooled_states_of_the_end_and_of_every_block(text_encoder):
    encoder = open_text_encoder(str(text_encoder))
    inputs, _ = SubwordTokenizer(encoder.tokenizer, encoder.tokens).encode(HEADLINES)
    path = text_encoder / "onnx" / "model.onnx"
    normalisations = nodes_of(path, "LayerNormalization")
    blocks = ["last_hidden_state", normalisations[0], normalisations[2]]
    mask = inputs["attention_mask"][..., None]
    expected = []
    for states in run_exposed(path, inputs, blocks):
        mean = (states * mask).sum(axis=1) / mask.sum(axis=1)
        expected.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
    features = features_of(encoder.model, inputs)
    assert encoder.width == features.shape[1] == 24
    assert features == pytest.approx(np.concatenate(expected, axis=1), abs=1e-5)


def test_padding_does_not_change_the_features_of_a_headline(text_encoder):
    encoder = open_text_encoder(str(text_encoder))
    tokenizer = SubwordTokenizer(encoder.tokenizer, encoder.tokens)
    alone = features_of(encoder.model, tokenizer.encode(HEADLINES[1:])[0])
    beside = features_of(encoder.model, tokenizer.encode(HEADLINES)[0])
    assert not encoder.apart
    assert alone[0] == pytest.approx(beside[1], abs=1e-5)


def test_first_token_is_taken_where_the_folder_says_so(text_encoder, change_json):
    pooling = text_encoder / "1_Pooling" / "config.json"
    change_json(pooling, pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    encoder = open_text_encoder(str(text_encoder))
    inputs, _ = SubwordTokenizer(encoder.tokenizer, encoder.tokens).encode(HEADLINES)
    (states,) = run_exposed(text_encoder / "onnx" / "model.onnx", inputs, ["last_hidden_state"])
    first = states[:, 0] / np.linalg.norm(states[:, 0], axis=1, keepdims=True)
    assert features_of(encoder.model, inputs)[:, :8] == pytest.approx(first, abs=1e-5)


def test_final_output_stands_alone_where_no_block_is_recognised(text_encoder, write_toy_bert):
    write_toy_bert(text_encoder / "onnx" / "model.onnx", 120, layer_normalisation=False)
    assert open_text_encoder(str(text_encoder)).width == 8


def test_files_without_folders_and_pooling_are_enough(text_encoder):
    shutil.move(text_encoder / "onnx" / "model.onnx", text_encoder / "model.onnx")
    shutil.rmtree(text_encoder / "1_Pooling")
    (text_encoder / "config.json").unlink()
    encoder = open_text_encoder(str(text_encoder))
    assert (encoder.width, encoder.tokens) == (24, 128)


def test_image_features_are_the_end_and_statistics_of_every_resolution(image_encoder):
    encoder = open_image_encoder(str(image_encoder))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    path = image_encoder / "onnx" / "model.onnx"
    scaled = (pixels / 255 - [0.5, 0.4, 0.3]) / [0.5, 0.25, 0.2]
    inputs = {"pixel_values": scaled.transpose(0, 3, 1, 2).astype(np.float32)}
    names = ["embedding", nodes_of(path, "Add")[0], nodes_of(path, "Relu")[-1]]
    end, wide, deep = run_exposed(path, inputs, names)
    expected = [end]
    for maps in (wide, deep):
        expected += [maps.mean(axis=(2, 3)), maps.std(axis=(2, 3))]
    features = features_of(encoder.model, {"pixels": pixels})
    assert encoder.width == features.shape[1] == 6 + 2 * 4 + 2 * 6 + sum(WIDTHS)
    expected.append(features_of(image_statistics(encoder.size), {"pixels": pixels}))
    assert features == pytest.approx(np.concatenate(expected, axis=1), abs=1e-4)
    assert (encoder.size.height, encoder.size.width, encoder.size.resampling) == (16, 16, 3)


@pytest.mark.parametrize("version", [11, 13, 18, 21])
def test_encoder_of_any_operators_is_opened_and_an_old_one_converted(image_encoder, version):
    path = image_encoder / "onnx" / "model.onnx"
    expected = open_image_encoder(str(image_encoder)).model
    model = onnx.load(path)
    model.opset_import[0].version = version  # its operators are the same in all of them
    onnx.save(model, path)
    converted = open_image_encoder(str(image_encoder)).model
    assert opset(converted) == max(MIN_OPSET, version)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert features_of(converted, {"pixels": pixels}) == pytest.approx(
        features_of(expected, {"pixels": pixels}), rel=1e-5
    )


@pytest.mark.parametrize("batch", [1, 2])
def test_encoder_that_was_exported_for_a_fixed_batch_takes_any(image_encoder, batch):
    path = image_encoder / "onnx" / "model.onnx"
    expected = open_image_encoder(str(image_encoder)).model
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    received = features_of(open_image_encoder(str(image_encoder)).model, {"pixels": pixels})
    assert received == pytest.approx(features_of(expected, {"pixels": pixels}), rel=1e-6)


@pytest.mark.parametrize("batch", [1, 2])
def test_encoder_whose_nodes_hold_a_fixed_batch_is_refused(image_encoder, batch):
    path = image_encoder / "onnx" / "model.onnx"
    model = onnx.load(path)
    last = model.graph.node[-1]
    shape = onnx.numpy_helper.from_array(np.array([batch, 6]), "shape")
    model.graph.initializer.append(shape)
    last.CopyFrom(helper.make_node("Reshape", [last.input[0], "shape"], list(last.output)))
    onnx.save(model, path)
    with pytest.raises(TrainingError, match=r"on a batch of 3. Received: "):
        open_image_encoder(str(image_encoder))


def test_encoder_that_cannot_be_converted_is_refused_when_it_is_opened(image_encoder):
    path = image_encoder / "onnx" / "model.onnx"
    model = onnx.load(path)
    model.opset_import[0].version = 6
    model.graph.node[1].op_type = "Upsample"
    onnx.save(model, path)
    with pytest.raises(
        TrainingError, match=r"model.onnx: expected operators of opset 15 .*opset 6"
    ):
        open_image_encoder(str(image_encoder))


def test_channels_last_give_the_same_features(image_encoder):
    path = image_encoder / "onnx" / "model.onnx"
    expected = open_image_encoder(str(image_encoder)).model
    model = onnx.load(path)
    turn = helper.make_node("Transpose", ["pixels_last"], ["pixel_values"], perm=[0, 3, 1, 2])
    model.graph.node.insert(0, turn)
    shape = ["b", 16, 16, 3]
    value = helper.make_tensor_value_info("pixels_last", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(value)
    onnx.save(model, path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    received = features_of(open_image_encoder(str(image_encoder)).model, {"pixels": pixels})
    assert received == pytest.approx(features_of(expected, {"pixels": pixels}), rel=1e-6)


@pytest.mark.parametrize(
    ("headline", "share"), [("running shoes", 0.0), ("\u4e00 \u4e8c shoes", 2 / 3)]
)
def test_share_of_unknown_tokens_is_counted(text_encoder, headline, share):
    assert open_text_encoder(str(text_encoder)).unknown_share([headline]) == pytest.approx(share)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("onnx", r"expected an encoder with onnx/model.onnx.* Received: a folder with "),
        ("tokenizer.json", r"expected a text encoder with tokenizer.json"),
    ],
)
def test_text_folder_without_a_file_is_refused(text_encoder, missing, message):
    path = text_encoder / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(TrainingError, match=message):
        open_text_encoder(str(text_encoder))


def test_image_folder_without_preprocessor_config_is_refused(image_encoder):
    (image_encoder / "preprocessor_config.json").unlink()
    with pytest.raises(TrainingError, match=r"expected .* preprocessor_config.json"):
        open_image_encoder(str(image_encoder))


def test_image_encoder_is_refused_as_a_text_encoder(text_encoder, image_encoder):
    shutil.copy(image_encoder / "onnx" / "model.onnx", text_encoder / "onnx" / "model.onnx")
    with pytest.raises(TrainingError, match=r"reads int64 .*Received: one that reads pixel_values"):
        open_text_encoder(str(text_encoder))


def test_text_encoder_is_refused_as_an_image_encoder(text_encoder, image_encoder):
    shutil.copy(text_encoder / "onnx" / "model.onnx", image_encoder / "onnx" / "model.onnx")
    with pytest.raises(TrainingError, match=r"reads float32 pixels .*Received: input_ids"):
        open_image_encoder(str(image_encoder))


def test_output_of_another_rank_is_refused(image_encoder, write_toy_conv_net):
    write_toy_conv_net(image_encoder / "onnx" / "model.onnx", end="one number")
    with pytest.raises(TrainingError, match=r"output of shape .*Received .*: embedding \[3\]"):
        open_image_encoder(str(image_encoder))


def test_graph_of_another_size_than_the_folder_says_is_refused(image_encoder, change_json):
    change_json(image_encoder / "preprocessor_config.json", size={"height": 24, "width": 16})
    with pytest.raises(
        TrainingError, match=r"\(batch, 3, 24, 16\) or .* alone. Received: pixel_values"
    ):
        open_image_encoder(str(image_encoder))


@pytest.mark.parametrize("kind", ["float16", "uint8"])
def test_pixels_of_another_type_are_refused_by_its_name(image_encoder, kind):
    path = image_encoder / "onnx" / "model.onnx"
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DataType.Value(kind.upper())
    onnx.save(model, path)
    with pytest.raises(TrainingError, match=rf"alone. Received: pixel_values {kind} \[b, 3, 16"):
        require_encoders(None, str(image_encoder), DEFAULT)


@pytest.mark.parametrize(
    "entries", [{"image_std": [0.5, 0, 0.5]}, {"image_mean": [1]}, {"size": {}}, {"resample": 9}]
)
def test_wrong_numbers_of_an_image_folder_are_refused(image_encoder, change_json, entries):
    change_json(image_encoder / "preprocessor_config.json", **entries)
    with pytest.raises(TrainingError, match=r"toy-conv-net: expected .*Received"):
        open_image_encoder(str(image_encoder))


def test_unknown_pooling_is_refused(text_encoder, change_json):
    pooling = text_encoder / "1_Pooling" / "config.json"
    change_json(pooling, pooling_mode_mean_tokens=False, pooling_mode_max_tokens=True)
    with pytest.raises(TrainingError, match="Received: pooling_mode_max_tokens"):
        open_text_encoder(str(text_encoder))


@pytest.mark.parametrize("name", ["onnx/model.onnx", "tokenizer.json", "config.json"])
def test_broken_file_is_refused(text_encoder, name):
    (text_encoder / name).write_bytes(b"\x00 not what it should be")
    with pytest.raises(TrainingError, match=r"toy-bert: expected .*Received"):
        open_text_encoder(str(text_encoder))


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"expected an encoder's folder.*is not a folder"):
        open_text_encoder(str(tmp_path / "nothing"))


def test_encoder_of_the_hub_is_found_in_its_cache(text_encoder, tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    snapshot = tmp_path / "hub" / "models--someone--toy-bert" / "snapshots" / ("0" * 40)
    shutil.copytree(text_encoder, snapshot)
    references = snapshot.parents[1] / "refs"
    references.mkdir()
    (references / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    encoder = open_text_encoder("hf://someone/toy-bert")
    assert (encoder.name, encoder.width) == ("someone/toy-bert", 24)
    with pytest.raises(TrainingError, match="hf://someone/else: expected a model on the hub"):
        open_text_encoder("hf://someone/else")
