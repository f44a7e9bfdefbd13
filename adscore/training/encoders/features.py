"""Selects the tensors of an encoder that become features, and pools them.

Axis letters: b creatives, s tokens, c channels, h x w positions of a map, f features.

Features are more than an encoder's final output: middle layers keep wording and colour that the
last one has lost, and need no second pass (Tenney et al. 2019, "BERT rediscovers the classical NLP
pipeline", found the same for text). Nothing here depends on an encoder's name; if the rules find no
inner layers, the final output is used alone.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, shape_inference

from adscore.scoring.image import ImageSize
from adscore.training.encoders.onnx_graph import GraphEditor, Model, dimensions, graph_inputs
from adscore.training.encoders.statistics import add_statistics


def add_text_features(model: Model, output: tuple[str, int], pooling: str) -> Model:
    """Adds the features of a text encoder: final output and inner layers, each of unit length.

    Args:
        model: The encoder; changed in place.
        output: Name and rank of its final output, (b, s, f) or (b, f).
        pooling: How an output (b, s, f) is pooled, `mean` or `cls`.
    """
    editor = GraphEditor(model)
    name, rank = output
    inner = [block for block in block_outputs(model) if block != name]
    mask = editor.add("Cast", "attention_mask", to=TensorProto.FLOAT)  # (b, s)
    mask = editor.add("Unsqueeze", mask, editor.constant(np.array([1])))  # (b, 1, s)

    def mean(states: str) -> str:
        """(b, s, f) -> (b, f): a sum, which equals the mean once scaled to unit length."""
        total = editor.add("MatMul", mask, states)  # (b, 1, f)
        return editor.add("Squeeze", total, editor.constant(np.array([1])))

    pooled = name
    if rank == 3 and pooling == "mean":
        pooled = mean(name)
    elif rank == 3:
        pooled = editor.add("Gather", name, editor.constant(np.array(0)), axis=1)
    parts = [pooled, *(mean(block) for block in inner)]
    return editor.finish([editor.unit_length(part) for part in parts])


def add_image_features(
    model: Model,
    output: tuple[str, int],
    size: ImageSize,
    scale: NDArray[np.float32],
    shift: NDArray[np.float32],
) -> Model:
    """Adds the features of an image encoder: final output, mean and deviation of inner maps.

    The statistics used without an encoder come last, since it may not capture the same things.

    Args:
        model: The encoder; changed in place.
        output: Name and rank of its final output, (b, f), (b, patches, f) or (b, f, h, w); for an
            encoder with channels last, (b, h, w, f).
        size: Image size that it reads.
        scale: Factor of pixels for each channel, (3,).
        shift: Added to pixels after that, (3,).
    """
    maps = map_outputs(model, size.height, size.width)
    channels_last = has_channels_last(model)
    _read_pixels(model, scale, shift)
    editor = GraphEditor(model)
    name, rank = output
    if rank == 4:
        if channels_last:
            name = editor.add("Transpose", name, perm=[0, 3, 1, 2])
        name = editor.add("Flatten", editor.add("GlobalAveragePool", name), axis=1)
    if rank == 3:
        first = editor.add("Transpose", name, perm=[0, 2, 1])
        name = editor.add("Flatten", editor.add("GlobalAveragePool", first), axis=1)
    parts = [name]
    for part in maps:
        mean = editor.add("GlobalAveragePool", part)  # (b, c, 1, 1)
        centred = editor.add("Sub", part, mean)
        variance = editor.add("GlobalAveragePool", editor.add("Mul", centred, centred))
        deviation = editor.add("Sqrt", variance)
        parts += [editor.add("Flatten", part, axis=1) for part in (mean, deviation)]
    return editor.finish(parts + add_statistics(editor, size))


def has_channels_last(model: Model) -> bool:
    """Whether an image encoder reads (b, h, w, 3), as in TensorFlow, rather than (b, 3, h, w)."""
    _, *sizes = dimensions(graph_inputs(model)[0])
    return sizes[-1] == 3 and sizes[0] != 3


def _read_pixels(model: Model, scale: NDArray[np.float32], shift: NDArray[np.float32]) -> None:
    """Prepends nodes that convert pixels (b, h, w, 3) uint8 to the network's input."""
    value = graph_inputs(model)[0]
    channels_last = has_channels_last(model)
    network, nodes = value.name, list(model.graph.node)
    height, width = dimensions(value)[1:3] if channels_last else dimensions(value)[2:]
    model.graph.input.remove(value)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", height, width, 3])
    model.graph.input.insert(0, pixels)
    del model.graph.node[:]
    editor = GraphEditor(model, "pixels")
    scaled = editor.add("Mul", editor.add("Cast", "pixels", to=1), editor.constant(scale))
    shifted = editor.add("Add", scaled, editor.constant(shift))
    front = helper.make_node("Transpose", [shifted], [network], perm=[0, 3, 1, 2])
    if channels_last:
        front = helper.make_node("Identity", [shifted], [network])
    model.graph.node.extend([front, *nodes])


def block_outputs(model: Model) -> list[str]:
    """Names of the normalised embeddings and of every transformer block's output but the last.

    The last layer normalisation before an attention's softmax is the end of the block before it
    (or, in a pre-norm network, the start of its own).
    """
    found: list[str] = []
    latest = None
    for node in model.graph.node:
        if node.op_type == "LayerNormalization":
            latest = node.output[0]
        elif node.op_type == "Softmax" and latest is not None and latest not in found:
            found.append(latest)
    return found


def map_outputs(model: Model, height: int, width: int) -> list[str]:
    """The last maps (b, c, h, w) of each resolution between input and final output.

    For each resolution, takes the last sum of a residual connection, which ends a block; without
    one, the last maps of any kind. Attention has four axes too but no maps, so a graph with a
    softmax over four axes gives none.
    """
    shapes = _shapes(model, height, width)
    maps: dict[tuple[int, ...], str] = {}
    sums: dict[tuple[int, ...], str] = {}
    for node in model.graph.node:
        shape = shapes.get(node.output[0], ()) if node.output else ()
        if len(shape) != 4 or node.op_type == "Transpose":  # it only permutes maps
            continue
        if node.op_type == "Softmax":
            return []
        if min(shape[2:]) < 2 or shape[2:] == (height, width):
            continue
        maps[shape[2:]] = node.output[0]
        if node.op_type == "Add" and all(shapes.get(name) == shape for name in node.input):
            sums[shape[2:]] = node.output[0]
    return [sums.get(size, name) for size, name in maps.items()]


def _shapes(model: Model, height: int, width: int) -> dict[str, tuple[int, ...]]:
    """Fully known shapes of the tensors that nodes output, for one image."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    sizes = (1, height, width, 3) if has_channels_last(copy) else (1, 3, height, width)
    for value in graph_inputs(copy):
        for axis, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
            axis.dim_value = size
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(copy)
    except Exception:  # an unsupported operator: no shapes are known
        return {}
    known = {}
    for value in inferred.graph.value_info:
        inner = dimensions(value)
        if all(inner) and value.type.tensor_type.elem_type == TensorProto.FLOAT:
            known[value.name] = tuple(size for size in inner if size)
    return known
