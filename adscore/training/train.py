"""From a table to a bundle: the whole training."""

import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from adscore import bundle as files
from adscore.bundle import Bundle, Manifest, TrainingSummary, group_digest, write_bundle
from adscore.creative import InputLimits
from adscore.errors import TrainingError
from adscore.evaluation import evaluate_target
from adscore.report import held_out_report
from adscore.scoring.image import ImageSize
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable
from adscore.training.card import model_card
from adscore.training.data import Split, TrainingData, load_training_data, split_groups
from adscore.training.export import export_network, golden_file
from adscore.training.fitting import (
    finished_towers,
    fit_agreement,
    fit_rates,
    measure_familiarity,
)
from adscore.training.network import Network
from adscore.training.predictions import (
    Predict,
    held_out_agreement,
    predictor,
    require_agreement,
)
from adscore.training.presets import DEFAULT, Preset
from adscore.training.representation import Encoders, Representation, represent

Progress = Callable[[str], None]

LIBRARIES = ("tensorflow", "keras", "tf2onnx", "onnxruntime", "tokenizers", "pillow", "numpy")


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What a user chooses of a training.

    Attributes:
        preset: The network and how it is fitted.
        seed: Decides split, initialisation and order.
        test_share: Share of the groups held out for the printed metrics.
        validation_share: Share of the groups for early stopping and calibration.
        text_encoder: Folder of a frozen text encoder, or `hf://organisation/name`; None trains
            the text tower from scratch.
        image_encoder: The same of images.
        align: Whether headline-image agreement is learned too.
    """

    preset: Preset = DEFAULT
    seed: int = 0
    test_share: float = 0.2
    validation_share: float = 0.15
    text_encoder: str | None = None
    image_encoder: str | None = None
    align: bool = False


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        path: The new bundle's folder.
        manifest: What the bundle says of itself, figures on held-out groups among it.
    """

    path: Path
    manifest: Manifest


def train(
    table: CreativeTable,
    model_dir: Path,
    options: TrainingOptions | None = None,
    progress: Progress = lambda _: None,
) -> TrainingResult:
    """Trains a model and writes it as the next version under its folder.

    Sets Keras's seeds and makes TensorFlow deterministic for the whole process, which
    has no narrower switch.

    Args:
        table: Creatives with counts of at least one target.
        model_dir: The model's folder, `NAME/`.
        options: What the user chose.
        progress: Told each stage as it begins.

    Raises:
        TableError: Rows that cannot be read.
        TrainingError: There is nothing to learn from.
    """
    started = time.monotonic()
    options = options or TrainingOptions()
    progress(f"reading {len(table)} creatives")
    encoders = Encoders.open(options.text_encoder, options.image_encoder)
    options = replace(options, preset=encoders.adapt(options.preset))
    data, split = _prepare(table, options)
    encoders = encoders.only(data.modalities)
    progress(_fitting_stage(options, encoders, data, split))
    fitted = _fit(data, split, options, encoders)
    progress("exporting and checking the graphs")
    contents = _contents(fitted, encoders, data, split)
    manifest = _manifest(table, data, split, fitted, options, encoders)
    name = model_dir.resolve().name
    scorer = Scorer(Bundle(name, "", manifest, contents))
    manifest = _measured(manifest, scorer, fitted, data, split, encoders)
    elapsed = round(time.monotonic() - started, 1)
    manifest = replace(manifest, training=replace(manifest.training, seconds=elapsed))
    contents[files.GOLDEN] = golden_file(manifest, contents)
    contents[files.MODEL_CARD] = model_card(name, manifest).encode()
    page = None
    if split.test.size:
        progress("writing the report")
        page = _page(Bundle(name, "", manifest, contents), table, split, options.seed)
    return TrainingResult(write_bundle(model_dir, manifest, contents, page), manifest)


def _fitting_stage(
    options: TrainingOptions, encoders: Encoders, data: TrainingData, split: Split
) -> str:
    on = f" on {' and '.join(encoders.names.values())}" if encoders.names else ""
    return (
        f"fitting the {options.preset.name} network{on} to {' and '.join(data.modalities)} of "
        f"{len(split.fitting)} creatives"
    )


def _contents(
    fitted: "_Fitted", encoders: Encoders, data: TrainingData, split: Split
) -> dict[str, bytes]:
    """Files of the bundle that do not depend on its figures."""
    contents = {
        **export_network(fitted.finished, fitted.network, encoders),
        files.TRAINING_GROUPS: _training_groups(data, split),
    }
    if fitted.towers.tokenizer is not None:
        contents[files.TOKENIZER] = fitted.towers.tokenizer.encode()
    return contents


def _page(
    bundle: Bundle, table: CreativeTable, split: Split, seed: int
) -> Callable[[int], dict[str, bytes]]:
    """The page of the held-out groups, as a function of the version that the bundle gets."""
    report = held_out_report(Scorer(bundle), table, split.test, seed)

    def page(version: int) -> dict[str, bytes]:
        return {files.REPORT: replace(report, version=str(version)).render().encode()}

    return page


# === Data ===


def _prepare(table: CreativeTable, options: TrainingOptions) -> tuple[TrainingData, Split]:
    read = options.preset.preprocessing
    size = ImageSize(read.image_height, read.image_width, read.image_resampling)
    if not table.successes and not options.align:
        raise TrainingError("expected a target to learn, or alignment. Received: neither")
    complete = not options.preset.modality_dropout
    data = load_training_data(table, size, InputLimits(), complete=complete)
    if options.align and len(data.modalities) < 2:
        raise TrainingError(
            "expected headlines and images to align. Received a table with "
            f"{' and '.join(data.modalities)} alone"
        )
    split = split_groups(
        data.groups, test=options.test_share, validation=options.validation_share, seed=options.seed
    )
    for column, name in enumerate(table.successes):
        _require_both_outcomes(name, data, column, split)
    return data, split


def _require_both_outcomes(name: str, data: TrainingData, column: int, split: Split) -> None:
    rows = split.fitting
    successes, trials = data.successes[rows, column].sum(), data.trials[rows, column].sum()
    if not 0 < successes < trials:
        raise TrainingError(
            f"target {name!r}: expected both successes and failures among the {len(rows)} rows "
            f"to fit. Received: {successes:.0f} successes in {trials:.0f} trials"
        )
    if not data.trials[split.validation, column].any():
        raise TrainingError(
            f"target {name!r}: expected trials among the {len(split.validation)} rows to "
            "validate on. Received: none"
        )


# === Fitting ===


@dataclass(frozen=True)
class _Fitted:
    """What a fit came to.

    Attributes:
        towers: What the towers were built of.
        network: What predicts the targets, calibrated; None without targets.
        finished: By modality, all that a tower's graph says.
        familiarity: By modality, the distance up to which a creative is familiar.
        epochs: Passes over the data.
    """

    towers: Representation
    network: Network | None
    finished: Mapping[str, keras.Model]
    familiarity: Mapping[str, float]
    epochs: int


def _fit(data: TrainingData, split: Split, options: TrainingOptions, encoders: Encoders) -> _Fitted:
    preset, seed = options.preset, options.seed
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    towers = represent(preset, encoders, data, split.fitting)
    rates = None
    if data.trials.shape[1]:
        rates = fit_rates(preset, data, towers, split, seed)
    aligned = {}
    if options.align:
        aligned = fit_agreement(towers, data, split, seed, trainable=rates is None)
    distances: dict[str, keras.Model] = {}
    limits: dict[str, float] = {}
    if preset.projection_width is not None:
        distances, limits = measure_familiarity(towers, data, split)
    finished = finished_towers(towers, distances, aligned, embedding=rates is not None)
    epochs = rates.epochs if rates else 0
    return _Fitted(towers, rates.network if rates else None, finished, limits, epochs)


# === What a bundle says of itself ===


def _manifest(
    table: CreativeTable,
    data: TrainingData,
    split: Split,
    fitted: _Fitted,
    options: TrainingOptions,
    encoders: Encoders,
) -> Manifest:
    """The manifest without what only the finished graphs can tell."""
    return Manifest(
        targets=tuple(table.successes),
        limits=_limits(data, options.preset),
        preprocessing=replace(options.preset.preprocessing, context=data.context),
        reference={},
        familiarity=fitted.familiarity,
        training=replace(
            _summary(options, table.target_columns, data, split, fitted.epochs),
            encoders=encoders.names,
        ),
        metrics={},
    )


def _limits(data: TrainingData, preset: Preset) -> InputLimits:
    """What a model accepts: what its table had, and less of it where it learned to do without."""
    limits = InputLimits(context_names=tuple(data.context))
    optional = bool(preset.modality_dropout)
    if "headline" not in data.modalities:
        return replace(limits, max_headline_characters=0, headline_optional=True)
    if "image" not in data.modalities:
        return replace(limits, image_formats=(), image_optional=True)
    return replace(limits, headline_optional=optional, image_optional=optional)


def _measured(
    manifest: Manifest,
    scorer: Scorer,
    fitted: _Fitted,
    data: TrainingData,
    split: Split,
    encoders: Encoders,
) -> Manifest:
    """The manifest with what only the finished graphs can tell."""
    agreement: Mapping[str, float | None] = {}
    if scorer.has_agreement and split.test.size:
        agreement = held_out_agreement(scorer, data, split.test)
    if fitted.network is None:
        return replace(manifest, agreement=agreement)
    inputs = fitted.towers.inputs
    require_agreement(scorer, fitted.network, inputs, data)
    predict = predictor(scorer, fitted.network, inputs, data, use_features=bool(encoders.names))
    return replace(
        manifest,
        reference=_reference(predict, manifest.targets, data),
        metrics=_held_out_metrics(predict, manifest.targets, data, split),
        agreement=agreement,
    )


def _training_groups(data: TrainingData, split: Split) -> bytes:
    """Digests of the groups used for fitting or validation, one a line."""
    seen = np.unique(data.groups[np.concatenate([split.fitting, split.validation])])
    digests = sorted(group_digest(data.group_names[number]) for number in seen)
    return "".join(f"{digest}\n" for digest in digests).encode()


def _summary(
    options: TrainingOptions,
    target_columns: Mapping[str, str],
    data: TrainingData,
    split: Split,
    epochs: int,
) -> TrainingSummary:
    rows = np.concatenate([split.fitting, split.validation])
    return TrainingSummary(
        preset=options.preset.name,
        creatives=len(rows),
        groups=len(np.unique(data.groups[rows])) if data.is_grouped else 0,
        seed=options.seed,
        seconds=0.0,
        epochs=epochs,
        create_time=datetime.now(UTC).isoformat(timespec="seconds"),
        adscore_version=importlib.metadata.version("adscore"),
        target_columns=dict(target_columns),
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
    )


def _reference(
    predict: Predict, targets: Sequence[str], data: TrainingData
) -> dict[str, tuple[float, ...]]:
    """Percentiles of the predicted means over all creatives of the table."""
    mean = predict(np.arange(len(data))).mean
    percentiles = np.percentile(mean, np.arange(101), axis=0)
    return {name: tuple(percentiles[:, column].tolist()) for column, name in enumerate(targets)}


def _held_out_metrics(
    predict: Predict, targets: Sequence[str], data: TrainingData, split: Split
) -> dict[str, dict[str, float | int | None]]:
    if not split.test.size:
        return {}
    predictions = predict(split.test)
    return {
        name: evaluate_target(
            predictions.mean[:, column],
            data.successes[split.test, column],
            data.trials[split.test, column],
            concentration=predictions.concentration[:, column],
            group=data.groups[split.test] if data.is_grouped else None,
        ).to_dict()
        for column, name in enumerate(targets)
    }
