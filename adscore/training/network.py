"""The network in its four stages: representation, fusion, feature extraction, output.

Shapes: b creatives, e width of an embedding, c context names, m members, t targets.

Towers and head are separate models, since each becomes a separate graph. Absent parts add nothing:
their embeddings are set to zero before fusion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.bundle import MEMBER_LOGITS, Present
from adscore.training.calibration import (
    MIN_CONCENTRATION,
    PATTERN_BITS,
    PATTERNS,
    Calibration,
)
from adscore.training.likelihood import Start
from adscore.training.presets import Preset
from adscore.training.towers import KerasTower, inputs_like

Tensor = Any  # keras.KerasTensor, of which mypy knows nothing


@dataclass(frozen=True)
class Network:
    """A model in parts.

    Attributes:
        towers: Towers of the model, by `headline` and `image`.
        core: Embeddings, context_ids (b, c) int32 and present (b, 3) float32 -> logit (b, m, t)
            and log_concentration (b, t); this is fitted.
        head: The same -> mean and concentration, (b, t), and logit, (b, m, t): core, then
            calibration.
        fitted: Inputs of all towers, context_ids and present -> the core's outputs.
        whole: The same inputs -> the head's outputs.
    """

    towers: Mapping[str, KerasTower]
    core: keras.Model
    head: keras.Model
    fitted: keras.Model
    whole: keras.Model

    def calibrate(self, calibration: Calibration) -> None:
        """Sets the last step of the output."""
        for name in ("slope", "shift", "log_concentration_shift"):
            values = getattr(calibration, name).astype(np.float32)
            self.head.get_layer(name).set_weights([values])


def build_network(towers: Mapping[str, KerasTower], core: keras.Model, targets: int) -> Network:
    """Assembles an untrained network."""
    head = _head(core, targets)
    inputs = inputs_like(t for tower in towers.values() for t in tower.inputs.values())
    known = {
        f"{name}_embedding": tower.embedding({n: inputs[n] for n in tower.inputs})["embedding"]
        for name, tower in towers.items()
    }
    for tensor in core.inputs:
        if tensor.name not in known:
            inputs[tensor.name] = known[tensor.name] = keras.Input(
                tensor.shape[1:], dtype=tensor.dtype, name=tensor.name
            )
    return Network(
        towers,
        core,
        head,
        fitted=keras.Model(inputs, core(known), name="fitted"),
        whole=keras.Model(inputs, head(known), name="adscore"),
    )


# === Cores ===


def deep_core(
    preset: Preset,
    towers: Mapping[str, KerasTower],
    context: Mapping[str, tuple[str, ...]],
    start: Start,
) -> keras.Model:
    """Builds heads on a shared input: concatenation -> hidden layers -> logits.

    Args:
        preset: Sizes of the layers.
        towers: Towers of the model.
        context: By context name, the known values.
        start: Starting values of the output.
    """
    inputs, parts = _embeddings(towers)
    if context:
        ids = inputs["context_ids"] = keras.Input(
            (len(context),), dtype="int32", name="context_ids"
        )
        parts |= _embedded_context(preset, ids, context)
    fused = keras.layers.Concatenate(name="fusion")(list(parts.values()))
    features = _dropped(preset, fused, "fusion_dropout")
    members, targets = preset.members, len(start.logit)
    if preset.hidden_width is not None:
        hidden = keras.layers.Dense(members * preset.hidden_width, activation="relu", name="hidden")
        features = _dropped(preset, hidden(features), "hidden_dropout")
        features = keras.layers.Reshape((members, preset.hidden_width))(features)
        output = keras.layers.EinsumDense(
            "bmh,mht->bmt", (members, targets), bias_axes="mt", name="logit"
        )
    else:
        features = keras.layers.Reshape((1, features.shape[-1]))(features)
        output = keras.layers.Dense(targets, name="logit")
    logit = output(features)
    output.bias.assign(np.broadcast_to(start.logit, output.bias.shape))
    spread = _spread(logit, start, trainable=preset.loss == "beta_binomial")
    return keras.Model(inputs, {"logit": logit, "log_concentration": spread}, name="core")


def _embedded_context(
    preset: Preset, ids: Tensor, context: Mapping[str, tuple[str, ...]]
) -> dict[str, Tensor]:
    parts = {}
    for position, (name, values) in enumerate(context.items()):
        table = keras.layers.Embedding(len(values) + 1, preset.context_width)
        # An absent value is unknown, so it adds nothing.
        known = keras.ops.cast(ids[:, position : position + 1] > 0, "float32")
        parts[name] = table(ids[:, position]) * known
    return parts


def additive_core(
    towers: Mapping[str, KerasTower],
    tables: Mapping[str, NDArray[np.float32]],
    bias: NDArray[np.float32],
    start: Start,
) -> keras.Model:
    """Builds heads that sum the outputs of towers and context; embeddings are (b, m * t).

    Args:
        towers: Towers of the model.
        tables: By context name, what each value adds, (values + 1, m * t); 0 for an absent one.
        bias: Bias of each column, (m * t,).
        start: Starting values of the concentration.
    """
    inputs, parts = _embeddings(towers)
    if tables:
        ids = inputs["context_ids"] = keras.Input((len(tables),), dtype="int32", name="context_ids")
        for position, (name, table) in enumerate(tables.items()):
            layer = keras.layers.Embedding(*table.shape)
            parts[name] = layer(ids[:, position])
            layer.set_weights([table])
    total = (
        keras.layers.Add(name="fusion")(list(parts.values()))
        if len(parts) > 1
        else (next(iter(parts.values())))
    )
    layer = keras.layers.EinsumDense("bw,w->bw", (len(bias),), bias_axes="w", name="bias")
    logit = layer(total)
    layer.set_weights([np.ones_like(bias), bias])
    targets = len(start.logit)
    logit = keras.layers.Reshape((len(bias) // targets, targets), name="logit")(logit)
    spread = _spread(logit, start, trainable=False)
    return keras.Model(inputs, {"logit": logit, "log_concentration": spread}, name="core")


def _embeddings(towers: Mapping[str, KerasTower]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Inputs of a core, and the embeddings with absent ones zeroed."""
    present = keras.Input((len(Present),), name="present")
    inputs, parts = {"present": present}, {}
    for name, tower in towers.items():
        width = tower.embedding.output["embedding"].shape[1:]
        embedding = inputs[f"{name}_embedding"] = keras.Input(width, name=f"{name}_embedding")
        column = Present[name.upper()]
        parts[name] = embedding * present[:, column : column + 1]
    return inputs, parts


def _spread(logit: Tensor, start: Start, *, trainable: bool) -> Tensor:
    """Log concentration of rates around their mean, (b, t).

    It depends on the logits alone, since low rates may spread differently from high ones.
    Cross-entropy and the additive heads do not determine it; calibration does.
    """
    spread = keras.layers.Dense(
        len(start.logit), kernel_initializer="zeros", trainable=trainable, name="log_concentration"
    )
    values = spread(keras.ops.mean(logit, axis=1))
    spread.bias.assign(start.log_concentration)
    return values


def _dropped(preset: Preset, features: Tensor, name: str) -> Tensor:
    if not preset.dropout:
        return features
    return keras.layers.Dropout(preset.dropout, name=name)(features)


# === Output ===


def _head(core: keras.Model, targets: int) -> keras.Model:
    """Calibrates each member, and adds the members' disagreement to the spread.

    With m(1 - m) v the variance between the members' means, the variance of the rate is
    m(1 - m) (1 / (1 + c) + v): the beta distribution of the same mean and variance is meant.
    """
    inputs = inputs_like(core.inputs)
    outputs = core(inputs)
    bits = keras.ops.round(inputs["present"]) * np.array([PATTERN_BITS], np.float32)
    pattern = keras.ops.cast(keras.ops.sum(bits, axis=1), "int32")
    slope, shift, log_shift = (
        keras.layers.Embedding(PATTERNS, targets, embeddings_initializer=start, name=name)(pattern)
        for name, start in (
            ("slope", "ones"),
            ("shift", "zeros"),
            ("log_concentration_shift", "zeros"),
        )
    )
    logit = outputs["logit"] * keras.ops.expand_dims(slope, 1) + keras.ops.expand_dims(shift, 1)
    mean = keras.ops.mean(keras.ops.sigmoid(logit), axis=1)  # (b, t)
    centred = logit - keras.ops.mean(logit, axis=1, keepdims=True)
    disagreement = mean * (1 - mean) * keras.ops.mean(centred * centred, axis=1)
    alone = 1 / (1 + keras.ops.exp(outputs["log_concentration"] + log_shift))
    variance = keras.ops.minimum(alone + disagreement, 1 / (1 + MIN_CONCENTRATION))
    concentration = 1 / variance - 1
    outputs = {"mean": mean, "concentration": concentration, MEMBER_LOGITS: logit}
    return keras.Model(inputs, outputs, name="head")
