"""Scores as one page to look at."""

from adscore.offline.report.page import write_score_report

__all__ = ["write_score_report"]
