"""How good predictions are: figures and curves on plain arrays."""

from adscore.evaluation.calibration import (
    ReliabilityCurve,
    calibration_error,
    perfect_calibration_error,
    reliability_curve,
)
from adscore.evaluation.coverage import interval_coverage
from adscore.evaluation.log_loss import deviance_explained, log_loss
from adscore.evaluation.metrics import TargetMetrics, evaluate_target
from adscore.evaluation.pairs import (
    EvidenceCurve,
    PairwiseMetrics,
    evidence_curve,
    pairwise_metrics,
)
from adscore.evaluation.ranking import LiftCurve, auc, lift_curve
from adscore.evaluation.retrieval import AgreementMetrics, evaluate_agreement

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
