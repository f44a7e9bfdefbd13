"""Published encoders in the Hugging Face layout, opened as graphs from raw input to features.

    text:   onnx/model.onnx, tokenizer.json, config.json, 1_Pooling/config.json
    image:  onnx/model.onnx, preprocessor_config.json

config.json and 1_Pooling/config.json are optional: the defaults are 128 tokens and mean pooling. A
folder may also be given as `hf://organisation/name`, which huggingface_hub looks up in its cache
and then on the hub.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from tokenizers import Tokenizer

from adscore.bundle import Preprocessing
from adscore.errors import TrainingError
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import ImageSize
from adscore.scoring.text import TOKEN_INPUTS
from adscore.training.encoders.features import (
    add_image_features,
    add_text_features,
    has_channels_last,
)
from adscore.training.encoders.folder import (
    contents,
    encoder_name,
    onnx_file,
    read_image_size,
    read_json,
    read_pooling,
    read_scaling,
    read_tokenizer,
    resolve_encoder,
    unknown_id,
)
from adscore.training.encoders.onnx_graph import (
    Model,
    described,
    dimensions,
    graph_inputs,
    read_model,
    read_signature,
    with_parts_as_outputs,
)
from adscore.training.encoders.statistics import WIDTHS, image_statistics
from adscore.training.presets import Preset

# Such an operator measures the range of the whole batch, so a headline's features would depend on
# the other headlines in the batch.
BATCH_DEPENDENT = {"DynamicQuantizeLinear"}

# Number of creatives in the test run of an opened encoder; nobody exports one for this batch size.
PROBE = 3


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """A text encoder: token ids, mask and types -> features.

    Attributes:
        name: Name in manifests.
        model: The graph, with the one output `features`, (batch, width) float32.
        blocks: Widths of the outputs in the features, the final one first.
        tokenizer: Content of tokenizer.json.
        tokens: Number of ids to which a headline is truncated.
        padding_id: Id for padding.
        pads_left: Whether padding comes before the headline.
        apart: Whether headlines are encoded one by one, so that their features are independent.
    """

    name: str
    model: Model = field(repr=False)
    blocks: tuple[int, ...]
    tokenizer: str = field(repr=False)
    tokens: int
    padding_id: int
    pads_left: bool
    apart: bool

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(self.blocks)

    def digest(self) -> bytes:
        """Hash of everything that a headline's features depend on."""
        graph = self.model.SerializeToString(deterministic=True)
        return _digest(
            graph,
            self.tokenizer.encode(),
            repr((self.tokens, self.padding_id, self.pads_left)).encode(),
        )

    def unknown_share(self, headlines: Sequence[str]) -> float:
        """Share of the headlines' tokens, from 0 to 1, that the tokenizer does not know."""
        unknown, tokenizer = unknown_id(self.tokenizer), Tokenizer.from_str(self.tokenizer)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        encodings = tokenizer.encode_batch_fast(list(headlines), add_special_tokens=False)
        ids = [number for encoding in encodings for number in encoding.ids]
        return sum(number == unknown for number in ids) / max(1, len(ids))


@dataclass(frozen=True, slots=True)
class ImageEncoder:
    """An image encoder: pixels (batch, height, width, 3) uint8 -> features.

    Attributes:
        name: Name in manifests; ``""`` for statistics alone, which are not a published encoder.
        model: The graph, with the one output `features`, (batch, width) float32.
        blocks: Widths of the outputs in the features: the final one first, the statistics last.
        size: Height and width that it reads, and how images are resized.
    """

    name: str
    model: Model = field(repr=False)
    blocks: tuple[int, ...]
    size: ImageSize

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(self.blocks)

    def digest(self) -> bytes:
        """Hash of everything that an image's features depend on."""
        return _digest(self.model.SerializeToString(deterministic=True))


@dataclass(frozen=True, slots=True)
class Encoders:
    """The encoders of a training; None for a tower that reads its raw input."""

    text: TextEncoder | None = None
    image: ImageEncoder | None = None

    @classmethod
    def open(cls, text: str | None, image: str | None) -> "Encoders":
        """Opens the given encoders, as folders or `hf://organisation/name`.

        Raises:
            TrainingError: An encoder cannot be used.
        """
        return cls(
            text=open_text_encoder(text) if text else None,
            image=open_image_encoder(image) if image else None,
        )

    @property
    def names(self) -> dict[str, str]:
        """Name of each tower's published encoder, if it has one."""
        found = (("headline", self.text), ("image", self.image))
        return {tower: one.name for tower, one in found if one is not None and one.name}

    def or_statistics(self, read: Preprocessing) -> "Encoders":
        """A copy with statistics of pixels in place of a missing image encoder."""
        if self.image is not None:
            return self
        size = ImageSize.of(read)
        return replace(self, image=ImageEncoder("", image_statistics(size), WIDTHS, size))

    def only(self, modalities: Sequence[str]) -> "Encoders":
        """A copy with encoders for some modalities only: no images, no image encoder."""
        return Encoders(
            self.text if "headline" in modalities else None,
            self.image if "image" in modalities else None,
        )

    def adapt(self, preset: Preset) -> Preset:
        """The preset with the preprocessing that the encoders need.

        Raises:
            TrainingError: The preset's towers have no projection.
        """
        _require_projection(preset, [*self.names.values()])
        return replace(preset, preprocessing=self._preprocessing(preset))

    def _preprocessing(self, preset: Preset) -> Preprocessing:
        read = preset.preprocessing
        if self.text is not None or preset.additive:
            read = replace(read, ngram_buckets=preset.ngram_buckets)
        if self.text is not None:
            read = replace(
                read,
                headline_tokens=self.text.tokens,
                headline_padding_id=self.text.padding_id,
                headline_padding_left=self.text.pads_left,
                headlines_apart=self.text.apart,
            )
        if self.image is not None:
            size = self.image.size
            read = replace(
                read,
                image_height=size.height,
                image_width=size.width,
                image_resampling=int(size.resampling),
            )
        return read


# === Checking ===


def require_encoders(text: str | None, image: str | None, preset: Preset) -> None:
    """Checks encoders by their files alone, which is quick; opening one may take seconds.

    Args:
        text: Text encoder: a folder, or `hf://organisation/name`.
        image: Image encoder: a folder, or `hf://organisation/name`.
        preset: Preset to be trained on them.

    Raises:
        TrainingError: An encoder cannot be used.
    """
    _require_projection(preset, [one for one in (text, image) if one])
    if text:
        folder = resolve_encoder(text)
        read_tokenizer(folder)
        read_pooling(folder)
        _require_tokens(read_signature(onnx_file(folder), str(folder)), folder)
    if image:
        folder = resolve_encoder(image)
        config = _image_config(folder)
        read_scaling(folder, config)
        signature = read_signature(onnx_file(folder), str(folder))
        _require_pixels(signature, folder, read_image_size(folder, config))


def _require_projection(preset: Preset, encoders: Sequence[str]) -> None:
    if encoders and preset.projection_width is None:
        raise TrainingError(
            f"preset {preset.name!r}: expected no encoder, since its towers have no "
            f"projection. Received: {', '.join(encoders)}"
        )


def _require_tokens(model: Model, folder: Path) -> None:
    names = [value.name for value in graph_inputs(model)]
    needed, known = {"input_ids", "attention_mask"}, set(TOKEN_INPUTS)
    integers = all(v.type.tensor_type.elem_type == TensorProto.INT64 for v in graph_inputs(model))
    if not needed <= set(names) <= known or not integers:
        raise TrainingError(
            f"{folder}: expected a text encoder that reads int64 {' and '.join(sorted(needed))}, "
            "and token_type_ids at most. Received: one that reads "
            f"{', '.join(map(described, graph_inputs(model)))}"
        )


def _image_config(folder: Path) -> dict[str, Any]:
    config = read_json(folder, "preprocessor_config.json")
    if config is None:
        raise TrainingError(
            f"{folder}: expected an image encoder with preprocessor_config.json, which says how "
            f"pixels are scaled. Received: {contents(folder)}"
        )
    return config


# === Opening ===


def open_text_encoder(location: str) -> TextEncoder:
    """Opens a text encoder.

    Args:
        location: A folder, or `hf://organisation/name`.

    Raises:
        TrainingError: The encoder is missing, or of an unsupported form.
    """
    folder = resolve_encoder(location)
    tokenizer = read_tokenizer(folder)
    pooling = read_pooling(folder)
    model = read_model(onnx_file(folder), str(folder))
    _require_tokens(model, folder)
    names = [value.name for value in graph_inputs(model)]
    apart = any(node.op_type in BATCH_DEPENDENT for node in model.graph.node)
    probe = {name: array for name, array in _probe_tokens().items() if name in names}
    output = _output(model, probe, folder, {3: "(batch, tokens, width)", 2: "(batch, width)"})
    parts = add_text_features(model, output, pooling)
    blocks = _blocks(parts, probe, folder)
    name = encoder_name(location, folder)
    return TextEncoder(name, parts, blocks, apart=apart, **asdict(tokenizer))


def open_image_encoder(location: str) -> ImageEncoder:
    """Opens an image encoder.

    Args:
        location: A folder, or `hf://organisation/name`.

    Raises:
        TrainingError: The encoder is missing, or of an unsupported form.
    """
    folder = resolve_encoder(location)
    config = _image_config(folder)
    size = read_image_size(folder, config)
    model = read_model(onnx_file(folder), str(folder))
    _require_pixels(model, folder, size)
    name = graph_inputs(model)[0].name
    shape = (
        (size.height, size.width, 3) if has_channels_last(model) else (3, size.height, size.width)
    )
    probe = {name: np.zeros((PROBE, *shape), np.float32)}
    known = {2: "(batch, width)", 3: "(batch, patches, width)", 4: "(batch, width, h, w)"}
    output = _output(model, probe, folder, known)
    scale, shift = read_scaling(folder, config)
    parts = add_image_features(model, output, size, scale, shift)
    pixels = np.zeros((PROBE, size.height, size.width, 3), np.uint8)
    blocks = _blocks(parts, {"pixels": pixels}, folder)
    return ImageEncoder(encoder_name(location, folder), parts, blocks, size)


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _require_pixels(model: Model, folder: Path, size: ImageSize) -> None:
    inputs = graph_inputs(model)
    shapes = [dimensions(value) for value in inputs]
    layouts = ((3, size.height, size.width), (size.height, size.width, 3))
    if (
        len(inputs) != 1
        or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT
        or not any(_fits(shapes[0], layout) for layout in layouts)
    ):
        received = ", ".join(map(described, inputs))
        raise TrainingError(
            f"{folder}: expected an image encoder that reads float32 pixels "
            f"(batch, 3, {size.height}, {size.width}) or (batch, {size.height}, {size.width}, 3) "
            f"alone. Received: {received}"
        )


def _fits(shape: Sequence[int | None], layout: tuple[int, ...]) -> bool:
    return len(shape) == len(layout) + 1 and all(
        got in (None, wanted) for got, wanted in zip(shape[1:], layout, strict=True)
    )


def _probe_tokens() -> dict[str, NDArray[np.int64]]:
    return {name: np.full((PROBE, 5), name == "attention_mask", np.int64) for name in TOKEN_INPUTS}


def _output(
    model: Model, probe: Mapping[str, NDArray[Any]], folder: Path, ranks: Mapping[int, str]
) -> tuple[str, int]:
    """Name and rank of the output to use: the first one of the most preferred rank."""
    found = _run(model, probe, folder)
    shapes = {name: array.shape for name, array in found.items()}
    for rank in ranks:
        for name, shape in shapes.items():
            if len(shape) == rank and shape[0] == PROBE:
                return name, rank
    received = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    raise TrainingError(
        f"{folder}: expected an output of shape {' or '.join(ranks.values())}. "
        f"Received for a batch of {PROBE}: {received}"
    )


def _blocks(model: Model, probe: Mapping[str, NDArray[Any]], folder: Path) -> tuple[int, ...]:
    parts = _run(with_parts_as_outputs(model), probe, folder)
    return tuple(part.shape[1] for part in parts.values())


def _run(
    model: Model, probe: Mapping[str, NDArray[Any]], folder: Path
) -> Mapping[str, NDArray[Any]]:
    try:
        graph = Graph(model.SerializeToString(), RuntimeOptions())
        return graph.run(probe)
    except Exception as error:  # ONNX Runtime's and protobuf's share no base class
        raise TrainingError(
            f"{folder}: expected an encoder that ONNX Runtime can run on a batch of "
            f"{PROBE}. Received: {error}"
        ) from error
