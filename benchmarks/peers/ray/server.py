"""The bundle behind Ray Serve: a replica for each core, batches by its decorator."""

import base64
import signal
import threading
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from adscore.creative import Creative
from peers.scoring import CORES, HOST, LARGEST_BATCH, answer, open_scorer, port


@serve.deployment(
    num_replicas=CORES,
    max_ongoing_requests=2 * LARGEST_BATCH,
    ray_actor_options={"num_cpus": 0.5},
    logging_config=LoggingConfig(enable_access_log=False),
)
class Scoring:
    """Decodes and scores the creatives of a batch."""

    def __init__(self) -> None:
        self.scorer = open_scorer()

    @serve.batch(max_batch_size=LARGEST_BATCH, batch_wait_timeout_s=0.005)
    async def score(self, creatives: list[Creative]) -> list[dict[str, Any]]:
        """Scores a batch."""
        return [answer(score) for score in self.scorer.score(creatives)]

    async def __call__(self, request: Request) -> dict[str, Any]:
        """One request."""
        body = await request.json()
        creative = Creative(body["headline"], base64.b64decode(body["image"]))
        return await self.score(creative)  # type: ignore[no-any-return]


def main() -> None:
    """Serves until SIGTERM."""
    stopping = threading.Event()
    ray.init(
        num_cpus=CORES, include_dashboard=False, _node_ip_address=HOST, object_store_memory=10**8
    )
    # Ray sets handlers of its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    quiet = LoggingConfig(enable_access_log=False)
    serve.start(http_options={"host": HOST, "port": port()}, logging_config=quiet)
    serve.run(Scoring.bind(), route_prefix="/score")
    stopping.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
