"""The bundle behind MLServer: a runtime of its own kind, workers for the cores, its batching."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from adscore.creative import Creative
from peers.scoring import open_scorer

_FIGURES = ("mean", "lower", "upper", "percentile")


class Scoring(MLModel):
    """Decodes and scores the creatives of a batch."""

    async def load(self) -> bool:
        """Runs once in each worker."""
        self.scorer = open_scorer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """`headline` and `image`, BYTES of (batch, 1) -> `scores`, FP64 of (batch, targets, 4)."""
        inputs = {tensor.name: list(tensor.data) for tensor in payload.inputs}
        pairs = zip(inputs["headline"], inputs["image"], strict=True)
        scores = self.scorer.score([Creative(text.decode(), picture) for text, picture in pairs])
        rows = [
            [[getattr(target, name) for name in _FIGURES] for target in one.targets.values()]
            for one in scores
        ]
        output = NumpyCodec.encode_output("scores", np.array(rows, dtype=np.float64))
        return InferenceResponse(model_name=self.name, outputs=[output])
