"""Reads ONNX models, and adds nodes to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper, version_converter

from adscore.errors import TrainingError

Model = Any  # onnx.ModelProto, of which mypy knows nothing

FEATURES = "features"
# The opset in which Keras exports towers. A model can be converted to a newer one, not to an older.
MIN_OPSET = 15
MIN_LENGTH = 1e-6  # least norm of a vector that is scaled to unit length


class GraphEditor:
    """Adds nodes to a graph, under names that are unique.

    Args:
        model: The model; changed in place.
        prefix: Prefix of new names; each editor of a model needs its own.
    """

    def __init__(self, model: Model, prefix: str = "features") -> None:
        self.model = model
        self._prefix = f"adscore/{prefix}"
        self._count = 0

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Adds a node of one output and returns the output's name."""
        output = self._name(operator)
        self.model.graph.node.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def constant(self, value: NDArray[np.generic]) -> str:
        """Adds a constant and returns its name."""
        name = self._name("constant")
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def unit_length(self, rows: str) -> str:
        """(b, f) -> (b, f), each row of length 1."""
        squares = self.add(
            "ReduceSum", self.add("Mul", rows, rows), self.constant(np.array([1])), keepdims=1
        )
        smallest = self.constant(np.array(MIN_LENGTH, np.float32))
        return self.add("Div", rows, self.add("Max", self.add("Sqrt", squares), smallest))

    def finish(self, parts: Sequence[str]) -> Model:
        """Joins (b, f) tensors to the one output, `features`."""
        joined = self.add("Concat", *parts, axis=1)
        self.model.graph.node.append(helper.make_node("Identity", [joined], [FEATURES]))
        del self.model.graph.output[:]
        output = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", None])
        self.model.graph.output.append(output)
        return self.model

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}/{kind}_{self._count}"


def read_model(path: Any, where: str) -> Model:
    """Reads an ONNX file and converts it to an opset that towers can be joined to.

    Raises:
        TrainingError: The file is not a model, or too old to convert.
    """
    model = _loaded(path, where, weights=True)
    used = {node.domain for node in model.graph.node} | {""}
    keep_opsets(model, {entry.domain: entry.version for entry in model.opset_import}, used)
    model = _brought_up(model, f"{where}: {path.name}")
    _drop_constant_inputs(model)
    _free_batch(model)
    return model


def read_signature(path: Any, where: str) -> Model:
    """Reads the inputs of an ONNX file, without weights in other files.

    Raises:
        TrainingError: The file is not a model.
    """
    model = _loaded(path, where, weights=False)
    _drop_constant_inputs(model)
    return model


def _loaded(path: Any, where: str, *, weights: bool) -> Model:
    try:
        return onnx.load(path, load_external_data=weights)
    except Exception as error:  # protobuf's and onnx's own exceptions
        raise TrainingError(
            f"{where}: expected an ONNX model in {path.name}. Received: {error}"
        ) from error


def _brought_up(model: Model, where: str) -> Model:
    version = opset(model)
    if version >= MIN_OPSET:
        return model
    try:
        return version_converter.convert_version(model, MIN_OPSET)
    except Exception as error:  # the converter's own exceptions
        reason = str(error).strip().splitlines()[-1]
        raise TrainingError(
            f"{where}: expected operators of opset {MIN_OPSET} or newer, or such as onnx can "
            f"convert. Received: opset {version}, and {reason}. Export the encoder again"
        ) from error


def opset(model: Model) -> int:
    """Version of the standard operators that a model uses."""
    return next((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)


def keep_opsets(model: Model, versions: dict[str, int], used: set[str]) -> None:
    """Removes the operator sets that a model's nodes do not use."""
    versions = {"" if domain == "ai.onnx" else domain: v for domain, v in versions.items()}
    used = {"" if domain == "ai.onnx" else domain for domain in used}
    used |= {node.domain for function in model.functions for node in function.node}
    del model.opset_import[:]
    model.opset_import.extend(
        helper.make_opsetid(domain, version)
        for domain, version in versions.items()
        if domain in used
    )


def graph_inputs(model: Model) -> list[Any]:
    """The inputs that a caller must feed, without constants."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _drop_constant_inputs(model: Model) -> None:
    """Removes constants from the inputs, where old and converted files list them too."""
    inputs = graph_inputs(model)
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _free_batch(model: Model) -> None:
    """Frees the batch size: an encoder exported for one creative mostly runs on any number."""
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"


def dimensions(value: Any) -> list[int | None]:
    """Sizes of a tensor's axes; None for a variable one."""
    shape = value.type.tensor_type.shape.dim
    return [axis.dim_value if axis.HasField("dim_value") else None for axis in shape]


def described(value: Any) -> str:
    """A tensor for an error's text, such as ``pixel_values float32 [batch, 3, 224, 224]``."""
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    shape = [axis.dim_param or axis.dim_value or "?" for axis in value.type.tensor_type.shape.dim]
    return f"{value.name} {'float32' if kind == 'float' else kind} [{', '.join(map(str, shape))}]"


def with_parts_as_outputs(model: Model) -> Model:
    """A copy with the tensors that `GraphEditor.finish` joined as separate outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    joined = next(node for node in reversed(copy.graph.node) if node.op_type == "Concat")
    del copy.graph.output[:]
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None])
        for name in joined.input
    )
    return copy


def join(front: Model, back: bytes, features: str) -> bytes:
    """Joins a graph that ends in `features` to one that begins with them.

    Args:
        front: A frozen encoder.
        back: A trained tower.
        features: Name of the tower's input that takes the features.
    """
    tower = onnx.load_from_string(back)
    version = opset(front)
    if opset(tower) != version:
        tower = version_converter.convert_version(tower, version)
    _drop_constant_inputs(tower)
    keep_opsets(tower, {"": version}, {""})
    tower = compose.add_prefix(tower, "tower/", rename_inputs=False, rename_outputs=False)
    front = compose.add_prefix(front, "encoder/", rename_inputs=False, rename_outputs=False)
    tower.ir_version = front.ir_version
    joined = compose.merge_models(front, tower, io_map=[(FEATURES, features)])
    versions = {entry.domain: entry.version for entry in joined.opset_import}
    keep_opsets(joined, versions, set(versions))  # `merge_models` lists each twice
    return bytes(joined.SerializeToString(deterministic=True))
