"""The bundle behind LitServe: a worker for each core, batches as its API documents them."""

import base64
from typing import Any

import litserve

from adscore.creative import Creative, Score
from peers.scoring import CORES, HOST, LARGEST_BATCH, answer, open_scorer, port


class ScoringAPI(litserve.LitAPI):
    """Decodes and scores the creatives of a batch."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Runs once in each worker."""
        self.scorer = open_scorer()

    def decode_request(self, request: dict[str, str]) -> Creative:
        """JSON -> creative."""
        return Creative(request["headline"], base64.b64decode(request["image"]))

    def batch(self, inputs: list[Creative]) -> list[Creative]:
        """Creatives -> what `predict` takes."""
        return list(inputs)

    def predict(self, creatives: list[Creative]) -> list[Score]:
        """Scores a batch."""
        return self.scorer.score(creatives)

    def unbatch(self, output: list[Score]) -> list[Score]:
        """What `predict` gave -> one score each."""
        return output

    def encode_response(self, score: Score) -> dict[str, Any]:
        """Score -> JSON."""
        return answer(score)


if __name__ == "__main__":
    api = ScoringAPI(max_batch_size=LARGEST_BATCH, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=CORES, timeout=60)
    server.run(host=HOST, port=port(), generate_client_file=False, log_level="warning")
