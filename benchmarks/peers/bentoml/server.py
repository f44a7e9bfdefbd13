"""The bundle behind BentoML: a worker for each core, its adaptive batching."""

from typing import Any

import bentoml
from pydantic import Base64Bytes, BaseModel

from adscore.creative import Creative
from peers.scoring import CORES, LARGEST_BATCH, answer, open_scorer


class Ad(BaseModel):
    """A creative as JSON can hold it."""

    headline: str
    image: Base64Bytes


@bentoml.service(workers=CORES, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Scoring:
    """Decodes and scores the creatives of a batch."""

    def __init__(self) -> None:
        self.scorer = open_scorer()

    @bentoml.api(batchable=True, max_batch_size=LARGEST_BATCH, max_latency_ms=60_000)
    def score(self, ads: list[Ad]) -> list[dict[str, Any]]:
        """Scores a batch."""
        creatives = [Creative(ad.headline, ad.image) for ad in ads]
        return [answer(score) for score in self.scorer.score(creatives)]
