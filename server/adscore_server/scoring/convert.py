"""Wire messages <-> domain objects."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Manifest
from adscore.creative import Creative, Score, Warning
from adscore.decision import ArmDecision, Decision, DecisionSettings
from adscore.explanation import Explanation, WordEffect
from adscore.scoring.grids import ScoreGrid, TargetGrid
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server.calls.status import code_number, describe
from adscore_server.models.registry import LoadingModel, ModelEntry, RefusedModel

# Values listed per context name; a column of ids must not fill the answer.
MAX_CONTEXT_VALUES = 1_000


def creative_from_wire(wire: scoring_pb2.Creative) -> Creative:
    """Converts a creative without checks; the scoring core validates it."""
    return Creative(
        headline=wire.headline, image=wire.image, id=wire.id, context=dict(wire.context)
    )


def score_to_wire(score: Score, creative_id: str, scorer: Scorer) -> scoring_pb2.Score:
    """Converts the score of the creative with this id."""
    return scoring_pb2.Score(
        creative_id=creative_id,
        targets={
            name: scoring_pb2.TargetScore(
                mean=target.mean,
                lower=target.lower,
                upper=target.upper,
                percentile=target.percentile,
            )
            for name, target in score.targets.items()
        },
        agreement=score.agreement,
        warnings=_warnings_to_wire(score.warnings),
        model=scorer.name,
        model_version=scorer.version,
    )


def batch_results_to_wire(
    creatives: Sequence[Creative], outcomes: Sequence[Score | Exception], scorer: Scorer
) -> list[scoring_pb2.BatchScoreResult]:
    """Converts the outcomes of the creatives of a batch."""
    pairs = zip(creatives, outcomes, strict=True)
    return [
        _batch_result_to_wire(outcome, creative.id, position, scorer)
        for position, (creative, outcome) in enumerate(pairs)
    ]


def _batch_result_to_wire(
    outcome: Score | Exception, creative_id: str, position: int, scorer: Scorer
) -> scoring_pb2.BatchScoreResult:
    """Converts the outcome of the creative at a position (from 0) of a batch."""
    if isinstance(outcome, Score):
        return scoring_pb2.BatchScoreResult(
            id=creative_id, score=score_to_wire(outcome, creative_id, scorer)
        )
    failure = describe(outcome, creative_path=f"creatives[{position}]")
    error = scoring_pb2.CreativeError(
        code=code_number(failure.code),
        message=failure.message,
        reason=failure.reason,
        field=failure.field,
    )
    return scoring_pb2.BatchScoreResult(id=creative_id, error=error)


def decision_to_wire(
    decision: Decision, settings: DecisionSettings, scorer: Scorer
) -> scoring_pb2.DecideResponse:
    """Converts a decision."""
    return scoring_pb2.DecideResponse(
        status=f"DECISION_STATUS_{decision.status.upper()}",
        leader=decision.leader,
        relative_loss=decision.relative_loss,
        arms=map(_arm_decision_to_wire, decision.arms),
        warnings=[f"DECISION_WARNING_{warning}" for warning in decision.warnings],
        aim=f"AIM_{settings.aim.upper()}",
        horizon=decision.horizon,
        targets=settings.targets,
        model=scorer.name,
        model_version=scorer.version,
    )


def _arm_decision_to_wire(arm: ArmDecision) -> scoring_pb2.ArmDecision:
    return scoring_pb2.ArmDecision(
        id=arm.id,
        predicted=arm.predicted,
        mean=arm.mean,
        lower=arm.lower,
        upper=arm.upper,
        chance_best=arm.chance_best,
        chance_above_control=arm.chance_above_control,
        relative_loss=arm.relative_loss,
        share=arm.share,
        targets={
            name: scoring_pb2.TargetDecision(
                trials=target.trials,
                successes=target.successes,
                predicted=target.predicted,
                mean=target.mean,
                lower=target.lower,
                upper=target.upper,
                prediction=scoring_pb2.TargetPrediction(
                    logit=target.prediction.logit, spread=target.prediction.spread
                ),
            )
            for name, target in arm.targets.items()
        },
        warnings=_warnings_to_wire(arm.warnings),
    )


def match_to_wire(agreements: NDArray[np.float32], scorer: Scorer) -> scoring_pb2.MatchResponse:
    """Converts a matrix of agreements, (headlines, images)."""
    return scoring_pb2.MatchResponse(
        rows=[scoring_pb2.MatchRow(agreements=row) for row in agreements.tolist()],
        model=scorer.name,
        model_version=scorer.version,
    )


def grid_to_wire(grid: ScoreGrid, scorer: Scorer) -> scoring_pb2.ScoreCombinationsResponse:
    """Converts a grid of scores, headline by headline."""
    return scoring_pb2.ScoreCombinationsResponse(
        targets={name: _target_grid_to_wire(target) for name, target in grid.targets.items()},
        agreements=() if grid.agreement is None else grid.agreement.ravel(),
        headline_warnings=_part_warnings_to_wire(grid.headline_warnings),
        image_warnings=_part_warnings_to_wire(grid.image_warnings),
        warnings=_warnings_to_wire(grid.warnings),
        model=scorer.name,
        model_version=scorer.version,
    )


def explanation_to_wire(
    explanation: Explanation, creative_id: str, scorer: Scorer
) -> scoring_pb2.Explanation:
    """Converts the explanation of the creative with this id."""
    return scoring_pb2.Explanation(
        creative_id=creative_id,
        target=explanation.target,
        mean=explanation.mean,
        lower=explanation.lower,
        upper=explanation.upper,
        base=explanation.base,
        headline=explanation.parts.headline,
        image=explanation.parts.image,
        context=explanation.parts.context,
        remainder=explanation.remainder,
        warnings=_warnings_to_wire(explanation.warnings),
        words=map(_word_to_wire, explanation.words),
        phrases=map(_word_to_wire, explanation.phrases),
        elements=[
            scoring_pb2.ElementEffect(
                kind=f"ELEMENT_KIND_{element.kind}",
                box=scoring_pb2.Box(**element.box._asdict()),
                effect=element.effect,
            )
            for element in explanation.elements
        ],
        ideas=[
            scoring_pb2.Idea(
                kind=f"IDEA_KIND_{idea.kind}",
                what=idea.what,
                effect=idea.effect,
                lower=idea.lower,
                upper=idea.upper,
                position=idea.position,
                context_name=idea.context_name,
                context_value=idea.context_value,
            )
            for idea in explanation.ideas
        ],
        model=scorer.name,
        model_version=scorer.version,
    )


def _word_to_wire(word: WordEffect) -> scoring_pb2.WordEffect:
    return scoring_pb2.WordEffect(
        text=word.text, start=word.start, end=word.end, effect=word.effect
    )


def model_to_wire(entry: ModelEntry) -> model_pb2.Model:
    """Converts the entry of a model; one that does not score gets only its name and the reason."""
    if isinstance(entry, LoadingModel):
        return model_pb2.Model(
            name=entry.name, version=entry.version, state=model_pb2.MODEL_STATE_LOADING
        )
    if isinstance(entry, RefusedModel):
        return model_pb2.Model(
            name=entry.name,
            version=entry.version,
            state=model_pb2.MODEL_STATE_REFUSED,
            state_reason=entry.reason,
        )
    manifest = entry.scorer.manifest
    return model_pb2.Model(
        name=entry.name,
        version=entry.version,
        state=model_pb2.MODEL_STATE_READY,
        targets=manifest.targets,
        limits=_limits_to_wire(manifest),
        training=_training_to_wire(manifest),
        metrics=_metrics_to_wire(manifest),
        has_agreement=entry.scorer.has_agreement,
    )


def _target_grid_to_wire(target: TargetGrid) -> scoring_pb2.TargetGrid:
    return scoring_pb2.TargetGrid(
        means=target.mean.ravel(),
        lowers=target.lower.ravel(),
        uppers=target.upper.ravel(),
        percentiles=target.percentile.ravel(),
    )


def _part_warnings_to_wire(
    parts: Iterable[Iterable[Warning]],
) -> list[scoring_pb2.PartWarnings]:
    return [scoring_pb2.PartWarnings(warnings=_warnings_to_wire(part)) for part in parts]


def _warnings_to_wire(warnings: Iterable[str]) -> list[str]:
    return [f"WARNING_{warning}" for warning in warnings]


def _limits_to_wire(manifest: Manifest) -> model_pb2.InputLimits:
    limits, read = manifest.limits, manifest.preprocessing
    reads_images = bool(limits.image_formats)
    return model_pb2.InputLimits(
        max_headline_characters=limits.max_headline_characters,
        max_image_bytes=limits.max_image_bytes,
        max_image_pixels=limits.max_image_pixels,
        image_formats=limits.image_formats,
        headline_optional=limits.headline_optional,
        image_optional=limits.image_optional,
        context_names=limits.context_names,
        max_combinations=limits.max_combinations,
        image_height=read.image_height if reads_images else 0,
        image_width=read.image_width if reads_images else 0,
        context_values={
            name: model_pb2.ContextValues(values=values[:MAX_CONTEXT_VALUES])
            for name, values in read.context.items()
        },
    )


def _training_to_wire(manifest: Manifest) -> model_pb2.TrainingSummary:
    training = manifest.training
    return model_pb2.TrainingSummary(
        preset=training.preset,
        creatives=training.creatives,
        groups=training.groups,
        seed=training.seed,
        create_time=training.create_time,
        adscore_version=training.adscore_version,
    )


def _metrics_to_wire(manifest: Manifest) -> dict[str, model_pb2.TargetMetrics]:
    return {
        target: model_pb2.TargetMetrics(
            figures={name: value for name, value in figures.items() if value is not None}
        )
        for target, figures in manifest.metrics.items()
    }
