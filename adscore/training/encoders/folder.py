"""An encoder's folder in the Hugging Face layout: finds it and reads its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from adscore.errors import TrainingError
from adscore.scoring.image import ImageSize

HUB = "hf://"
HUB_PATTERNS = ["*.json", "1_Pooling/*.json", "onnx/model.onnx*", "model.onnx*"]
ONNX_FILES = ("onnx/model.onnx", "model.onnx")

# Headlines are short, and the cost per token grows with the number of tokens.
MAX_TOKENS = 128
BILINEAR = 2  # Pillow's number, which preprocessor_config.json uses


def resolve_encoder(location: str) -> Path:
    """Resolves a location to a folder; a name on the hub is downloaded or found in its cache.

    Raises:
        TrainingError: The folder does not exist.
    """
    if not location.startswith(HUB):
        if not Path(location).is_dir():
            raise TrainingError(
                f"expected an encoder's folder, or {HUB}organisation/name. Received: {location}, "
                "which is not a folder"
            )
        return Path(location).resolve()
    return _from_hub(location)


def encoder_name(location: str, folder: Path) -> str:
    """The name of an encoder in manifests: its name on the hub, or its folder's."""
    return location.removeprefix(HUB) if location.startswith(HUB) else folder.name


def _from_hub(location: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise TrainingError(
            f'{location}: expected huggingface_hub; install it with pip install "adscore[train]"'
        ) from error
    name = location.removeprefix(HUB)
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_PATTERNS))
    except Exception as error:  # its own errors, and those of whatever carries it
        raise TrainingError(
            f"{location}: expected a model on the hub or in its cache. Received: {error}"
        ) from error


def onnx_file(folder: Path) -> Path:
    """The encoder's graph.

    Raises:
        TrainingError: There is none.
    """
    for name in ONNX_FILES:
        if (folder / name).is_file():
            return folder / name
    raise TrainingError(
        f"{folder}: expected an encoder with {' or '.join(ONNX_FILES)}. "
        f"Received: {contents(folder)}. Export the model to ONNX first"
    )


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """A tokenizer and how its ids are given to the encoder.

    Attributes:
        tokenizer: tokenizer.json.
        tokens: Number of ids that the encoder may be given at most.
        padding_id: Id that fills up a headline.
        pads_left: Whether padding stands before the headline.
    """

    tokenizer: str
    tokens: int
    padding_id: int
    pads_left: bool


def read_tokenizer(folder: Path) -> TokenizerFile:
    """Reads tokenizer.json, and from config.json what it leaves open.

    Raises:
        TrainingError: There is none, or it is of another form.
    """
    if not (folder / "tokenizer.json").is_file():
        raise TrainingError(
            f"{folder}: expected a text encoder with tokenizer.json. Received: {contents(folder)}"
        )
    config = read_json(folder, "config.json") or {}
    positions = config.get("max_position_embeddings", MAX_TOKENS)
    tokens = min(positions, MAX_TOKENS) if isinstance(positions, int) else MAX_TOKENS
    try:
        definition = (folder / "tokenizer.json").read_text(encoding="utf-8")
        padding = Tokenizer.from_str(definition).padding or {}
    except Exception as error:  # tokenizers raises plain exceptions
        raise TrainingError(
            f"{folder}: expected tokenizer.json to be of the tokenizers library. Received: {error}"
        ) from error
    padding_id = padding.get("pad_id", config.get("pad_token_id"))
    return TokenizerFile(
        definition,
        tokens,
        padding_id if isinstance(padding_id, int) else 0,
        padding.get("direction") == "left",
    )


def unknown_id(definition: str) -> int | None:
    """Id that a tokenizer gives to what it has no word or piece for; None where it has one for all.

    Args:
        definition: In the JSON form of the `tokenizers` library.
    """
    model = msgspec.json.decode(definition)["model"]
    if isinstance(model.get("unk_id"), int):  # of a Unigram model
        return int(model["unk_id"])
    token = model.get("unk_token")
    return Tokenizer.from_str(definition).token_to_id(token) if token else None


def read_pooling(folder: Path) -> str:
    """How the encoder's states become one vector, `mean` or `cls`.

    Raises:
        TrainingError: 1_Pooling/config.json asks for another way.
    """
    config = read_json(folder, "1_Pooling/config.json") or {"pooling_mode_mean_tokens": True}
    modes = [name for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    if modes == ["pooling_mode_mean_tokens"]:
        return "mean"
    if modes == ["pooling_mode_cls_token"]:
        return "cls"
    raise TrainingError(
        f"{folder}: expected pooling_mode_mean_tokens or pooling_mode_cls_token in "
        f"1_Pooling/config.json. Received: {', '.join(modes) or 'none'}"
    )


def read_json(folder: Path, name: str) -> dict[str, Any] | None:
    """A configuration file; None where there is none."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, OSError) as error:
        raise TrainingError(f"{folder}: expected JSON in {name}. Received: {error}") from error


def contents(folder: Path) -> str:
    """The contents of a folder, for error texts."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return f"a folder with {', '.join(names[:8])}" if names else "an empty folder"


def read_image_size(folder: Path, config: Mapping[str, Any]) -> ImageSize:
    """What the network reads; an image is stretched to it, so that no part of it is cut off.

    Raises:
        TrainingError: preprocessor_config.json does not say.
    """
    size = config.get("size")
    if config.get("do_center_crop") and "crop_size" in config:
        size = config["crop_size"]
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = (size.get("height", edge), size.get("width", edge))
    elif isinstance(size, int):
        size = (size, size)
    resample = config.get("resample", BILINEAR)
    if not isinstance(size, tuple) or not all(isinstance(s, int) and s > 0 for s in size):
        raise TrainingError(
            f"{folder}: expected size as height and width in preprocessor_config.json. "
            f"Received: {config.get('size')!r}"
        )
    if resample not in range(6):
        raise TrainingError(
            f"{folder}: expected resample from 0 to 5 in preprocessor_config.json. "
            f"Received: {resample!r}"
        )
    return ImageSize(size[0], size[1], resample)


def read_scaling(folder: Path, config: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale and shift of each channel, (3,) float32: the network reads x * scale + shift.

    Raises:
        TrainingError: preprocessor_config.json holds other things than numbers.
    """
    rescale = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    mean, deviation = [0.0] * 3, [1.0] * 3
    if config.get("do_normalize", True):
        mean, deviation = config.get("image_mean", mean), config.get("image_std", deviation)
    try:
        numbers = np.array([[float(rescale)] * 3, mean, deviation], np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (3, 3) or not np.isfinite(numbers).all() or not numbers[2].all():
        raise TrainingError(
            f"{folder}: expected rescale_factor, and three numbers as image_mean and image_std, "
            f"in preprocessor_config.json. Received: {rescale!r}, {mean!r}, {deviation!r}"
        )
    scale, shift = numbers[0] / numbers[2], -numbers[1] / numbers[2]
    return scale.astype(np.float32), shift.astype(np.float32)
