"""What each modality contributes: the figures again, with a part of the creatives exchanged."""

import dataclasses
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from adscore.evaluation.table import Evaluation, evaluate_table
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable

_Value = TypeVar("_Value")


class Modality(StrEnum):
    """A part of a creative that can be taken from another one."""

    HEADLINE = "headline"
    IMAGE = "image"
    CONTEXT = "context"

    @classmethod
    def parse(cls, text: str) -> "Modality":
        """Reads the name of a modality.

        Raises:
            ValueError: There is none of that name.
        """
        if text not in list(cls):
            raise ValueError(f"--ablate: expected {', '.join(cls)}. Received: {text}")
        return cls(text)


def with_ablations(
    evaluation: Evaluation, scorer: Scorer, table: CreativeTable, modalities: Iterable[Modality]
) -> Evaluation:
    """The evaluation together with that of each modality exchanged; see `evaluate_without`."""
    ablations = {
        modality.value: evaluate_without(modality, scorer, table, evaluation.row_numbers)
        for modality in modalities
    }
    return dataclasses.replace(evaluation, ablations=ablations)


def evaluate_without(
    modality: Modality,
    scorer: Scorer,
    table: CreativeTable,
    rows: NDArray[np.int64],
    seed: int = 0,
) -> Evaluation:
    """Evaluates again, with one modality of every row that of another random row.

    What is exchanged keeps its distribution, so that the model sees headlines and images as it
    knows them, and only their tie to the result is cut (Breiman 2001, permutation importance).
    It is exchanged among the evaluated rows that have it; no row keeps its own, though another
    row's may be the same text or picture.

    Args:
        modality: What is exchanged.
        scorer: The model.
        table: Creatives with counts of the targets to evaluate.
        rows: Which rows, counted from 0.
        seed: Same seed, same exchange.

    Raises:
        TableError: As `evaluate_table`.
    """
    present = np.array([row for row in rows.tolist() if _has(modality, table, row)], np.int64)
    donor = np.arange(len(table))
    # Along one random cycle every row gets another's.
    cycle = np.random.default_rng(seed).permutation(present)
    donor[cycle] = np.roll(cycle, 1)
    return evaluate_table(scorer, _exchanged(modality, table, donor), rows)


def _has(modality: Modality, table: CreativeTable, row: int) -> bool:
    if modality is Modality.CONTEXT:
        return any(values[row] for values in table.context.values())
    return bool(table.headlines[row] if modality is Modality.HEADLINE else table.images[row])


def _exchanged(modality: Modality, table: CreativeTable, donor: NDArray[np.int64]) -> CreativeTable:
    match modality:
        case Modality.HEADLINE:
            return dataclasses.replace(table, headlines=_taken(table.headlines, donor))
        case Modality.IMAGE:
            return dataclasses.replace(table, images=_taken(table.images, donor))
        case Modality.CONTEXT:
            context: dict[str, Sequence[str]] = {}
            for name, values in table.context.items():
                context[name] = _taken(values, donor)
            return dataclasses.replace(table, context=context)


def _taken(values: Sequence[_Value], rows: NDArray[np.int64]) -> list[_Value]:
    return [values[row] for row in rows.tolist()]
