"""Tiny encoders in the Hugging Face layout, built node by node."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

WIDTH = 8
SIZE = 16
HEADLINES = ["Save 20% on running shoes", "A calmer way to plan", "Running shoes, for less"]


class Graph:
    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(self.rng.normal(size=shape) * 0.5)

    def save(self, path: Path, inputs: list[object], outputs: list[object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        graph = helper.make_graph(self.nodes, "toy", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path)


def write_bert(path: Path, vocabulary: int, *, layer_normalisation: bool = True) -> None:
    """Two blocks of attention and a feed-forward layer, each with its normalisation."""
    g = Graph(0)

    def normalised(states: str) -> str:
        if not layer_normalisation:
            return g.add("Tanh", states)
        return g.add(
            "LayerNormalization", states, g.constant(np.ones(WIDTH)), g.constant(np.zeros(WIDTH))
        )

    words = g.add("Gather", g.weights(vocabulary, WIDTH), "input_ids")
    types = g.add("Gather", g.weights(2, WIDTH), "token_type_ids")
    states = normalised(g.add("Add", words, types))
    present = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    absent = g.add("Sub", g.constant(1.0), present)
    bias = g.add("Mul", g.add("Unsqueeze", absent, g.constant([1], np.int64)), g.constant(-1e4))
    for _ in range(2):
        keys = g.add("Transpose", g.add("MatMul", states, g.weights(WIDTH, WIDTH)), perm=[0, 2, 1])
        shares = g.add("Softmax", g.add("Add", g.add("MatMul", states, keys), bias), axis=-1)
        states = normalised(g.add("Add", states, g.add("MatMul", shares, states)))
        hidden = g.add("Relu", g.add("MatMul", states, g.weights(WIDTH, WIDTH)))
        states = g.add("Add", states, g.add("MatMul", hidden, g.weights(WIDTH, WIDTH)))
        states = normalised(states)
    g.add("Identity", states, output="last_hidden_state")
    names = ("input_ids", "attention_mask", "token_type_ids")
    g.save(
        path,
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in names],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "s", WIDTH])],
    )


def write_conv_net(path: Path, *, size: int = SIZE, end: str = "Flatten") -> None:
    """Maps of 8 x 8 with a residual connection, then of 4 x 4."""
    g = Graph(1)

    def conv(maps: str, before: int, after: int, stride: int) -> str:
        kernel = g.weights(after, before, 3, 3)
        maps = g.add("Conv", maps, kernel, pads=[1, 1, 1, 1], strides=[stride, stride])
        return g.add("Relu", maps)

    wide = conv("pixel_values", 3, 4, 2)
    summed = g.add("Add", wide, conv(wide, 4, 4, 1))
    deep = conv(g.add("Relu", summed), 4, 6, 2)
    pooled = g.add("GlobalAveragePool", deep)
    if end == "Flatten":
        g.add("Flatten", pooled, axis=1, output="embedding")
    else:
        g.add("ReduceMean", pooled, axes=[1, 2, 3], keepdims=0, output="embedding")
    g.save(
        path,
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["b", 3, size, size])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)],
    )


def write_tokenizer(path: Path) -> int:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(HEADLINES * 3, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(path))
    return int(tokenizer.get_vocab_size())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for features."""
    monkeypatch.setenv("ADSCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def text_encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "toy-bert"
    folder.mkdir()
    vocabulary = write_tokenizer(folder / "tokenizer.json")
    write_bert(folder / "onnx" / "model.onnx", vocabulary)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 12}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})
    )
    return folder


@pytest.fixture
def image_encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "toy-conv-net"
    write_conv_net(folder / "onnx" / "model.onnx")
    config = {
        "size": {"height": SIZE, "width": SIZE},
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.25, 0.2],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def change_json() -> Callable[..., None]:
    def change(path: Path, **entries: object) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | entries))

    return change


@pytest.fixture
def write_toy_bert() -> Callable[..., None]:
    return write_bert


@pytest.fixture
def write_toy_conv_net() -> Callable[..., None]:
    return write_conv_net
