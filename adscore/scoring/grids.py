"""Headlines x images -> a grid of scores: each part is encoded once, the pairs share one head."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.creative import Warning
from adscore.scoring.graphs import EncodedCreatives, Encodings

# Pairs per run of the head, which bounds its memory for grids of any size. Fewer need more runs;
# more no longer fit the processor's caches.
BLOCK_PAIRS = 1024


@dataclass(frozen=True, slots=True)
class TargetGrid:
    """The predictions for one target, (headlines, images) float64 each; as `TargetScore`."""

    mean: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    percentile: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreGrid:
    """Predicted performance of every headline with every image.

    Attributes:
        targets: One grid for each target of the model, by name.
        agreement: How well they fit together, from -1 to 1, (headlines, images) float64; None
            if the model was not trained for it.
        headline_warnings: Reasons to trust a headline's scores less, for each headline.
        image_warnings: The same for each image.
        warnings: Reasons to trust all of them less.
    """

    targets: Mapping[str, TargetGrid]
    agreement: NDArray[np.float64] | None
    headline_warnings: tuple[tuple[Warning, ...], ...]
    image_warnings: tuple[tuple[Warning, ...], ...]
    warnings: tuple[Warning, ...]


@dataclass(frozen=True, slots=True)
class PairsToScore:
    """Encoded headlines and images, and the context that all of their pairs share.

    Attributes:
        headline: Encodings of the headlines; empty for a model without that tower.
        image: Encodings of the images; likewise.
        counts: Number of headlines and of images.
        context_ids: Ids of the context.
    """

    headline: Encodings
    image: Encodings
    counts: tuple[int, int]
    context_ids: tuple[int, ...]

    def blocks(self) -> Iterator[EncodedCreatives]:
        """All pairs, headline by headline, in blocks of `BLOCK_PAIRS`."""
        headlines, images = self.counts
        for start in range(0, headlines * images, BLOCK_PAIRS):
            pairs = np.arange(start, min(start + BLOCK_PAIRS, headlines * images))
            row, column = np.divmod(pairs, images)
            present = np.ones((len(pairs), len(Present)), np.float32)
            present[:, Present.CONTEXT] = any(self.context_ids)
            yield EncodedCreatives(
                headline={name: values[row] for name, values in self.headline.items()},
                image={name: values[column] for name, values in self.image.items()},
                context_ids=np.tile(np.array(self.context_ids, np.int32), (len(pairs), 1)),
                present=present,
                truncated=np.zeros(len(pairs), dtype=bool),
            )


def target_grids(
    targets: Sequence[str], figures: NDArray[np.float64], counts: tuple[int, int]
) -> dict[str, TargetGrid]:
    """Numbers of all pairs, (pairs, targets, 4) -> a grid for each target."""
    return {
        target: TargetGrid(*(figures[:, column, figure].reshape(counts) for figure in range(4)))
        for column, target in enumerate(targets)
    }
