"""The evaluation as one page to look at."""

from adscore.evaluation.report.page import Report

__all__ = ["Report"]
