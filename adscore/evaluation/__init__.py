"""How good predictions are: metrics and curves on plain arrays."""

from adscore.evaluation.agreement import AgreementMetrics, evaluate_agreement
from adscore.evaluation.calibration import (
    ReliabilityCurve,
    calibration_error,
    interval_coverage,
    perfect_calibration_error,
    reliability_curve,
)
from adscore.evaluation.metrics import (
    TargetMetrics,
    deviance_explained,
    evaluate_target,
    log_loss,
)
from adscore.evaluation.ranking import (
    EvidenceCurve,
    LiftCurve,
    PairwiseMetrics,
    auc,
    evidence_curve,
    lift_curve,
    pairwise_metrics,
)

__all__ = [
    "AgreementMetrics",
    "EvidenceCurve",
    "LiftCurve",
    "PairwiseMetrics",
    "ReliabilityCurve",
    "TargetMetrics",
    "auc",
    "calibration_error",
    "deviance_explained",
    "evaluate_agreement",
    "evaluate_target",
    "evidence_curve",
    "interval_coverage",
    "lift_curve",
    "log_loss",
    "pairwise_metrics",
    "perfect_calibration_error",
    "reliability_curve",
]
