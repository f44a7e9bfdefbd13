"""Runs a model's head on parts that were encoded separately."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, stdtrit

from adscore.bundle import Present
from adscore.creative import INTERVAL_LEVEL, MIN_RATE, Score
from adscore.explanation.result import IdeaKind
from adscore.explanation.variants import Variant
from adscore.scoring.graphs import MAX_BATCH, EncodedCreatives, Graphs

Array = NDArray[np.float64]
Embedding = NDArray[np.float32]  # (e,)
# "headline" or "image", or positions of context names.
Part = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """What is known about the explained creative.

    Attributes:
        encoded: Its encoded parts, one row.
        score: Its score.
        whole: Embedding of its banner as `Canvas` renders it; None if no elements are removed.
    """

    encoded: EncodedCreatives
    score: Score
    whole: Embedding | None = field(default=None, repr=False)


class Change(NamedTuple):
    """The effect of a variant.

    Attributes:
        effect: Change of the rate's logit.
        half_width: Half the width of its 90 % interval; infinite if unknown.
    """

    effect: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Values:
    """Output of the head for one target; n rows, m members of the ensemble.

    Attributes:
        logit: Logit of the mean rate, (n,).
        members: Calibrated logits, (n, m); None if the model does not output them.
    """

    logit: Array
    members: Array | None

    @property
    def sums(self) -> Array:
        """The quantity that is additive in an additive model: the members' mean logit, (n,)."""
        return self.logit if self.members is None else self.members.mean(axis=1)

    def change(self, row: int, since: int) -> Change:
        """Change between two rows.

        The interval is Student's, for the change of a single member, since members were fitted to
        different groups or from different starts.
        """
        effect = float(self.logit[row] - self.logit[since])
        if self.members is None or self.members.shape[1] < 2:
            return Change(effect, np.inf)
        changes = self.members[row] - self.members[since]
        quantile = stdtrit(len(changes) - 1, (1 + INTERVAL_LEVEL) / 2)
        return Change(effect, float(quantile * changes.std(ddof=1)))


class Head:
    """Runs a model's head on variants of a creative.

    Args:
        graphs: Graphs of the model.
        own: The creative.
        target: Index of the target.
    """

    def __init__(self, graphs: Graphs, own: Own, target: int) -> None:
        self._graphs, self._target = graphs, target
        self._own = own

    @property
    def own(self) -> EncodedCreatives:
        """The encoded creative, one row."""
        return self._own.encoded

    def changes(self, variants: Sequence[tuple[Variant, Embedding | None]]) -> list[Change]:
        """Effect of each variant; of an element, relative to the banner as `Canvas` renders it."""
        rows = _taken(self.own, np.zeros(2 + len(variants), np.int64))
        if self._own.whole is not None:
            rows.image["embedding"][1] = self._own.whole
        for row, (variant, embedding) in enumerate(variants, start=2):
            self._exchange(rows, row, variant, embedding)
        values = self.values(rows)
        return [
            values.change(row, int(variant.kind is IdeaKind.DROP_ELEMENT))
            for row, (variant, _) in enumerate(variants, start=2)
        ]

    def _exchange(
        self, rows: EncodedCreatives, row: int, variant: Variant, embedding: Embedding | None
    ) -> None:
        if variant.context_ids is not None:
            rows.context_ids[row] = variant.context_ids
            rows.present[row, Present.CONTEXT] = any(variant.context_ids)
        elif variant.file is not None or variant.box is not None:
            rows.image["embedding"][row] = embedding
            rows.present[row, Present.IMAGE] = 1
        else:
            if embedding is None:  # no headline is left
                embedding = self._graphs.mean_embedding("headline")
            rows.headline["embedding"][row] = embedding
            rows.present[row, Present.HEADLINE] = 1

    def without_parts(self, kept: NDArray[np.bool_], parts: Sequence[Part]) -> Values:
        """Output with only some parts of the creative; the others are replaced by average ones.

        Args:
            kept: Which parts are kept, (n, parts).
            parts: The parts.
        """
        rows = _taken(self.own, np.zeros(len(kept), np.int64))
        for column, part in enumerate(parts):
            absent = ~kept[:, column]
            if isinstance(part, str):
                embeddings = rows.headline if part == "headline" else rows.image
                embeddings["embedding"][absent] = self._graphs.mean_embedding(part)
            else:
                rows.context_ids[np.ix_(absent, np.array(part))] = 0
        return self.values(rows)

    def values(self, rows: EncodedCreatives) -> Values:
        """Runs the head on one or more rows, in batches."""
        batches = [
            self._graphs.predict_members(_taken(rows, slice(start, start + MAX_BATCH)))
            for start in range(0, len(rows.present), MAX_BATCH)
        ]
        mean = np.concatenate([mean[:, self._target] for mean, _ in batches])
        known = [members[:, :, self._target] for _, members in batches if members is not None]
        return Values(
            logit(mean.clip(MIN_RATE, 1 - MIN_RATE)), np.concatenate(known) if known else None
        )


def _taken(rows: EncodedCreatives, index: slice | NDArray[np.int64]) -> EncodedCreatives:
    headline, image = (
        {name: values[index] for name, values in part.items()}
        for part in (rows.headline, rows.image)
    )
    return EncodedCreatives(
        headline, image, rows.context_ids[index], rows.present[index], rows.truncated[index]
    )
