"""Predictions for creatives by models that were not fitted to their groups; source of metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.evaluation.table import Evaluation, compare_pairs, evaluate_predictions
from adscore.scoring.scorer import Predictions
from adscore.table import CreativeTable
from adscore.training.problem import TrainingData

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rates:
    """Predicted mean rate and concentration, (rows, targets) each."""

    mean: Floats
    concentration: Floats


@dataclass(frozen=True, slots=True)
class Places:
    """Embeddings by towers of agreement, of rows with headline and image.

    Attributes:
        rows: Row numbers, (n,).
        headline: Embeddings, (n, a), of unit length.
        image: Embeddings, (n, a), of unit length.
    """

    rows: NDArray[np.int64]
    headline: NDArray[np.float32]
    image: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Predictions for rows, each by a model that was not fitted to its group.

    Attributes:
        rows: Row numbers in the training's data, (n,), rising.
        rates: Predictions for them.
        exchanged: By part, predictions with that part taken from another row.
        folds: Number of models that made the predictions; 0 without targets.
        places: Embeddings of rows held out by the towers of agreement; None without such towers.
    """

    rows: NDArray[np.int64]
    rates: Rates
    exchanged: Mapping[str, Rates] = field(default_factory=dict)
    folds: int = 0
    places: Places | None = None

    @classmethod
    def joined(cls, parts: Iterable["LeftOut"]) -> "LeftOut":
        """Joins the rows of all folds, in order."""
        folds = list(parts)
        rows = np.concatenate([fold.rows for fold in folds])
        order = np.argsort(rows)

        def join(each: list[Rates]) -> Rates:
            return Rates(
                np.concatenate([one.mean for one in each])[order],
                np.concatenate([one.concentration for one in each])[order],
            )

        exchanged = {
            part: join([fold.exchanged[part] for fold in folds]) for part in folds[0].exchanged
        }
        return cls(rows[order], join([fold.rates for fold in folds]), exchanged, len(folds))


def parts_to_exchange(data: TrainingData) -> list[Present]:
    """The parts that a model of rates reads, if there are several."""
    return data.parts if len(data.parts) > 1 else []


def evaluate_left_out(left_out: LeftOut, data: TrainingData, table: CreativeTable) -> Evaluation:
    """Evaluates predictions for held-out rows against their counts."""
    targets = list(data.targets)
    rows, places = left_out.rows, left_out.places
    found = None
    if places is not None and places.rows.size:
        texts = [data.headlines[row] for row in places.rows.tolist()]
        found = compare_pairs(places.headline @ places.image.T, texts, places.rows)
    evaluation = evaluate_predictions(targets, table, rows, _predictions(left_out.rates), found)
    ablations = {
        part: evaluate_predictions(targets, table, rows, _predictions(rates))
        for part, rates in left_out.exchanged.items()
    }
    # Without a target, count the rows whose headline and image were compared.
    compared = 0 if places is None else places.rows.size
    return replace(evaluation, rows=len(rows) or int(compared), ablations=ablations)


def _predictions(rates: Rates) -> Predictions:
    rows = len(rates.mean)
    never = np.zeros(rows, dtype=bool)
    return Predictions(rates.mean, rates.concentration, never, never, np.full(rows, np.nan))
