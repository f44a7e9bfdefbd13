"""The bundle behind PyTriton: a callable for each core, Triton's dynamic batching."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from adscore.creative import Creative
from peers.scoring import CORES, HOST, LARGEST_BATCH, open_scorer, port

_FIGURES = ("mean", "lower", "upper", "percentile")


def main() -> None:
    """Serves until SIGTERM."""
    scorer = open_scorer()

    @batch
    def score(
        headline: NDArray[np.object_], image: NDArray[np.object_]
    ) -> dict[str, NDArray[np.float64]]:
        """(batch, 1) of bytes each -> (batch, targets, 4)."""
        pairs = zip(headline[:, 0], image[:, 0], strict=True)
        scores = scorer.score([Creative(text.decode(), picture) for text, picture in pairs])
        rows = [
            [[getattr(target, name) for name in _FIGURES] for target in one.targets.values()]
            for one in scores
        ]
        return {"scores": np.array(rows, dtype=np.float64)}

    config = TritonConfig(
        http_address=HOST,
        http_port=port() + 1,
        grpc_address=HOST,
        grpc_port=port(),
        allow_metrics=False,
    )
    texts = [Tensor(name=name, dtype=bytes, shape=(1,)) for name in ("headline", "image")]
    with (
        tempfile.TemporaryDirectory() as folder,
        Triton(config=config, workspace=Path(folder) / "workspace") as triton,
    ):
        triton.bind(
            model_name="scoring",
            infer_func=[score] * CORES,
            inputs=texts,
            outputs=[Tensor(name="scores", dtype=np.float64, shape=(-1, len(_FIGURES)))],
            config=ModelConfig(
                max_batch_size=LARGEST_BATCH,
                batcher=DynamicBatcher(max_queue_delay_microseconds=1000),
            ),
        )
        triton.serve()


if __name__ == "__main__":
    main()
