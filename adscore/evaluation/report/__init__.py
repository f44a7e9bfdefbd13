"""The evaluation as one page to look at."""

from adscore.evaluation.report.held_out import held_out_report
from adscore.evaluation.report.page import Report, write_report

__all__ = ["Report", "held_out_report", "write_report"]
