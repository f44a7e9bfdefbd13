"""Writes decisions as JSON, or as a table with a row for each arm."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

import pyarrow as pa

from adscore.creative import Columns
from adscore.decision.decision import ArmDecision, Decision

if TYPE_CHECKING:
    from adscore.decision.table import TableDecisions

_GROUPS_OF_A_BATCH = 2_000
_FIGURES = (
    "predicted",
    "mean",
    "lower",
    "upper",
    "chance_best",
    "chance_above_control",
    "relative_loss",
    "share",
)
_TARGET_FIGURES = ("trials", "successes", "predicted", "mean", "lower", "upper")


# === As JSON ===


class DecisionWriter:
    """Writes decisions as JSON, one by one.

    Args:
        file: Text file to write to.
        decisions: The decisions, with their settings and model.
    """

    def __init__(self, file: TextIO, decisions: "TableDecisions") -> None:
        settings = decisions.settings
        self._file, self._targets = file, settings.targets
        head = {
            "model": decisions.model,
            "model_version": decisions.model_version,
            "aim": str(settings.aim),
            "horizon": settings.horizon,
            "targets": list(settings.targets),
        }
        file.write(f'{json.dumps(head)[:-1]}, "groups": {{')
        self._separator = "\n"

    def write(self, decision: Decision) -> None:
        """Writes one group."""
        group = {
            "status": str(decision.status),
            "leader": decision.leader,
            "relative_loss": decision.relative_loss,
            "horizon": decision.horizon,
            "warnings": list(map(str, decision.warnings)),
            "arms": [_arm_as_json(arm, self._targets) for arm in decision.arms],
        }
        self._file.write(f"{self._separator}{json.dumps(decision.group)}: {json.dumps(group)}")
        self._separator = ",\n"

    def close(self) -> None:
        """Writes the closing brackets."""
        self._file.write("}}\n")


def _arm_as_json(arm: ArmDecision, targets: Sequence[str]) -> dict[str, Any]:
    """One arm as JSON; several targets have their figures beside those of the value."""
    of_targets = {
        name: {figure: getattr(arm.targets[name], figure) for figure in _TARGET_FIGURES}
        for name in targets
    }
    only = of_targets[targets[0]] if len(targets) == 1 else {}
    counts = {name: only.get(name) for name in ("trials", "successes")}
    figures = {name: getattr(arm, name) for name in _FIGURES}
    result = {"id": arm.id, **counts, **figures, "warnings": list(arm.warnings)}
    return result if len(targets) == 1 else {**result, "targets": of_targets}


# === As a table ===


def result_schema(columns: Columns, targets: Sequence[str]) -> pa.Schema:
    """Columns of the table of decisions."""
    texts = [columns.group or "group", columns.id or "row", "status"]
    numbers = [*_FIGURES, *(f"{name}_{figure}" for name in targets for figure in _TARGET_FIGURES)]
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("leads", pa.bool_()),
            *((name, pa.float64()) for name in numbers),
            *((name, pa.string()) for name in _LAST_COLUMNS),
        ]
    )


_LAST_COLUMNS = ("warnings", "group_warnings", "model", "model_version")


def result_batches(
    decisions: Iterable[Decision], schema: pa.Schema, asked: "TableDecisions"
) -> Iterator[pa.RecordBatch]:
    """The rows of a table of decisions, in batches of some groups."""
    iterator = iter(decisions)
    while some := list(islice(iterator, _GROUPS_OF_A_BATCH)):
        rows = [_row(one, arm, asked) for one in some for arm in one.arms]
        columns = zip(*rows, strict=True)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
        ]
        yield pa.record_batch(arrays, schema=schema)


def _row(decision: Decision, arm: ArmDecision, asked: "TableDecisions") -> list[Any]:
    of_targets = [
        getattr(arm.targets[name], figure)
        for name in asked.settings.targets
        for figure in _TARGET_FIGURES
    ]
    return [
        decision.group,
        arm.id,
        str(decision.status),
        arm.id == decision.leader,
        *(getattr(arm, name) for name in _FIGURES),
        *of_targets,
        ";".join(arm.warnings),
        ";".join(decision.warnings),
        asked.model,
        asked.model_version,
    ]
