"""Statistics of an image's pixels, as a graph: the input of an image tower without an encoder.

They describe colours, layout and edges. A few hundred banners are too few to learn filters, but
enough to learn which of these matter: on simulated banners they distinguish a badge, a button,
clutter and the product's size (`benchmarks/planted.py`). They have the form of a published encoder
and join the same graph, so that training and scoring share their code.

b images, c channels, h x w pixels, f features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from adscore.scoring.image import ImageSize
from adscore.training.encoders.onnx_graph import MIN_OPSET, GraphEditor, Model

Numbers = NDArray[np.floating[Any]]

SIZE = 64  # approximate side in pixels; larger images are averaged down to it
GRID = 4  # places along each side
BINS = 8  # bins of one channel's distribution
SHADES = 4  # levels of red, green and blue in the joint distribution
MIN_SQUARE = 1e-6  # least square of a slope under a root
# Lightness, red-green, yellow-blue; and the range of each. Saturation is the fourth channel.
OPPONENTS = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [0.5, 0.5, -1]], np.float32)
RANGES = np.array([[0, 1], [-0.6, 0.6], [-0.6, 0.6], [0, 1]], np.float32)
# Widths: colours, their separate and joint distributions, layout, and edges.
WIDTHS = (4 * 2, 4 * BINS, SHADES**3, 4 * GRID**2, 4 * (GRID**2 + 1))


def image_statistics(size: ImageSize) -> Model:
    """Builds pixels (b, h, w, 3) uint8 -> features (b, sum of `WIDTHS`) float32."""
    shape = ["batch", size.height, size.width, 3]
    graph = helper.make_graph(
        [], "statistics", [helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)], []
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", MIN_OPSET)])
    model.ir_version = 8
    editor = GraphEditor(model)
    return editor.finish(add_statistics(editor, size))


def add_statistics(editor: GraphEditor, size: ImageSize) -> list[str]:
    """Adds statistics to a graph that reads pixels; returns names of (b, f), f as in `WIDTHS`."""
    scale = editor.constant(np.array(1 / 255, np.float32))
    colours = editor.add("Mul", editor.add("Cast", "pixels", to=TensorProto.FLOAT), scale)
    colours = editor.add("Transpose", colours, perm=[0, 3, 1, 2])  # (b, 3, h, w) from 0 to 1
    factor = max(1, round(min(size.height, size.width) / SIZE))
    sides = (size.height // factor, size.width // factor)
    if factor > 1:
        colours = _averaged(editor, colours, (factor, factor))
    opposed = editor.add("Conv", colours, editor.constant(OPPONENTS[:, :, None, None]))
    # Channel by channel, since the way to name the axes of a reduction depends on the opset.
    each = [
        editor.add("Gather", colours, editor.constant(np.array([channel])), axis=1)
        for channel in range(3)
    ]
    most, least = (editor.add(name, *each) for name in ("Max", "Min"))
    channels = editor.add("Concat", opposed, editor.add("Sub", most, least), axis=1)
    moments = (_mean(editor, channels), _deviation(editor, channels))
    return [
        editor.add("Concat", *(_flat(editor, one) for one in moments), axis=1),
        _distributions(editor, channels),
        _joint_distribution(editor, colours, sides),
        _flat(editor, _averaged(editor, channels, _places(sides))),
        _edges(editor, opposed, sides),
    ]


def _distributions(editor: GraphEditor, channels: str) -> str:
    """Square roots of the shares of each channel's pixels near certain values, (b, f)."""
    step = (RANGES[:, 1] - RANGES[:, 0]) / (BINS - 1)
    found = []
    for number in range(BINS):
        near = _nearness(editor, channels, RANGES[:, 0] + number * step, step)
        found.append(_flat(editor, _mean(editor, near)))
    return editor.add("Sqrt", editor.add("Concat", *found, axis=1))


def _joint_distribution(editor: GraphEditor, colours: str, sides: tuple[int, int]) -> str:
    """Square roots of the shares of pixels near certain colours, (b, f)."""
    step = np.full(3, 1 / (SHADES - 1), np.float32)
    near = [
        editor.add("Unsqueeze", _nearness(editor, colours, number * step, step), _axis(editor, 2))
        for number in range(SHADES)
    ]
    shades = editor.add("Concat", *near, axis=2)  # (b, 3, shades, h, w)
    pixels = sides[0] * sides[1]
    shape = editor.constant(np.array([0, 3, SHADES, pixels]))
    shades = editor.add("Reshape", shades, shape)
    red, green, blue = (
        editor.add("Gather", shades, editor.constant(np.array(channel)), axis=1)
        for channel in range(3)
    )  # (b, shades, pixels) each
    pairs = editor.add(
        "Mul",
        editor.add("Unsqueeze", red, _axis(editor, 2)),
        editor.add("Unsqueeze", green, _axis(editor, 1)),
    )
    flat = editor.constant(np.array([0, SHADES**2, pixels]))
    pairs = editor.add("Reshape", pairs, flat)
    joint = editor.add("MatMul", pairs, editor.add("Transpose", blue, perm=[0, 2, 1]))
    share = editor.add("Mul", joint, editor.constant(np.array(1 / pixels, np.float32)))
    return editor.add("Sqrt", editor.add("Flatten", share, axis=1))


def _edges(editor: GraphEditor, opposed: str, sides: tuple[int, int]) -> str:
    """Square roots of the mean slope of lightness in four directions, by place and overall."""
    kernel = np.zeros((2, 3, 3, 3), np.float32)  # of lightness, which is the first channel, alone
    kernel[0, 0, 1, [0, 2]] = kernel[1, 0, [0, 2], 1] = (-1, 1)
    slopes = editor.add("Conv", opposed, editor.constant(kernel))  # (b, 2, h - 2, w - 2)
    across, down = (
        editor.add("Gather", slopes, editor.constant(np.array([axis])), axis=1) for axis in (0, 1)
    )
    smallest = editor.constant(np.array(MIN_SQUARE, np.float32))
    squares = editor.add("Add", editor.add("Mul", across, across), editor.add("Mul", down, down))
    length = editor.add("Sqrt", editor.add("Add", squares, smallest))
    product = editor.add("Mul", across, down)
    slants = [
        editor.add("Div", editor.add("Relu", signed), length)
        for signed in (product, editor.add("Neg", product))
    ]
    straight = [editor.add("Abs", slope) for slope in (across, down)]
    directions = editor.add("Concat", *straight, *slants, axis=1)
    inner = (sides[0] - 2, sides[1] - 2)
    found = (_averaged(editor, directions, _places(inner)), _mean(editor, directions))
    return editor.add("Sqrt", editor.add("Concat", *(_flat(editor, o) for o in found), axis=1))


def _nearness(editor: GraphEditor, channels: str, values: Numbers, reach: Numbers) -> str:
    """1 where a channel has a value, falling to 0 at a distance `reach`; same shape as channels."""

    def each(numbers: Numbers) -> str:
        return editor.constant(numbers.astype(np.float32)[:, None, None])

    far = editor.add("Abs", editor.add("Sub", channels, each(values)))
    one = editor.constant(np.array(1, np.float32))
    return editor.add("Relu", editor.add("Sub", one, editor.add("Div", far, each(reach))))


def _places(sides: tuple[int, int]) -> tuple[int, int]:
    """Pixels per place along each side; a remainder at the far edges is ignored."""
    return max(1, sides[0] // GRID), max(1, sides[1] // GRID)


def _averaged(editor: GraphEditor, maps: str, window: tuple[int, int]) -> str:
    return editor.add("AveragePool", maps, kernel_shape=list(window), strides=list(window))


def _mean(editor: GraphEditor, maps: str) -> str:
    return editor.add("GlobalAveragePool", maps)


def _deviation(editor: GraphEditor, maps: str) -> str:
    centred = editor.add("Sub", maps, _mean(editor, maps))
    return editor.add("Sqrt", _mean(editor, editor.add("Mul", centred, centred)))


def _flat(editor: GraphEditor, maps: str) -> str:
    return editor.add("Flatten", maps, axis=1)


def _axis(editor: GraphEditor, axis: int) -> str:
    return editor.constant(np.array([axis]))
