"""Explains a score: the effects of each part, word and element, and ideas for improvement."""

from adscore.explanation.plan import CheckedPart, Plan, count_encodings, explain
from adscore.explanation.question import MAX_WHAT_IFS, Box, WhatIf
from adscore.explanation.result import (
    ElementEffect,
    ElementKind,
    Explanation,
    Idea,
    IdeaKind,
    Parts,
    WordEffect,
)
from adscore.explanation.text_boxes import can_find_text

__all__ = [
    "MAX_WHAT_IFS",
    "Box",
    "CheckedPart",
    "ElementEffect",
    "ElementKind",
    "Explanation",
    "Idea",
    "IdeaKind",
    "Parts",
    "Plan",
    "WhatIf",
    "WordEffect",
    "can_find_text",
    "count_encodings",
    "explain",
]
