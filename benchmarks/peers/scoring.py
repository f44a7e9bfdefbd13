"""What every peer holds: the same bundle, by adscore's own scorer or written by hand."""

import os
from pathlib import Path
from typing import Any

from adscore.creative import Score
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import Scorer
from peers.documented import DocumentedScorer

# Set by the benchmark.
MODEL_VARIABLE = "SERVING_BENCH_MODEL"
PORT_VARIABLE = "SERVING_BENCH_PORT"
DOCUMENTED_VARIABLE = "SERVING_BENCH_DOCUMENTED"

CORES = len(os.sched_getaffinity(0))
HOST = "127.0.0.1"
# Where the ceiling stops getting faster.
LARGEST_BATCH = 32


def open_scorer() -> Scorer | DocumentedScorer:
    """Whichever the benchmark asks for.

    adscore's has a thread for each graph: as many scorers as there are cores work at once.
    """
    model = Path(os.environ[MODEL_VARIABLE])
    if os.environ.get(DOCUMENTED_VARIABLE):
        return DocumentedScorer(model)
    return Scorer.open(model, RuntimeOptions(threads=1))


def port() -> int:
    """Where to listen."""
    return int(os.environ[PORT_VARIABLE])


def answer(score: Score) -> dict[str, Any]:
    """A score as JSON can hold it."""
    return {
        "targets": {
            name: {
                "mean": target.mean,
                "lower": target.lower,
                "upper": target.upper,
                "percentile": target.percentile,
            }
            for name, target in score.targets.items()
        },
        "warnings": list(score.warnings),
    }
