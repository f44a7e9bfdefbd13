"""What a bundle says of itself: how it was trained, and how good it is on held-out groups."""

import importlib.metadata
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from adscore.bundle import Manifest, Preprocessing, Spread, TrainingSummary, group_digest
from adscore.creative import MIN_RATE, InputLimits
from adscore.evaluation import evaluate_agreement, evaluate_target
from adscore.evaluation.table import compared_rows
from adscore.training.model import Model
from adscore.training.problem import Problem
from adscore.training.spreads import estimate_spread

LIBRARIES = ("tensorflow", "keras", "tf2onnx", "onnxruntime", "tokenizers", "pillow", "numpy")

Metrics = dict[str, float | int | None]


def build_manifest(problem: Problem, model: Model, seconds: float) -> Manifest:
    """Measures a model on the held-out groups and describes it.

    Args:
        problem: What it was fitted to.
        model: The model.
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
        metrics=_metrics(problem, model),
        agreement=_agreement(problem, model),
        spreads=_spreads(problem, model),
    )


def _limits(problem: Problem) -> InputLimits:
    """Accepts what the table had, and less of it where the model learned to do without."""
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
    data, rows = problem.data, problem.split.seen
    return TrainingSummary(
        preset=problem.preset.name,
        creatives=len(rows),
        groups=len(np.unique(data.groups[rows])) if data.is_grouped else 0,
        seed=problem.seed,
        seconds=round(seconds, 1),
        epochs=model.epochs,
        create_time=datetime.now(UTC).isoformat(timespec="seconds"),
        adscore_version=importlib.metadata.version("adscore"),
        target_columns=data.targets,
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
        encoders=problem.encoders.names,
        columns=data.columns,
    )


def training_groups(problem: Problem) -> bytes:
    """Digests of the groups used for fitting or validation, one a line."""
    seen = np.unique(problem.data.groups[problem.split.seen])
    digests = sorted(group_digest(problem.data.group_names[number]) for number in seen)
    return "".join(f"{digest}\n" for digest in digests).encode()


# === What it predicts ===


def _reference(problem: Problem, model: Model) -> dict[str, tuple[float, ...]]:
    """Percentiles of the predicted means over all creatives of the table."""
    mean, _ = model.predict(np.arange(len(problem.data)))
    percentiles = np.percentile(mean, np.arange(101), axis=0)
    names = problem.data.targets
    return {name: tuple(percentiles[:, column].tolist()) for column, name in enumerate(names)}


def _metrics(problem: Problem, model: Model) -> dict[str, Metrics]:
    """Metrics of each target on the held-out groups; empty where there are none."""
    data, rows = problem.data, problem.split.test
    if not rows.size:
        return {}
    mean, concentration = model.predict(rows)
    return {
        name: evaluate_target(
            mean[:, column],
            data.successes[rows, column],
            data.trials[rows, column],
            concentration=concentration[:, column],
            group=data.groups[rows] if data.is_grouped else None,
        ).to_dict()
        for column, name in enumerate(data.targets)
    }


def _spreads(problem: Problem, model: Model) -> dict[str, Spread]:
    """How far predictions of the held-out groups are off, by target, where they can tell."""
    data, rows = problem.data, problem.split.test
    if not rows.size:
        return {}
    mean, _ = model.predict(rows)
    logits = logit(np.clip(mean, MIN_RATE, 1 - MIN_RATE))
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


def _agreement(problem: Problem, model: Model) -> dict[str, float | None]:
    """Metrics of agreement among held-out rows of headline and image; empty without."""
    data = problem.data
    rows = data.rows_with("image", data.rows_with("headline", problem.split.test))
    rows = compared_rows(rows)
    if not problem.align or not rows.size:
        return {}
    headline, image = (_aligned(model, name, rows) for name in ("headline", "image"))
    names = np.unique(np.array(data.headlines, dtype=object)[rows], return_inverse=True)[1]
    matches: NDArray[np.int64] = np.argwhere(names[:, None] == names)
    return evaluate_agreement(headline @ image.T, matches).to_dict()


def _aligned(model: Model, name: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Places of some rows' headlines or images, (rows, a)."""
    tower = model.towers[name]
    # Called rather than compiled, which would take longer than this one use of it.
    parts = [tower(batch, training=False)["aligned"] for batch in model.inputs.batches(tower, rows)]
    return np.concatenate(parts)
