"""From a table to a bundle: the whole training."""

import importlib.metadata
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adscore import bundle as files
from adscore.bundle import Bundle, Manifest, TrainingSummary, group_digest, write_bundle
from adscore.creative import InputLimits
from adscore.errors import TrainingError
from adscore.evaluation import TargetMetrics, evaluate_target
from adscore.image import ImageSize
from adscore.scorer import Predictions, PreparedCreative, Scorer
from adscore.table import CreativeTable
from adscore.text import HeadlineTokenizer, train_tokenizer
from adscore.training.calibrate import calibrate
from adscore.training.card import model_card
from adscore.training.data import Split, TrainingData, load_training_data, split_groups
from adscore.training.export import export_network, golden_file
from adscore.training.fit import FitResult, fit_network, predict_rows
from adscore.training.likelihood import starting_point
from adscore.training.network import Network, build_network
from adscore.training.presets import DEFAULT, Preset

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
    """

    preset: Preset = DEFAULT
    seed: int = 0
    test_share: float = 0.2
    validation_share: float = 0.15


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        path: The new bundle's folder.
        manifest: What the bundle says of itself.
        metrics: Figures on held-out groups by target; empty where none were held out.
    """

    path: Path
    manifest: Manifest
    metrics: Mapping[str, TargetMetrics]


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
    data, split = _prepare(table, options)
    progress(f"fitting the {options.preset.name} network to {len(split.fitting)} creatives")
    fitted = _fit(data, split, options)
    progress("exporting and checking the graphs")
    contents = {
        **export_network(fitted.network),
        files.TOKENIZER: fitted.tokenizer_file.encode(),
        files.TRAINING_GROUPS: _training_groups(data, split),
    }
    manifest = _manifest(table, data, split, fitted, options)
    name = model_dir.resolve().name
    scorer = Scorer(Bundle(name, "", manifest, contents))
    metrics = _held_out_metrics(scorer, data, split)
    manifest = replace(
        manifest,
        reference=_reference(scorer, data),
        metrics={target: figures.to_dict() for target, figures in metrics.items()},
        training=replace(manifest.training, seconds=round(time.monotonic() - started, 1)),
    )
    contents[files.GOLDEN] = golden_file(manifest, contents)
    contents[files.MODEL_CARD] = model_card(name, manifest).encode()
    return TrainingResult(write_bundle(model_dir, manifest, contents), manifest, metrics)


# === Data ===


def _prepare(table: CreativeTable, options: TrainingOptions) -> tuple[TrainingData, Split]:
    size = options.preset.preprocessing
    data = load_training_data(table, ImageSize(size.image_height, size.image_width), InputLimits())
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
    """A calibrated network and what came with it."""

    network: Network
    tokenizer_file: str
    result: FitResult


def _fit(data: TrainingData, split: Split, options: TrainingOptions) -> _Fitted:
    preset = options.preset
    keras.utils.set_random_seed(options.seed)
    tf.config.experimental.enable_op_determinism()
    tokenizer_file = train_tokenizer(
        [data.headlines[row] for row in split.fitting], preset.vocabulary_size
    )
    tokenizer = HeadlineTokenizer(tokenizer_file, preset.preprocessing.headline_tokens)
    token_ids, _ = tokenizer.encode(data.headlines)
    rows = split.fitting
    start = starting_point(
        data.successes[rows], data.trials[rows], data.groups[rows] if data.is_grouped else None
    )
    network = build_network(preset, tokenizer.vocabulary_size, start)
    result = fit_network(network, preset, data, token_ids, split, options.seed)
    _calibrate(network, preset, data, token_ids, split.validation)
    return _Fitted(network, tokenizer_file, result)


def _calibrate(
    network: Network,
    preset: Preset,
    data: TrainingData,
    token_ids: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    outputs = predict_rows(network, data, token_ids, rows)
    network.calibrate(
        calibrate(
            outputs["logit"],
            outputs["log_concentration"],
            data.successes[rows],
            data.trials[rows],
            data.groups[rows] if data.is_grouped else None,
            mean=preset.loss == "beta_binomial",
        )
    )


# === What a bundle says of itself ===


def _manifest(
    table: CreativeTable,
    data: TrainingData,
    split: Split,
    fitted: _Fitted,
    options: TrainingOptions,
) -> Manifest:
    """The manifest without what only the finished graphs can tell."""
    return Manifest(
        targets=tuple(table.successes),
        limits=InputLimits(),
        preprocessing=options.preset.preprocessing,
        reference={},
        training=_summary(options, table.target_columns, data, split, fitted.result),
        metrics={},
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
    fit: FitResult,
) -> TrainingSummary:
    rows = np.concatenate([split.fitting, split.validation])
    return TrainingSummary(
        preset=options.preset.name,
        creatives=len(rows),
        groups=len(np.unique(data.groups[rows])) if data.is_grouped else 0,
        seed=options.seed,
        seconds=0.0,
        epochs=fit.epochs,
        create_time=datetime.now(UTC).isoformat(timespec="seconds"),
        adscore_version=importlib.metadata.version("adscore"),
        target_columns=dict(target_columns),
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
    )


def _predict(scorer: Scorer, data: TrainingData, rows: NDArray[np.int64]) -> Predictions:
    """What the finished graphs predict for some rows: the path that serving takes."""
    return scorer.predict(
        PreparedCreative(data.headlines[row], data.pixels[data.image_index[row]]) for row in rows
    )


def _reference(scorer: Scorer, data: TrainingData) -> dict[str, tuple[float, ...]]:
    """Percentiles of the predicted means over all creatives of the table."""
    mean = _predict(scorer, data, np.arange(len(data))).mean
    percentiles = np.percentile(mean, np.arange(101), axis=0)
    return {
        name: tuple(percentiles[:, column].tolist())
        for column, name in enumerate(scorer.manifest.targets)
    }


def _held_out_metrics(scorer: Scorer, data: TrainingData, split: Split) -> dict[str, TargetMetrics]:
    if not split.test.size:
        return {}
    predictions = _predict(scorer, data, split.test)
    return {
        name: evaluate_target(
            predictions.mean[:, column],
            data.successes[split.test, column],
            data.trials[split.test, column],
            concentration=predictions.concentration[:, column],
            group=data.groups[split.test] if data.is_grouped else None,
        )
        for column, name in enumerate(scorer.manifest.targets)
    }
