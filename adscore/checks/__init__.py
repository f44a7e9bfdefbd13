"""Checks creatives against the rules that ad platforms publish; needs no model."""

from adscore.checks.check import Checker, check_creatives
from adscore.checks.findings import Box, CheckedCreative, CheckReport, Finding, Severity
from adscore.checks.rules import Placement, UnknownPlacementError, find_placement, placements
from adscore.checks.text import OcrMissingError, text_boxes

__all__ = [
    "Box",
    "CheckReport",
    "CheckedCreative",
    "Checker",
    "Finding",
    "OcrMissingError",
    "Placement",
    "Severity",
    "UnknownPlacementError",
    "check_creatives",
    "find_placement",
    "placements",
    "text_boxes",
]
