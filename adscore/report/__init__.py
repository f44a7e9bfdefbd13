"""The evaluation as one page to look at."""

from adscore.report.evaluation_page import Report, write_report
from adscore.report.held_out import held_out_report

__all__ = ["Report", "held_out_report", "write_report"]
