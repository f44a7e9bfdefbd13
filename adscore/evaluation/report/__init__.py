"""The evaluation as one page to look at."""

from adscore.evaluation.report.page import Report, write_report

__all__ = ["Report", "write_report"]
