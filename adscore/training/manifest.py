"""Builds a bundle's manifest: how the model was trained, and its metrics on held-out groups."""

import importlib.metadata
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from scipy.special import logit

from adscore.bundle import Manifest, Preprocessing, Spread, TrainingSummary, group_digest
from adscore.creative import MIN_RATE, InputLimits
from adscore.evaluation.table import Evaluation
from adscore.training.left_out import LeftOut
from adscore.training.model import Model
from adscore.training.problem import Problem
from adscore.training.spreads import estimate_spread

LIBRARIES = ("tensorflow", "keras", "tf2onnx", "onnxruntime", "tokenizers", "pillow", "numpy")


def build_manifest(
    problem: Problem, model: Model, evaluation: Evaluation, seconds: float
) -> Manifest:
    """Describes a model.

    Args:
        problem: The problem that it was fitted to.
        model: The model.
        evaluation: Evaluation on held-out groups.
        seconds: Duration of the training.
    """
    data = problem.data
    return Manifest(
        targets=tuple(data.targets),
        limits=_limits(problem),
        preprocessing=_preprocessing(problem),
        reference=_reference(problem, model),
        familiarity=model.familiarity,
        training=_summary(problem, model, seconds),
        metrics=evaluation.target_metrics,
        agreement=evaluation.agreement.to_dict() if problem.align else {},
        spreads=_spreads(problem, model.left_out),
    )


def _limits(problem: Problem) -> InputLimits:
    """Limits that require the parts that the table had, unless the model learned to do without."""
    limits = InputLimits(context_names=tuple(problem.data.context))
    optional = bool(problem.preset.modality_dropout)
    if "headline" not in problem.data.modalities:
        return replace(limits, max_headline_characters=0, headline_optional=True)
    if "image" not in problem.data.modalities:
        return replace(limits, image_formats=(), image_optional=True)
    return replace(limits, headline_optional=optional, image_optional=optional)


def _preprocessing(problem: Problem) -> Preprocessing:
    return replace(problem.preset.preprocessing, context=problem.data.context)


def _summary(problem: Problem, model: Model, seconds: float) -> TrainingSummary:
    data = problem.data
    return TrainingSummary(
        preset=problem.preset.name,
        creatives=len(data),
        groups=len(data.group_names) if data.is_grouped else 0,
        seed=problem.seed,
        seconds=round(seconds, 1),
        epochs=model.epochs,
        create_time=datetime.now(UTC).isoformat(timespec="seconds"),
        adscore_version=importlib.metadata.version("adscore"),
        target_columns=data.targets,
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
        encoders=problem.encoders.names,
        columns=data.columns,
        folds=model.left_out.folds,
        left_out=len(model.left_out.rows),
        choices=model.choices,
    )


def training_groups(problem: Problem) -> bytes:
    """Digests of the groups that the model was fitted to, one per line."""
    digests = sorted(map(group_digest, problem.data.group_names))
    return "".join(f"{digest}\n" for digest in digests).encode()


def _reference(problem: Problem, model: Model) -> dict[str, tuple[float, ...]]:
    """Percentiles of the predicted means over all creatives of the table."""
    mean, _ = model.predict(np.arange(len(problem.data)))
    percentiles = np.percentile(mean, np.arange(101), axis=0)
    names = problem.data.targets
    return {name: tuple(percentiles[:, column].tolist()) for column, name in enumerate(names)}


def _spreads(problem: Problem, left_out: LeftOut) -> dict[str, Spread]:
    """Spread of the errors of held-out predictions, by target, if it can be estimated."""
    data, rows = problem.data, left_out.rows
    logits = logit(np.clip(left_out.rates.mean, MIN_RATE, 1 - MIN_RATE))
    spreads = {
        name: estimate_spread(
            logits[:, column],
            data.trials[rows, column],
            data.successes[rows, column],
            data.groups[rows],
        )
        for column, name in enumerate(data.targets)
    }
    return {name: spread for name, spread in spreads.items() if spread is not None}
