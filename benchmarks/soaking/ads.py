"""Creatives with the scores that a model must give them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from shared.model import read_creatives

# What batches and caches change of a float32 sum; another creative's score is farther away.
RELATIVE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Ad:
    """One creative.

    Attributes:
        headline: Its headline.
        image: Its image file.
        means: What the model must predict, by target.
    """

    headline: str
    image: bytes
    means: dict[str, float]

    def is_right(self, score: scoring_pb2.Score, creative_id: str) -> bool:
        """Whether a score is this creative's, and as it must be."""
        return score.creative_id == creative_id and all(
            abs(score.targets[name].mean - mean) <= RELATIVE_TOLERANCE * mean
            for name, mean in self.means.items()
        )


class Ads:
    """Creatives of a simulated log, again and again, each time as a file not seen before.

    Args:
        log: Folder of `adscore sample`.
        model: The model that scores them, in this process too.
        count: How many different ones there are.
    """

    def __init__(self, log: Path, model: Path, count: int = 16) -> None:
        creatives = read_creatives(log)[:count]
        scores = Scorer.open(model).score(creatives)
        self.ads = [
            Ad(one.headline, one.image, {name: t.mean for name, t in score.targets.items()})
            for one, score in zip(creatives, scores, strict=True)
        ]

    def fresh(self, start: int = 0) -> Iterator[tuple[Ad, scoring_pb2.Creative]]:
        """Yields creatives without end, numbered from a start; no cache knows their images."""
        for number in itertools.count(start):
            ad = self.ads[number % len(self.ads)]
            yield ad, fresh_creative(ad, number)


def fresh_creative(ad: Ad, number: int) -> scoring_pb2.Creative:
    """The creative with a number at the end of its image, which decoders pass over."""
    image = ad.image + number.to_bytes(8, "big")
    return scoring_pb2.Creative(id=str(number), headline=ad.headline, image=image)
