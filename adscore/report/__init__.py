"""HTML reports about evaluations, scores, decisions, checks and explanations."""

from adscore.report.evaluation import Report, left_out_report, write_report
from adscore.report.scores import write_score_report

__all__ = ["Report", "left_out_report", "write_report", "write_score_report"]
