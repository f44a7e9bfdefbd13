"""What a trial did and what came of it: a row of the table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One trial.

    Attributes:
        trial: What was tried.
        done: How much of it, in words and numbers.
        outcome: What came of it.
        passed: Whether that is what a user may expect.
    """

    trial: str
    done: str
    outcome: str
    passed: bool


def tally(counts: Counter[str]) -> str:
    """Outcomes in words, the most frequent first."""
    return ", ".join(f"{number:,} {name}" for name, number in counts.most_common()) or "none"


def as_table(rows: Iterable[Row]) -> list[Sequence[str]]:
    """Cells of the table, header first."""
    cells = [(row.trial, row.done, row.outcome, "ok" if row.passed else "FAILED") for row in rows]
    return [("trial", "done", "outcome", ""), *cells]
