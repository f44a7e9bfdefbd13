"""Manifests that make no sense and graphs that need other files, each with right checksums."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from adscore.bundle import HEAD, Manifest, read_bundle
from adscore.bundle.validate import validate_graph, validate_manifest
from adscore.errors import BundleError

FILE = Path("sample/1/manifest.json")
GRAPH = Path("sample/1/head.onnx")


@pytest.fixture(scope="module")
def manifest(model_dir: Path) -> Manifest:
    return read_bundle(model_dir / "1").manifest


def refusal(manifest: Manifest) -> str:
    with pytest.raises(BundleError) as caught:
        validate_manifest(FILE, manifest)
    assert str(caught.value).startswith(str(FILE))
    return str(caught.value)


# === Manifests ===


@pytest.mark.parametrize(
    "reference",
    [
        (),
        (0.5,),
        tuple(1 - n / 101 for n in range(101)),
        (*(n / 200 for n in range(100)), 0.1),
        (*(n / 200 for n in range(100)), 1.5),
        (*(n / 200 for n in range(100)), float("nan")),
        (-0.1, *(n / 200 for n in range(100))),
    ],
    ids=["none", "one", "falling", "a fall", "above 1", "nan", "below 0"],
)
def test_a_reference_is_101_rising_rates(manifest: Manifest, reference: tuple[float, ...]) -> None:
    message = refusal(dataclasses.replace(manifest, reference={"ctr": reference}))
    assert "reference of 'ctr': expected 101 rising rates from 0 to 1" in message
    assert len(message) < 300


def test_a_reference_of_equal_rates_is_one(manifest: Manifest) -> None:
    validate_manifest(FILE, dataclasses.replace(manifest, reference={"ctr": (0.02,) * 101}))


@pytest.mark.parametrize(
    "changes",
    [
        {"max_image_pixels": 10**12},
        {"max_image_bytes": -1},
        {"max_headline_characters": 10**9},
        {"max_combinations": 10**9},
        {"image_formats": ("JPEG", "EPS")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_model_accepts_no_more_than_adscore_does(
    manifest: Manifest, changes: dict[str, Any]
) -> None:
    limits = dataclasses.replace(manifest.limits, **changes)
    message = refusal(dataclasses.replace(manifest, limits=limits))
    assert f"{next(iter(changes))}: expected" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"image_height": 100_000},
        {"image_width": 0},
        {"image_resampling": 6},
        {"headline_tokens": 10**9},
        {"headline_padding_id": -1},
        {"ngram_buckets": 2**40},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_inputs_of_towers_are_bounded(manifest: Manifest, changes: dict[str, Any]) -> None:
    read = dataclasses.replace(manifest.preprocessing, **changes)
    message = refusal(dataclasses.replace(manifest, preprocessing=read))
    assert f"{next(iter(changes))}: expected" in message


def test_every_fault_is_told_at_once(manifest: Manifest) -> None:
    limits = dataclasses.replace(manifest.limits, context_names=("placement\x1b[2J",))
    twice = dataclasses.replace(
        manifest, limits=limits, targets=("ctr", "ctr"), familiarity={"sound": 1.0}
    )
    message = refusal(twice)
    assert "targets: expected distinct names" in message
    assert "context_names: expected those with values, none" in message
    assert "familiarity: expected a distance" in message
    assert "\x1b" not in message


# === Graphs ===


def external(name: str = "weights") -> TensorProto:
    tensor = TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def graph_of(*nodes: onnx.NodeProto, **parts: Any) -> onnx.GraphProto:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    return helper.make_graph(list(nodes), "graph", [], [output], **parts)


def constant(value: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["y"], value=value)


def branch(inner: onnx.GraphProto) -> onnx.NodeProto:
    return helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)


def sparse(tensor: TensorProto) -> onnx.SparseTensorProto:
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    return helper.make_sparse_tensor(tensor, indices, [1])


INSIDE = helper.make_tensor("weights", TensorProto.FLOAT, [1], [0.5])


def functions(tensor: TensorProto) -> onnx.ModelProto:
    opset = helper.make_opsetid("", 17)
    function = helper.make_function("own", "f", [], ["y"], [constant(tensor)], [opset])
    return helper.make_model(graph_of(), functions=[function])


PLACES = {
    "initializer": lambda tensor: helper.make_model(graph_of(initializer=[tensor])),
    "constant": lambda tensor: helper.make_model(graph_of(constant(tensor))),
    "branch": lambda tensor: helper.make_model(graph_of(branch(graph_of(constant(tensor))))),
    "sparse": lambda tensor: helper.make_model(graph_of(sparse_initializer=[sparse(tensor)])),
    "function": functions,
}


@pytest.mark.parametrize("place", PLACES)
def test_weights_in_another_file_are_refused_wherever_they_stand(place: str) -> None:
    validate_graph(GRAPH, PLACES[place](INSIDE).SerializeToString())
    with pytest.raises(BundleError, match=r"head\.onnx: .* weights in another file"):
        validate_graph(GRAPH, PLACES[place](external()).SerializeToString())


def test_a_format_of_the_runtimes_own_is_refused() -> None:
    with pytest.raises(BundleError, match="ONNX Runtime's own format"):
        validate_graph(GRAPH, b"\x08\0\0\0ORTM" + bytes(64))


def test_deep_nesting_takes_no_stack() -> None:
    graph = graph_of(constant(external()))
    for _ in range(40):
        graph = graph_of(branch(graph)) if len(graph.SerializeToString()) < 10**6 else graph
    with pytest.raises(BundleError, match="another file"):
        validate_graph(GRAPH, helper.make_model(graph).SerializeToString())


@given(st.binary(max_size=300))
def test_any_bytes_pass_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(BundleError):
        validate_graph(GRAPH, data)


@given(st.data())
def test_a_graph_with_changed_bytes_passes_or_is_refused(
    model_dir: Path, data: st.DataObject
) -> None:
    graph = bytearray((model_dir / "1" / HEAD).read_bytes()[:5_000])
    for place in data.draw(st.lists(st.integers(0, len(graph) - 1), max_size=5)):
        graph[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BundleError):
        validate_graph(GRAPH, bytes(graph))
