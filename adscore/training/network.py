"""The network in its four stages: representation, fusion, feature extraction, output.

Shapes: b creatives, l token ids, h x w pixels, e width of an embedding, t targets.

The towers and the head are models of their own, because each becomes a graph of its own.
"""

from dataclasses import dataclass

import keras
import numpy as np

from adscore.training.calibrate import Calibration
from adscore.training.likelihood import Start
from adscore.training.presets import Preset


@dataclass(frozen=True)
class Network:
    """A model in parts.

    Attributes:
        headline_encoder: token_ids (b, l) int32, or features of a frozen encoder ->
            embedding (b, e).
        image_encoder: pixels (b, h, w, 3) uint8, or such features -> embedding (b, e).
        core: Both embeddings -> logit and log_concentration, (b, t); what is fitted.
        head: Both embeddings -> mean and concentration, (b, t): core, then calibration.
        fitted: Inputs of both encoders -> the core's outputs.
        whole: Inputs of both encoders -> the head's outputs.
    """

    headline_encoder: keras.Model
    image_encoder: keras.Model
    core: keras.Model
    head: keras.Model
    fitted: keras.Model
    whole: keras.Model

    def calibrate(self, calibration: Calibration) -> None:
        """Sets the last step of the output."""
        for name, slope, shift in (
            ("logit_calibration", calibration.slope, calibration.shift),
            (
                "concentration_calibration",
                calibration.concentration_slope,
                calibration.concentration_shift,
            ),
        ):
            self.head.get_layer(name).set_weights([np.diag(slope), shift])


def build_network(
    preset: Preset, headline_encoder: keras.Model, image_encoder: keras.Model, start: Start
) -> Network:
    """Builds an untrained network.

    Args:
        preset: Its sizes.
        headline_encoder: The text tower.
        image_encoder: The image tower.
        start: Where the output starts.
    """
    core = _core(preset, headline_encoder, image_encoder, start)
    head = _head(core, len(start.logit))
    inputs = {
        tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
        for tensor in (*headline_encoder.inputs, *image_encoder.inputs)
    }
    embeddings = {
        f"{tower}_embedding": encoder(_of(encoder, inputs))["embedding"]
        for tower, encoder in (("headline", headline_encoder), ("image", image_encoder))
    }
    return Network(
        headline_encoder,
        image_encoder,
        core,
        head,
        fitted=keras.Model(inputs, core(embeddings), name="fitted"),
        whole=keras.Model(inputs, head(embeddings), name="adscore"),
    )


def _of(encoder: keras.Model, inputs: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    """What a tower reads, in the form that it was built with: one tensor, or several by name."""
    named = {tensor.name: inputs[tensor.name] for tensor in encoder.inputs}
    return named if len(named) > 1 else next(iter(named.values()))


def lstm_tower(preset: Preset, vocabulary_size: int) -> keras.Model:
    """Builds token_ids (b, l) int32 -> embedding (b, e).

    Args:
        preset: Its sizes.
        vocabulary_size: Number of distinct token ids, padding included.
    """
    length = preset.preprocessing.headline_tokens
    token_ids = keras.Input((length,), dtype="int32", name="token_ids")
    # Ids are padded on the left, so no mask: a masked LSTM exports as a slow loop.
    tokens = keras.layers.Embedding(vocabulary_size, preset.token_width, name="tokens")(token_ids)
    state = keras.layers.LSTM(preset.lstm_width, name="lstm")(tokens)
    return keras.Model(token_ids, {"embedding": _projected(preset, state)}, name="headline_encoder")


def conv_tower(preset: Preset) -> keras.Model:
    """Builds pixels (b, h, w, 3) uint8 -> embedding (b, e)."""
    size = preset.preprocessing
    pixels = keras.Input((size.image_height, size.image_width, 3), dtype="uint8", name="pixels")
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(pixels)
    for number, filters in enumerate(preset.conv_filters, start=1):
        maps = keras.layers.Conv2D(filters, 3, activation="relu", name=f"conv_{number}")(maps)
        maps = keras.layers.MaxPooling2D(name=f"pool_{number}")(maps)
    if preset.global_pooling:
        mean = keras.layers.GlobalAveragePooling2D(name="mean_of_maps")(maps)
        most = keras.layers.GlobalMaxPooling2D(name="maximum_of_maps")(maps)
        flat = keras.layers.Concatenate(name="pooled")([mean, most])
    else:
        flat = keras.layers.Flatten(name="flatten")(maps)
    return keras.Model(pixels, {"embedding": _projected(preset, flat)}, name="image_encoder")


def _projected(preset: Preset, features: keras.KerasTensor) -> keras.KerasTensor:
    if preset.projection_width is None:
        return keras.layers.Identity(name="embedding")(features)
    return keras.layers.Dense(preset.projection_width, activation="tanh", name="embedding")(
        features
    )


def _core(
    preset: Preset,
    headline_encoder: keras.Model,
    image_encoder: keras.Model,
    start: Start,
) -> keras.Model:
    inputs = {
        name: keras.Input(encoder.output["embedding"].shape[1:], name=name)
        for name, encoder in (
            ("headline_embedding", headline_encoder),
            ("image_embedding", image_encoder),
        )
    }
    fused = keras.layers.Concatenate(name="fusion")(list(inputs.values()))
    features = _dropped(preset, fused, "fusion_dropout")
    if preset.hidden_width is not None:
        features = keras.layers.Dense(preset.hidden_width, activation="relu", name="hidden")(
            features
        )
        features = _dropped(preset, features, "hidden_dropout")
    return keras.Model(inputs, _output(preset, features, start), name="core")


def _output(
    preset: Preset, features: keras.KerasTensor, start: Start
) -> dict[str, keras.KerasTensor]:
    output = keras.layers.Dense(len(start.logit), name="logit")
    logit = output(features)
    output.bias.assign(start.logit)
    # How far rates spread around their mean: it depends on the logits alone, since low rates
    # may spread less or more than high ones. Cross-entropy says nothing of it; calibration will.
    spread = keras.layers.Dense(
        len(start.logit),
        kernel_initializer="zeros",
        trainable=preset.loss == "beta_binomial",
        name="log_concentration",
    )
    log_concentration = spread(logit)
    spread.bias.assign(start.log_concentration)
    return {"logit": logit, "log_concentration": log_concentration}


def _dropped(preset: Preset, features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    if not preset.dropout:
        return features
    return keras.layers.Dropout(preset.dropout, name=name)(features)


def _head(core: keras.Model, targets: int) -> keras.Model:
    inputs = {
        tensor.name: keras.Input(tensor.shape[1:], name=tensor.name) for tensor in core.inputs
    }
    outputs = core(inputs)
    logit = _unchanged("logit_calibration", targets)(outputs["logit"])
    spread = _unchanged("concentration_calibration", targets)(outputs["log_concentration"])
    return keras.Model(
        inputs,
        {
            "mean": keras.layers.Activation("sigmoid", name="mean")(logit),
            "concentration": keras.layers.Activation("exponential", name="concentration")(spread),
        },
        name="head",
    )


def _unchanged(name: str, targets: int) -> keras.Layer:
    """A step that changes nothing until a calibration sets the slopes on its diagonal."""
    return keras.layers.Dense(targets, kernel_initializer="identity", name=name)
