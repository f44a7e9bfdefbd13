"""What each rule asks for, and what it finds."""

from adscore.checks.kinds.kind import Fault, Subject
from adscore.checks.kinds.kinds import KINDS, expected

__all__ = ["KINDS", "Fault", "Subject", "expected"]
