"""The result of a run of offline scoring: how many rows have no score, and why."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa

# Reasons counted separately; the others are counted together.
MAX_REASONS = 20
OTHER_REASONS = "other reasons"


class Failures(msgspec.Struct, frozen=True):
    """Rows without a score for one reason.

    Attributes:
        rows: Number of rows.
        example: Id and error of the first one.
    """

    rows: int
    example: str


Reasons = Mapping[str, Failures]


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a run.

    Attributes:
        bundle: The version that scored.
        rows: Rows of the result.
        reasons: By reason, the rows without a score.
        before: Rows scored by earlier runs.
        context_left_out: Context names that the model reads and that no column holds.
        formula_ids: Number of ids that a spreadsheet would run as a formula.
        formula_examples: The first of them.
        remarks: What a user should know of how the table was read.
    """

    bundle: Path
    rows: int
    reasons: Reasons = field(default_factory=dict)
    before: int = 0
    context_left_out: tuple[str, ...] = ()
    formula_ids: int = 0
    formula_examples: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        """Rows of the result that have no score."""
        return sum(failures.rows for failures in self.reasons.values())


def warn_of_left_out_context(names: Sequence[str]) -> None:
    """Issues a Python warning, at the caller's caller, about context that no column holds."""
    if names:
        warnings.warn(
            f"the model reads the context {', '.join(names)}, and no column is named for it: all "
            f"rows are scored without, and ranked worse. Name it as a context column",
            stacklevel=3,
        )


def reason_of(error: str) -> str:
    """The reason in an error's text, without the received value."""
    return error.partition(". Received")[0]


def failures_of(scores: pa.RecordBatch) -> dict[str, Failures]:
    """The rows without a score in a result, by reason."""
    errors = scores.column("error")
    if errors.null_count == len(errors):
        return {}
    found = zip(scores.column(0).to_pylist(), errors.to_pylist(), strict=True)
    return merged(
        {reason_of(error): Failures(1, f"{identity}: {error}")}
        for identity, error in found
        if error
    )


def merged(all_reasons: Iterable[Reasons]) -> dict[str, Failures]:
    """Adds up the rows of each reason."""
    total: dict[str, Failures] = {}
    for reasons in all_reasons:
        for name, failures in reasons.items():
            known = name in total or len(total) < MAX_REASONS
            reason = name if known else OTHER_REASONS
            before = total.get(reason, Failures(0, failures.example))
            total[reason] = Failures(before.rows + failures.rows, before.example)
    return total
